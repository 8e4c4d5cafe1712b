# SPDX-License-Identifier: Apache-2.0
"""Network namespaces and what is in them, by ip(8), nft(8), ethtool(8) and sysctl(8).

Programs enter a namespace with `nsenter --net=…`, never with `ip netns exec`: that one gives each command a mount
namespace of its own, in which a bpffs mounted elsewhere is not seen and what is pinned is gone with the command.
"""
import os
import signal
import subprocess
import time

NETNS_DIR = '/run/netns'
# ip, nft, ethtool and sysctl live in sbin, which not every root's PATH has.
os.environ['PATH'] = os.environ.get('PATH', '/usr/bin:/bin') + ':/usr/sbin:/sbin'


def path(namespace):
    return f'{NETNS_DIR}/{namespace}'


def enter(namespace, argv):
    """argv as run inside the namespace; the process id stays that of the command itself."""
    return ['nsenter', f'--net={path(namespace)}', '--', *map(str, argv)]


def run(argv, stdin=None, check=True, timeout=60):
    """Runs a command and returns its output; a failure raises with what it printed."""
    done = subprocess.run(list(map(str, argv)), input=stdin, capture_output=True, text=True, timeout=timeout)
    if check and done.returncode:
        said = (done.stderr or done.stdout).strip()
        raise RuntimeError(f'{" ".join(map(str, argv))}: exit {done.returncode}: {said}' +
                           (f'\ninput was:\n{stdin}' if stdin else ''))
    return done.stdout


def run_in(namespace, argv, **more):
    return run(enter(namespace, argv), **more)


def ip_batch(namespace, lines):
    run(['ip', '-n', namespace, '-batch', '-'], stdin='\n'.join(lines) + '\n')


def exists(namespace):
    return os.path.exists(path(namespace))


def names(prefix):
    try:
        return sorted(n for n in os.listdir(NETNS_DIR) if n.startswith(prefix))
    except FileNotFoundError:
        return []


def add(namespace, sysctls=None):
    run(['ip', 'netns', 'add', namespace])
    if sysctls:
        run_in(namespace, ['sysctl', '-qw', *(f'{key}={value}' for key, value in sysctls.items())])
    run(['ip', '-n', namespace, 'link', 'set', 'lo', 'up'])


def pids(namespace):
    return [int(pid) for pid in run(['ip', 'netns', 'pids', namespace], check=False).split()]


def end_processes(namespace):
    """Ends what runs in the namespace: all of it was started by the laboratory whose namespace it is."""
    for number, patience in ((signal.SIGTERM, 3.0), (signal.SIGKILL, 5.0)):
        for pid in pids(namespace):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass
        end = time.monotonic() + patience
        while pids(namespace):
            if time.monotonic() > end:
                break
            time.sleep(0.05)
        else:
            return


def delete(namespace):
    end_processes(namespace)
    run(['ip', 'netns', 'del', namespace], check=False)
    # A crash between mount and unmount leaves an empty file that `ip netns del` does not know how to remove.
    if exists(namespace):
        try:
            os.unlink(path(namespace))
        except OSError:
            pass


def veth(near_namespace, near, far_namespace, far):
    run(['ip', '-n', near_namespace, 'link', 'add', near, 'type', 'veth', 'peer', 'name', far, 'netns', far_namespace])


def offload(namespace, device, **features):
    words = [word for name, value in features.items() for word in (name, value)]
    run_in(namespace, ['ethtool', '-K', device, *words])
