# SPDX-License-Identifier: Apache-2.0
"""The load generator, build/lab-load, run on one of the laboratory's hosts; its report is read as JSON."""
import json
import signal
import subprocess

from . import netns


def target(address, port):
    return f'[{address}]:{port}' if ':' in address else f'{address}:{port}'


class Load:
    """A run in the background; result() waits for its end, stop() ends it early. Options become --name=value."""

    def __init__(self, program, namespace, mode, to, **options):
        argv = [program, mode]
        for one in [to] if isinstance(to, str) else to:
            argv += ['--to', one]
        for name, value in options.items():
            name = '--' + name.rstrip('_').replace('_', '-')
            if value is True:
                argv.append(name)
            else:
                argv += [name, ','.join(value) if isinstance(value, (list, tuple)) else str(value)]
        self.argv = argv
        self.process = subprocess.Popen(netns.enter(namespace, argv), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, start_new_session=True)

    def running(self):
        return self.process.poll() is None

    def result(self, timeout=300):
        out, err = self.process.communicate(timeout=timeout)
        if not out:
            raise RuntimeError(f'{" ".join(self.argv)}: exit {self.process.returncode}: {err.strip()}')
        return json.loads(out)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.result(timeout=30)

    def end(self):
        if self.running():
            self.process.kill()
            self.process.wait()


def story(result):
    """A report in two or three lines, for messages."""
    lines = [f'{result["mode"]}: sent {result["sent"]}, ok {result["ok"]}, failed {result["failed"]}, '
             f'moved {result["moved"]}, {result["rate"]:.0f}/s, slowest {result["latencyMsec"]["max"]:.0f} ms',
             f'  reasons {result["reasons"]} pods {result["pods"]} clients {result["clients"]}',
             f'  failed, by second of the run: {result["failedInSecond"]}']
    for failure in (result['failures'] + result['moves'])[:5]:
        lines.append(f'  {failure["at"] - result["begin"]:.3f} s, begun {failure["at"] - failure["began"]:.3f} s before: '
                     f'{failure["reason"]} ({failure["from"]} -> {failure["to"]})')
    return '\n'.join(lines)
