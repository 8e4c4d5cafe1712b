# SPDX-License-Identifier: Apache-2.0
"""One program that a test cluster consists of: start, stop, kill, pause, log.

A Part is known by its pid and that pid's start time, so that one command can start it and a later one end it, and a pid
that was used again is never hit. Where it dies with its parent, the kernel sees to it (PR_SET_PDEATHSIG): also a killed
test leaves nothing running. That signal follows the *thread* that started it: start from the main thread.
"""
import os
import signal
import subprocess
import time

PATIENCE = 30.0


def start_time(pid):
    """The pid's start time in clock ticks, None if there is none or it is a zombie."""
    try:
        with open(f'/proc/{pid}/stat') as file:
            fields = file.read().rpartition(')')[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in 'ZX' else int(fields[19])


class Part:
    def __init__(self, name, argv, directory, netns=None, persistent=False, environment=None):
        """argv: a list, or a function that gives one at each start. persistent: outlives the process that starts it."""
        self.name, self.argv, self.netns, self.persistent = name, argv, netns, persistent
        self.environment = environment or {}
        self.log_path = f'{directory}/log/{name}.log'
        self.pid_path = f'{directory}/{name}.pid'
        self.child = None
        self.starts = []  # wall-clock time of each start by this object
        os.makedirs(f'{directory}/log', exist_ok=True)

    def command(self):
        enter = ['nsenter', f'--net=/run/netns/{self.netns}', '--'] if self.netns else []
        tie = [] if self.persistent else ['setpriv', '--pdeathsig', 'KILL', '--']
        return [*enter, *tie, *map(str, self.argv() if callable(self.argv) else self.argv)]

    def start(self):
        assert not self.running(), f'{self.name} runs already'
        self.starts.append(time.time())
        with open(self.log_path, 'ab') as log:
            self.child = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                                          env={**os.environ, **self.environment})
        with open(self.pid_path, 'w') as file:
            file.write(f'{self.child.pid} {start_time(self.child.pid) or 0}\n')

    def pid(self):
        """Of the running process, else None."""
        if self.child:
            return self.child.pid if self.child.poll() is None else None
        try:
            with open(self.pid_path) as file:
                pid, started = map(int, file.read().split())
        except (FileNotFoundError, ValueError):
            return None
        return pid if started and start_time(pid) == started else None

    def running(self):
        return self.pid() is not None

    def send(self, number):
        pid = self.pid()
        if pid:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    def pause(self):
        self.send(signal.SIGSTOP)

    def resume(self):
        self.send(signal.SIGCONT)

    def kill(self):
        return self.stop(signal.SIGKILL)

    def stop(self, number=signal.SIGTERM, patience=10.0):
        """Ends it, by force after `patience`; returns the exit status if it was our child."""
        self.send(number)
        self.resume()
        for number, patience in ((signal.SIGKILL, patience), (None, PATIENCE)):
            end = time.monotonic() + patience
            while self.running() and time.monotonic() < end:
                time.sleep(0.01)
            if not self.running():
                break
            if number:
                self.send(number)
        status, self.child = self.child.returncode if self.child else None, None
        if os.path.exists(self.pid_path):
            os.unlink(self.pid_path)
        return status

    def restart(self, number=signal.SIGTERM):
        self.stop(number)
        self.start()

    def wait(self, patience=PATIENCE):
        """Waits for the end of a child that is expected to end by itself; returns its status."""
        status = self.child.wait(patience)
        self.child = None
        return status

    def log(self, since=0):
        """Its output so far, from that offset (see log_size()) on."""
        try:
            with open(self.log_path, errors='replace') as file:
                file.seek(since)
                return file.read()
        except FileNotFoundError:
            return ''

    def log_size(self):
        return os.path.getsize(self.log_path) if os.path.exists(self.log_path) else 0
