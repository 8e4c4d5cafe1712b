# SPDX-License-Identifier: Apache-2.0
"""When addresses first answer HTTP with 200 at a host: of each a new attempt every few milliseconds, beside those that still
wait, so that neither a lost SYN nor a slow answer is in the way."""
import contextlib
import queue
import selectors
import socket
import threading
import time

from fwcluster.client import in_netns

REQUEST = b'GET / HTTP/1.0\r\n\r\n'
OPEN_MAX = 4000  # attempts at once


class Knock:
    """One thread in the host's namespace; `every`: seconds between attempts at one address."""

    def __init__(self, netns, every, port=80):
        self.every, self.port = every, port
        self.answered = {}  # address: time.time()
        self.added, self.due = queue.SimpleQueue(), {}
        self.stopping = False
        self.selector = selectors.DefaultSelector()
        self.thread = threading.Thread(target=in_netns, args=(netns, self.run), daemon=True)
        self.thread.start()

    def add(self, address):
        self.added.put(address)

    def wait(self, n, patience):
        """Until n addresses have answered; when the last of them did."""
        end = time.monotonic() + patience
        while len(self.answered) < n:
            if time.monotonic() > end:
                raise RuntimeError(f'{len(self.answered)} of {n} addresses answered within {patience:.0f} s')
            time.sleep(self.every)
        return max(self.answered.values())

    def close(self):
        self.stopping = True
        self.thread.join()

    def run(self):
        try:
            while not self.stopping:
                with contextlib.suppress(queue.Empty):
                    while True:
                        self.due[self.added.get_nowait()] = 0.0
                self.begin_attempts(time.monotonic())
                for key, _ in self.selector.select(self.every / 2):
                    self.serve(key)
        finally:
            for key in list(self.selector.get_map().values()):
                key.fileobj.close()
            self.selector.close()

    def begin_attempts(self, now):
        for address, due in self.due.items():
            if now < due or len(self.selector.get_map()) >= OPEN_MAX:
                continue
            self.due[address] = now + self.every
            sock = socket.socket(socket.AF_INET6 if ':' in address else socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            try:
                sock.connect_ex((address, self.port))
                self.selector.register(sock, selectors.EVENT_WRITE, address)
            except OSError:  # no route yet
                sock.close()

    def serve(self, key):
        sock, address = key.fileobj, key.data
        try:
            if address not in self.answered and key.events & selectors.EVENT_WRITE:
                sock.sendall(REQUEST)
                self.selector.modify(sock, selectors.EVENT_READ, address)
                return
            if sock.recv(4096).startswith((b'HTTP/1.0 200', b'HTTP/1.1 200')) and address not in self.answered:
                self.answered[address] = time.time()
                del self.due[address]
        except OSError:
            pass
        self.selector.unregister(sock)
        sock.close()
