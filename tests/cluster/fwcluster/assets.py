# SPDX-License-Identifier: Apache-2.0
"""The cluster's binaries: Kubernetes' components and etcd.

Each is looked for in $KUBEBUILDER_ASSETS, then on PATH, then in our cache; one of another version is passed over. What is
missing is built from Go modules (tests/cluster/assets/*/go.mod) into the cache, which lies outside build/, so that `make clean`
keeps it: ${XDG_CACHE_HOME:-~/.cache}/fairway/assets/VERSION. A binary appears there by one rename when it is complete.
"""
import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

MODULES = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'assets')
KUBERNETES = ('kube-apiserver', 'kubectl', 'kube-controller-manager', 'kube-scheduler', 'kubelet', 'kube-proxy')
# What a test cluster runs; kube-proxy is what it is compared with.
NAMES = (*KUBERNETES, 'etcd')
CURE = 'make test-assets (needs Go 1.26 or newer), or KUBEBUILDER_ASSETS=DIRECTORY with them'


class AssetsError(Exception):
    pass


def required(module, name):
    """The version of a module that our go.mod asks for."""
    with open(f'{MODULES}/{module}/go.mod') as file:
        return re.search(rf'^\s*(?:require )?{re.escape(name)} (v\S+)', file.read(), re.M).group(1)


VERSION = required('kube', 'k8s.io/kubernetes')
ETCD_VERSION = required('etcd', 'go.etcd.io/etcd/server/v3')


def cache():
    base = os.environ.get('XDG_CACHE_HOME') or os.path.join(os.path.expanduser('~'), '.cache')
    return os.path.join(base, 'fairway', 'assets', f'{VERSION}-etcd-{ETCD_VERSION}')


def minor(version):
    return '.'.join(version.split('.')[:2])


def version_of(path):
    """What a binary says of itself, or '' if it says nothing that we understand."""
    arguments = ['version', '--client'] if os.path.basename(path) == 'kubectl' else ['--version']
    try:
        said = subprocess.run([path, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20).stdout
    except (OSError, subprocess.SubprocessError):
        return ''
    found = re.search(r'(?:Kubernetes|Client Version:|etcd Version:) v?(\d+\.\d+\.\d+)', said)
    return f'v{found.group(1)}' if found else ''


def candidates(name):
    for directory in [os.environ.get('KUBEBUILDER_ASSETS'), *os.environ.get('PATH', '').split(':')]:
        path = os.path.join(directory or '', name)
        if directory and os.path.isfile(path) and os.access(path, os.X_OK):
            yield path


def find():
    """{name: path} of what is there in the right version (the same minor one), without building anything."""
    found = {}
    for name in NAMES:
        wanted = minor(ETCD_VERSION if name == 'etcd' else VERSION)
        found[name] = next((p for p in candidates(name) if minor(version_of(p)) == wanted), None)
        built = f'{cache()}/{name}'
        if not found[name] and os.access(built, os.X_OK):
            found[name] = built
    return {name: path for name, path in found.items() if path}


def missing(found):
    return [name for name in NAMES if name not in found]


def go_program():
    return shutil.which('go') or next((p for p in ('/usr/local/go/bin/go', '/usr/lib/go/bin/go') if os.access(p, os.X_OK)), None)


def obstacle(found):
    """Why the cluster cannot be had here, with the cure; '' if it can."""
    if missing(found) and not go_program():
        return f'no {", ".join(missing(found))} and no Go to build them; cure: {CURE}'
    return ''


def ensure(say=print):
    """find(), and what is missing is built: minutes when nothing is cached."""
    found = find()
    lacking = missing(found)
    if not lacking:
        return found
    if obstacle(found):
        raise AssetsError(obstacle(found))
    os.makedirs(cache(), exist_ok=True)
    with open(f'{cache()}/.lock', 'w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a second one waits here and finds everything built
        lacking = missing(find())
        for number, name in enumerate(lacking):
            say(f'test-assets: {number + 1}/{len(lacking)} {name} {ETCD_VERSION if name == "etcd" else VERSION}: building')
            begin = time.monotonic()
            build(name)
            say(f'test-assets: {number + 1}/{len(lacking)} {name}: done in {time.monotonic() - begin:.0f} s')
    return find()


def build(name):
    module, package, flags = ('etcd', 'go.etcd.io/etcd/server/v3', '-s -w') if name == 'etcd' else (
        'kube', f'k8s.io/kubernetes/cmd/{name}', f'-s -w -X k8s.io/component-base/version.gitVersion={VERSION}')
    environment = {**os.environ, 'CGO_ENABLED': '0', 'GOFLAGS': '-mod=readonly', 'GOWORK': 'off'}
    with tempfile.TemporaryDirectory(prefix='.build-', dir=cache()) as directory:
        done = subprocess.run(['nice', go_program(), 'build', '-trimpath', '-ldflags', flags, '-o', f'{directory}/{name}', package],
                              cwd=f'{MODULES}/{module}', env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            raise AssetsError(f'{name} does not build:\n{done.stdout.strip()[-3000:]}')
        os.rename(f'{directory}/{name}', f'{cache()}/{name}')


def main(quiet=False):
    """`cluster assets`: 0 if all are there, 1 if one could not be built, 3 if neither they nor Go are there."""
    with contextlib.suppress(AttributeError):
        sys.stdout.reconfigure(line_buffering=True)
    problem = obstacle(find())
    if problem:
        print(f'test-assets: {problem}')
        return 3
    try:
        found = ensure()
    except AssetsError as error:
        print(f'test-assets: {error}', file=sys.stderr)
        return 1
    for name in () if quiet else NAMES:
        print(f'{name:24} {found[name]}')
    return 0
