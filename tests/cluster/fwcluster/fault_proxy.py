# SPDX-License-Identifier: Apache-2.0
"""A proxy between one program and the API server that does what networks and servers do on bad days.

It terminates TLS with a certificate of the test PKI and forwards each request with its credentials (tokens; a client
certificate does not come through) over a connection of its own. It listens on the loopback, of a network namespace where
wanted. Every request is in `log`. Faults are rules: the first that matches answers in the server's place.

    proxy.answer(429, path='/services', times=3, headers={'Retry-After': '1'})
    proxy.cut_watches('/endpointslices')   # the next event of such a watch ends in its middle, and so does the connection
    proxy.hang(); proxy.go()               # connections stay up, nothing moves any more
"""
import dataclasses
import http.client
import http.server
import json
import socket
import ssl
import threading
import time

from fwcluster.client import in_netns

HOP_BY_HOP = ('connection', 'keep-alive', 'transfer-encoding', 'content-length', 'host')


@dataclasses.dataclass
class Request:
    """One request as it was answered. status: 0 while it runs, or if it was cut before its answer."""
    when: float
    method: str
    path: str
    user_agent: str
    token: str
    status: int = 0
    faulty: bool = False


@dataclasses.dataclass
class Rule:
    status: int
    path: str = ''          # a part of the path with its query
    method: str = ''        # '' any
    token: str = ''         # only requests with this token
    times: int = -1         # how often; -1 for ever, until clear()
    headers: dict = dataclasses.field(default_factory=dict)
    body: bytes = b''
    whole: bool = True      # False: Content-Length promises more than is sent
    used: int = 0

    def matches(self, method, path, token):
        return (self.path in path and self.method in ('', method) and self.token in ('', token) and self.used != self.times)


def status_body(code, reason, message):
    return json.dumps({'kind': 'Status', 'apiVersion': 'v1', 'metadata': {}, 'status': 'Failure', 'message': message,
                       'reason': reason, 'code': code}).encode()


class FaultProxy:
    def __init__(self, plane, netns=None, name='fault-proxy'):
        self.plane, self.name = plane, name
        self.upstream_tls = ssl.create_default_context(cafile=plane.ca)
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.renew_certificate()
        self.lock = threading.Lock()
        self.rules, self.log, self.cuts = [], [], []
        self.flowing = threading.Event()
        self.flowing.set()
        self.bytes_per_second = 0
        self.open = set()  # sockets of clients
        listener = in_netns(netns, lambda: socket.create_server(('127.0.0.1', 0), backlog=64))
        self.port = listener.getsockname()[1]
        self.url = f'https://127.0.0.1:{self.port}'
        self.server = Server(listener, self)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={'poll_interval': 0.05}, daemon=True)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.flowing.set()
        self.server.socket.close()
        self.reset()

    # --- faults ----------------------------------------------------------------------------------------------

    def answer(self, status, reason='', message='a fault that the test ordered', **more):
        """Answers in the server's place, for what matches; a Kubernetes Status unless `body` says otherwise."""
        rule = Rule(status, **{'body': status_body(status, reason, message), **more})
        with self.lock:
            self.rules.append(rule)
        return rule

    def garbage(self, **more):
        """Something between that thinks it is helpful."""
        return self.answer(200, **{'body': b'<html>\x00\xff please log in', 'headers': {'Content-Type': 'text/html'}, **more})

    def truncated(self, whole=True, **more):
        """JSON that stops in the middle: as if complete (whole), or with the connection."""
        return self.answer(200, **{'body': b'{"kind":"List","apiVersion":"v1","metadata":{"resourceVersion":"1"},"items":[{"metadata":{"na',
                                   'headers': {'Content-Type': 'application/json'}, 'whole': whole, **more})

    def cut_watches(self, path=''):
        with self.lock:
            self.cuts.append(path)

    def hang(self):
        self.flowing.clear()

    def slow(self, bytes_per_second):
        self.bytes_per_second = bytes_per_second

    def go(self):
        self.bytes_per_second = 0
        self.flowing.set()

    def clear(self):
        """No fault any more; `log` stays."""
        with self.lock:
            self.rules, self.cuts = [], []
        self.go()

    def reset(self):
        """Ends every connection abruptly: no goodbye of HTTP or TLS."""
        with self.lock:
            sockets = list(self.open)
            self.open.clear()
        for s in sockets:
            end_abruptly(s)

    def renew_certificate(self):
        """The server's certificate from now on, for new connections: another key, the same CA."""
        self.plane.pki.server(self.name, ('127.0.0.1', 'localhost'))
        self.tls.load_cert_chain(self.plane.pki.certificate(self.name), self.plane.pki.key(self.name))

    # --- asked by the handlers ---------------------------------------------------------------------------------

    def rule_for(self, method, path, token):
        with self.lock:
            for rule in self.rules:
                if rule.matches(method, path, token):
                    rule.used += 1
                    return rule
        return None

    def cut_for(self, path):
        with self.lock:
            for cut in self.cuts:
                if cut in path:
                    self.cuts.remove(cut)
                    return True
        return False

    def requests(self, method='', path='', since=0):
        """Of the log from that index on, those that match."""
        return [r for r in self.log[since:] if method in ('', r.method) and path in r.path]


