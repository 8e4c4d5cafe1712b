#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A stand-in for an API server that misbehaves when told to, for tests/edge/test_api.c: lists (in pages), watches, 410, and
whatever goes wrong between. HTTP/1.1 over TLS on 127.0.0.1. What accepts gzip gets it: a list in one piece, of a watch each event
as a gzip member of its own, as kube-apiserver does from 1.37 on for initial events. usage: api_server.py DIRECTORY [PORT]

Makes its certificates in DIRECTORY (ca.crt and server.*), prints "port N", then obeys one line of stdin after the other and
answers each with "ok", after what it has to tell:

  put PATH JSON        an object comes or changes          del PATH NAME     and goes
  version N            the next resourceVersion            forget            no watch can begin before now
  page N               objects in a page                   initial on|off    whether initial events of a watch are served
  answer STATUS N [S]  N answers with STATUS, Retry-After: S
  garbage N            N answers that are none             missing PATH|-    404 for it
  forbidden PATH|-     403 for it
  token TEXT           the only one that is accepted       renew             a new CA and certificate; connections end
  cut                  all watches end within an event     reset             all connections end
  requests             what was asked since the last time, without the probe
"""
import gzip
import json
import os
import ssl
import subprocess
import sys
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

DIRECTORY = sys.argv[1]
lock = threading.Condition()


class World:
    version, page, initial, token = 100, 500, False, 'first'
    oldest = 0       # watches from before this version are refused
    objects = {}     # path: {name: object}
    events = []      # (version, path, type, object)
    answers = []     # (status, retry after)
    garbage = 0
    missing, forbidden = set(), set()
    requests = []
    cuts = 0
    connections = set()


def openssl(*words):
    subprocess.run(['openssl', *words], check=True, cwd=DIRECTORY, stderr=subprocess.DEVNULL)


def make_certificates():
    curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
    openssl('req', '-x509', *curve, '-keyout', 'ca.key', '-out', 'new-ca.crt', '-days', '2', '-subj', f'/CN=test-ca-{os.urandom(4).hex()}')
    openssl('req', *curve, '-keyout', 'server.key', '-out', 'server.csr', '-subj', '/CN=api')
    with open(f'{DIRECTORY}/server.ext', 'w') as file:
        file.write('subjectAltName=IP:127.0.0.1,DNS:kubernetes')
    openssl('x509', '-req', '-in', 'server.csr', '-CA', 'new-ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2',
            '-extfile', 'server.ext', '-out', 'server.crt')
    os.rename(f'{DIRECTORY}/new-ca.crt', f'{DIRECTORY}/ca.crt')


def context():
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(f'{DIRECTORY}/server.crt', f'{DIRECTORY}/server.key')
    return tls


class Handler(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def setup(self):
        self.request = self.server.tls.wrap_socket(self.request, server_side=True)
        with lock:
            World.connections.add(self.request)
        super().setup()

    def finish(self):
        with lock:
            World.connections.discard(self.request)
        try:
            super().finish()
        except OSError:
            pass

    def log_message(self, *_):
        pass

    def reply(self, status, body, headers=()):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header('Content-Length', str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def refuse(self, code, reason, headers=()):
        self.reply(code, {'kind': 'Status', 'code': code, 'reason': reason, 'message': f'this is {reason}'}, headers)

    def handle_any(self):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        body = self.rfile.read(int(self.headers.get('Content-Length', 0)))
        if url.path == '/livez':
            return self.reply(200, b'ok')
        with lock:
            World.requests.append(f'{self.command} {self.path} {self.headers.get("Content-Type", "-")} {body.decode()}'.strip())
            answer = World.answers.pop(0) if World.answers else None
            garbage = World.garbage > 0
            World.garbage -= garbage
        if self.headers.get('Authorization') != f'Bearer {World.token}':
            return self.refuse(401, 'Unauthorized')
        if answer:
            return self.refuse(answer[0], 'Busy', [('Retry-After', answer[1])] if answer[1] else [])
        if garbage:
            return self.reply(200, b'<html>\nthis is a captive portal</html>')
        if self.command != 'GET':
            return self.reply(200, {'kind': 'Echo', 'body': body.decode()})
        if url.path in World.forbidden:
            return self.refuse(403, 'Forbidden')
        if url.path in World.missing:
            return self.refuse(404, 'NotFound')
        if 'watch' in query:
            return self.watch(url.path, query)
        return self.list(url.path, query)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

    def selected(self, path, query):
        wanted = query.get('fieldSelector', '').partition('=')[2]
        return [o for name, o in sorted(World.objects.get(path, {}).items()) if not wanted or name == wanted]

    def list(self, path, query):
        with lock:
            items, version = self.selected(path, query), World.version
        first, at = query.get('continue', f'{version}:0').split(':')
        if int(first) < World.oldest:
            return self.refuse(410, 'Expired')
        at = int(at)
        page = min(World.page, int(query.get('limit', len(items) or 1)))
        more = f'{first}:{at + page}' if at + page < len(items) else ''
        body = json.dumps({'metadata': {'resourceVersion': first, 'continue': more}, 'items': items[at:at + page]}).encode()
        if self.accepts_gzip():
            return self.reply(200, gzip.compress(body), [('Content-Encoding', 'gzip')])
        self.reply(200, body)

    def accepts_gzip(self):
        return 'gzip' in self.headers.get('Accept-Encoding', '')

    def chunk(self, data):
        self.wfile.write(b'%x\r\n%s\r\n' % (len(data), data))

    def event(self, kind, object):
        line = json.dumps({'type': kind, 'object': object}).encode() + b'\n'
        self.chunk(gzip.compress(line) if self.accepts_gzip() else line)

    def watch(self, path, query):
        initial = 'sendInitialEvents' in query
        if initial and not World.initial:
            return self.refuse(422, 'Invalid')
        self.send_response(200)
        self.send_header('Transfer-Encoding', 'chunked')
        if self.accepts_gzip():
            self.send_header('Content-Encoding', 'gzip')
        self.end_headers()
        with lock:
            version, cuts = World.version if initial else int(query['resourceVersion']), World.cuts
            items = self.selected(path, query) if initial else []
            forgotten = version < World.oldest
        if forgotten:
            self.event('ERROR', {'kind': 'Status', 'code': 410, 'reason': 'Expired'})
            return self.chunk(b'')
        for item in items:
            self.event('ADDED', item)
        if initial:
            self.event('BOOKMARK', {'metadata': {'resourceVersion': str(version), 'annotations': {'k8s.io/initial-events-end': 'true'}}})
        wanted = query.get('fieldSelector', '').partition('=')[2]
        while True:
            with lock:
                lock.wait_for(lambda: World.cuts != cuts or any(e[0] > version for e in World.events))
                events = [e for e in World.events if e[0] > version]
                cut = World.cuts != cuts
            if cut:
                self.wfile.write(b'ff\r\n{"type":"ADDED","object":{"metada')
                self.close_connection = True
                return self.request.close()
            for version, where, kind, object in events:
                if where == path and (not wanted or object['metadata']['name'] == wanted):
                    self.event(kind, object)


class Server(ThreadingHTTPServer):
    daemon_threads, request_queue_size = True, 64

    def handle_error(self, *_):
        pass


def change(path, kind, name, object):
    World.version += 1
    if kind == 'DELETED':
        object = dict(World.objects[path].pop(name))
    object['metadata'] = {**object['metadata'], 'resourceVersion': str(World.version)}
    if kind == 'ADDED':
        kind = 'MODIFIED' if name in World.objects.setdefault(path, {}) else 'ADDED'
        World.objects[path][name] = object
    World.events.append((World.version, path, kind, object))
    lock.notify_all()


def end_connections():
    for connection in list(World.connections):
        try:
            connection.shutdown(2)
        except OSError:
            pass


def obey(server, word, rest):
    if word == 'put':
        path, _, text = rest.partition(' ')
        object = json.loads(text)
        change(path, 'ADDED', object['metadata']['name'], object)
    elif word == 'del':
        path, name = rest.split()
        change(path, 'DELETED', name, None)
    elif word == 'version':
        World.version, World.events = int(rest), []
    elif word == 'forget':
        World.version += 1
        World.oldest, World.events = World.version, []
    elif word == 'page':
        World.page = int(rest)
    elif word == 'initial':
        World.initial = rest == 'on'
    elif word == 'answer':
        status, n, *after = rest.split()
        World.answers = [(int(status), after[0] if after else None)] * int(n)
    elif word == 'garbage':
        World.garbage = int(rest)
    elif word == 'forbidden':
        World.forbidden = set() if rest == '-' else World.forbidden | {rest}
    elif word == 'missing':
        World.missing = set() if rest == '-' else World.missing | {rest}
    elif word == 'token':
        World.token = rest
    elif word == 'cut':
        World.cuts += 1
        lock.notify_all()
    elif word == 'renew':
        make_certificates()
        server.tls = context()
        end_connections()
    elif word == 'reset':
        end_connections()
    elif word == 'requests':
        for line in World.requests:
            print(line)
        World.requests = []


def main():
    make_certificates()
    server = Server(('127.0.0.1', int(sys.argv[2]) if len(sys.argv) > 2 else 0), Handler)
    server.tls = context()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f'port {server.server_address[1]}', flush=True)
    for line in sys.stdin:
        word, _, rest = line.strip().partition(' ')
        with lock:
            obey(server, word, rest)
        print('ok', flush=True)


main()
