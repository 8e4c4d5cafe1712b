# SPDX-License-Identifier: Apache-2.0
"""The client side of tests/lab/supervisor, the one parent of everything that runs in a laboratory."""
import json
import os
import signal
import socket
import subprocess
import sys
import time

SUPERVISOR = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'supervisor')


class Processes:
    def __init__(self, directory):
        self.socket_path = f'{directory}/supervisor.sock'
        self.pid_path = f'{directory}/supervisor.pid'
        self.log_path = f'{directory}/log/supervisor.log'
        self.log_dir = f'{directory}/log'
        self.killed = {}  # name: how often this object has killed it since its start

    def start_supervisor(self):
        with open(self.log_path, 'ab') as log:
            child = subprocess.Popen([SUPERVISOR, self.socket_path, self.pid_path], stdin=subprocess.DEVNULL,
                                     stdout=log, stderr=log, start_new_session=True)
        end = time.monotonic() + 10
        while not os.path.exists(self.socket_path):
            if child.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f'the supervisor did not start; see {self.log_path}')
            time.sleep(0.02)

    def call(self, operation, **arguments):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(20)
            s.connect(self.socket_path)
            s.sendall(json.dumps({'op': operation, **arguments}).encode() + b'\n')
            answer = b''
            while not answer.endswith(b'\n'):
                part = s.recv(65536)
                if not part:
                    break
                answer += part
        answer = json.loads(answer)
        if 'error' in answer:
            raise RuntimeError(f'supervisor: {operation} {arguments.get("name", "")}: {answer["error"]}')
        return answer

    def start(self, name, argv, restart=None):
        """Starts a process; with `restart` it comes back so many seconds after each end, until stop()."""
        self.killed[name] = 0
        self.call('start', name=name, argv=list(map(str, argv)), restart=restart, log=f'{self.log_dir}/{name}.log')

    def list(self):
        """{name: {"pid": …, "running": …, "restarts": …, "status": …}}"""
        return self.call('list')['processes']

    def pid(self, name):
        process = self.list().get(name)
        return process['pid'] if process and process['running'] else None

    def running(self, name):
        return self.pid(name) is not None

    def kill(self, name, number=signal.SIGKILL):
        """Sends a signal; a process with `restart` comes back if it dies of it."""
        self.call('kill', name=name, signal=int(number))
        self.killed[name] = self.killed.get(name, 0) + (number in (signal.SIGKILL, signal.SIGTERM))

    def stop(self, name, number=signal.SIGTERM, patience=5.0):
        """Ends a process for good and waits for it."""
        if name not in self.list():
            return
        self.call('stop', name=name, signal=int(number))
        end = time.monotonic() + patience
        while self.running(name):
            if time.monotonic() > end:
                self.kill(name)
                end = time.monotonic() + 5
            time.sleep(0.02)
        self.call('forget', name=name)

    def crashes(self):
        """{name: restarts} of what ended more often than this object has killed it."""
        return {n: p['restarts'] for n, p in self.list().items() if p['restarts'] > self.killed.get(n, 0)}

    def supervisor_pid(self):
        """The supervisor's process id if that process is still the one that wrote it, else None."""
        try:
            pid = int(open(self.pid_path).read())
            command = open(f'/proc/{pid}/cmdline', 'rb').read().split(b'\0')
        except (OSError, ValueError):
            return None
        return pid if self.socket_path.encode() in command else None

    def end(self):
        """Ends all processes, then the supervisor. Returns also if some of it is gone already."""
        pid = self.supervisor_pid()
        if pid is None:
            return
        for number, patience in ((signal.SIGTERM, 12.0), (signal.SIGKILL, 5.0)):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                return
            end = time.monotonic() + patience
            while time.monotonic() < end:
                if self.supervisor_pid() is None:
                    return
                try:  # our own child, if this process made the laboratory
                    os.waitpid(pid, os.WNOHANG)
                except ChildProcessError:
                    pass
                time.sleep(0.02)
        print(f'lab: supervisor {pid} does not end', file=sys.stderr)

    def log_tail(self, name, lines=15):
        try:
            with open(f'{self.log_dir}/{name}.log', errors='replace') as log:
                return ''.join(log.readlines()[-lines:])
        except OSError:
            return ''