def end_abruptly(s):
    try:
        s.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, listener, proxy):
        self.proxy = proxy
        super().__init__(('', 0), Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.server_address = listener.getsockname()

    def process_request_thread(self, request, client_address):
        proxy = self.proxy
        raw = request
        with proxy.lock:
            proxy.open.add(raw)
        try:
            proxy.flowing.wait()
            request.settimeout(30)
            request = proxy.tls.wrap_socket(request, server_side=True)
            with proxy.lock:
                proxy.open.discard(raw)
                proxy.open.add(request)
            request.settimeout(None)
            super().process_request_thread(request, client_address)
        except (OSError, ValueError):
            pass
        finally:
            with proxy.lock:
                proxy.open.discard(raw)
                proxy.open.discard(request)
            request.close()

    def handle_error(self, request, client_address):
        pass  # a client that went away


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    upstream = None

    def log_message(self, *_):
        pass

    def handle(self):
        try:
            super().handle()
        except (OSError, http.client.HTTPException, ValueError):
            self.close_connection = True
        finally:
            if self.upstream:
                self.upstream.close()

    def serve(self):
        proxy = self.server.proxy
        length = int(self.headers.get('Content-Length') or 0)
        body = self.rfile.read(length) if length else None
        token = (self.headers.get('Authorization') or '').removeprefix('Bearer ')
        request = Request(time.monotonic(), self.command, self.path, self.headers.get('User-Agent', ''), token)
        with proxy.lock:
            proxy.log.append(request)
        proxy.flowing.wait()
        rule = proxy.rule_for(self.command, self.path, token)
        if rule:
            request.faulty = True
            request.status = rule.status
            self.answer(rule)
        else:
            self.forward(proxy, request, body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = serve

    def answer(self, rule):
        self.send_response(rule.status)
        for name, value in {'Content-Type': 'application/json', **rule.headers}.items():
            self.send_header(name, value)
        self.send_header('Content-Length', str(len(rule.body) + (0 if rule.whole else 1000)))
        self.end_headers()
        self.wfile.write(rule.body)
        if not rule.whole:
            self.close_connection = True

    def forward(self, proxy, request, body):
        plane = proxy.plane
        if not self.upstream:
            self.upstream = http.client.HTTPSConnection(plane.address, plane.port, context=proxy.upstream_tls)
        headers = {k: v for k, v in self.headers.items() if k.lower() not in HOP_BY_HOP}
        try:
            self.upstream.request(self.command, self.path, body, headers)
            reply = self.upstream.getresponse()
        except (OSError, http.client.HTTPException):
            self.close_connection = True  # the server is away: so are we
            return
        request.status = reply.status
        self.send_response_only(reply.status)
        for name, value in reply.getheaders():
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header('Transfer-Encoding', 'chunked')
        self.end_headers()
        watch = 'watch=1' in self.path or 'watch=true' in self.path
        while True:
            data = reply.read1(16384)
            proxy.flowing.wait()
            if data and watch and proxy.cut_for(self.path):
                request.faulty = True
                self.chunk(proxy, data[:len(data) // 2])
                end_abruptly(self.connection)
                self.close_connection = True
                return
            self.chunk(proxy, data)
            if not data:
                return

    def chunk(self, proxy, data):
        if proxy.bytes_per_second:
            for i in range(0, len(data), 512):
                self.wfile.write(b'%x\r\n%s\r\n' % (len(data[i:i + 512]), data[i:i + 512]))
                self.wfile.flush()
                time.sleep(512 / (proxy.bytes_per_second or 1 << 30))
            data = b'' if not data else None
        if data is not None:
            self.wfile.write(b'%x\r\n%s\r\n' % (len(data), data))
        self.wfile.flush()
