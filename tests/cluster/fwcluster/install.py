# SPDX-License-Identifier: Apache-2.0
"""Fairway on a control plane without nodes: what `kubectl apply -k deploy/manifests` installs, without the pods; and its programs
as processes that have exactly what the pods have: the service account's directory, its Role, a host name of their own."""
import os
import subprocess

import yaml

from fwcluster.control_plane import free_ports, program
from fwlab.waiting import eventually

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
BUILD = os.environ.get('FAIRWAY_BUILD', f'{ROOT}/build')
NAMESPACE = 'fairway-system'
WORKLOADS = ('Deployment', 'DaemonSet', 'PodDisruptionBudget', 'NetworkPolicy')
ACCOUNT_DIRECTORY = '/var/run/secrets/kubernetes.io/serviceaccount'
NOBODY = 65532  # lbcontroller's runAsUser
# The program finds its account's directory where a pod has it, is where every user may read it, and has a host name of its own;
# outside nothing of this is seen.
LIKE_A_POD = f'''set -e; account=$1 name=$2 program=$3; shift 3
mount -t tmpfs -o mode=0755 pod /run; mkdir -p {ACCOUNT_DIRECTORY}; mount --bind "$account" {ACCOUNT_DIRECTORY}
inside=/run/${{program##*/}}; touch $inside; mount --bind "$program" $inside
hostname "$name"; exec "$@"'''


def manifests():
    """The installation's objects, in its order."""
    done = subprocess.run([program('kubectl'), 'kustomize', f'{ROOT}/deploy/manifests'], capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise RuntimeError(f'kubectl kustomize deploy/manifests: {done.stderr}')
    return [obj for obj in yaml.safe_load_all(done.stdout) if obj]


def shipped_capabilities(manifest):
    """What a workload's manifest, by its file's name, gives its container."""
    with open(f'{ROOT}/deploy/manifests/{manifest}') as file:
        workload = next(yaml.safe_load_all(file))
    return workload['spec']['template']['spec']['containers'][0]['securityContext']['capabilities'].get('add', [])


def install(plane):
    """Everything of the installation but the pods."""
    plane.admin.apply_all([obj for obj in manifests() if obj['kind'] not in WORKLOADS])


def pod(plane, account, name, node=None):
    """An object alone, to which a token is bound as kubelet does it: with the pod ends the token. Returns it."""
    spec = {'serviceAccountName': account, 'containers': [{'name': account, 'image': 'fairway'}], 'nodeName': node or 'none'}
    return plane.admin.create({'apiVersion': 'v1', 'kind': 'Pod', 'metadata': {'name': name, 'namespace': NAMESPACE}, 'spec': spec})


def pod_token(plane, account, name, node=None):
    return plane.token(NAMESPACE, account, bound_to={'apiVersion': 'v1', 'kind': 'Pod', **pod(plane, account, name, node)})


def end_pod(plane, name):
    """Its token is refused from now on, at the latest when the API server has forgotten that it was good (10 s)."""
    plane.admin.delete('Pod', name, NAMESPACE, {'kind': 'DeleteOptions', 'apiVersion': 'v1', 'gracePeriodSeconds': 0})


class ServiceAccountDirectory:
    """What kubelet mounts into a pod: token, ca.crt, namespace; replaced as kubelet does, by one rename of ..data."""

    def __init__(self, plane, account, name, node=None, user=0):
        self.plane, self.account, self.name, self.node, self.user, self.serial = plane, account, name, node, user, 0
        self.directory = f'{plane.directory}/{name}-account'
        os.makedirs(self.directory, exist_ok=True)
        os.chmod(self.directory, 0o755)
        self.rotate()

    def rotate(self):
        """A token of a new pod; that of the former one stays good until end_former()."""
        self.serial += 1
        self.token = pod_token(self.plane, self.account, f'{self.name}-{self.serial}', self.node)
        version = f'..version-{self.serial}'
        os.mkdir(f'{self.directory}/{version}')
        with open(self.plane.ca) as file:
            ca = file.read()
        for name, text in (('token', self.token), ('ca.crt', ca), ('namespace', NAMESPACE)):
            path = f'{self.directory}/{version}/{name}'
            with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), 'w') as file:
                file.write(text)
            os.chown(path, self.user, self.user)
            if not os.path.lexists(f'{self.directory}/{name}'):
                os.symlink(f'..data/{name}', f'{self.directory}/{name}')
        os.symlink(version, f'{self.directory}/..new')
        os.rename(f'{self.directory}/..new', f'{self.directory}/..data')
        return self.token

    def end_former(self):
        end_pod(self.plane, f'{self.name}-{self.serial - 1}')


def like_a_pod(account_directory, name, program, flags, user=0, capabilities=()):
    """The command line of a program in a pod's world: its account's directory, host name, user, capabilities and no others."""
    drop = ['--no-new-privs', '--inh-caps=-all', '--bounding-set', ','.join(['-all', *(f'+{c.lower()}' for c in capabilities)])]
    user = [f'--reuid={user}', f'--regid={user}', '--clear-groups'] if user else []
    return ['unshare', '--mount', '--uts', '--propagation', 'private', '--', 'sh', '-c', LIKE_A_POD, 'pod', account_directory, name,
            program, 'setpriv', *user, *drop, '--pdeathsig', 'KILL', '--', f'/run/{os.path.basename(program)}', *flags]


class Controller:
    """One lbcontroller, as a replica of the Deployment runs.

    own_identity: as in a pod, where each process waits until its predecessor's Lease is over. Else a killed one that is started
    again holds the Lease at once, which saves a test 15 s."""

    def __init__(self, plane, name='lbcontroller-a', server=None, flags=(), netns='', own_identity=False):
        self.plane, self.name, self.server = plane, name, server or plane.url
        self.account = ServiceAccountDirectory(plane, 'lbcontroller', name, user=NOBODY)
        self.port = free_ports(1)[0]
        self.flags = ['--http-address', f'127.0.0.1:{self.port}', *([] if own_identity else ['--identity', name]), *flags]
        self.part = plane.part(name, self.command, netns, environment={'FAIRWAY_API_SERVERS': self.server})

    def command(self):
        return like_a_pod(self.account.directory, self.name, f'{BUILD}/lbcontroller', self.flags, NOBODY)

    def start(self):
        """Returns when the program itself runs: a signal from then on meets it, and not what prepares its world."""
        self.part.start()
        eventually(lambda: not self.part.running() or self.comm() not in ('nsenter', 'setpriv', 'unshare', 'sh'), f'{self.name} runs')
        return self

    def comm(self):
        try:
            with open(f'/proc/{self.part.pid()}/comm') as file:
                return file.read().strip()
        except FileNotFoundError:
            return ''

    def log(self, since=0):
        return self.part.log(since)

    def is_leader(self):
        return leader(self.plane).startswith(self.name)


def leader(plane):
    """holderIdentity of the Lease, '' if nobody holds it."""
    lease = plane.admin.find('Lease', 'lbcontroller', NAMESPACE)
    return (lease or {}).get('spec', {}).get('holderIdentity') or ''


def wait_leader(plane, controllers, patience=30.0):
    """Which of the controllers leads, once one does."""
    def found():
        for controller in controllers:
            assert controller.part.running(), f'{controller.name} ended:\n{controller.log()[-3000:]}'
        return next((c for c in controllers if c.is_leader()), None)

    return eventually(found, lambda: f'one of {[c.name for c in controllers]} leads, not {leader(plane)!r}\n' +
                      '\n'.join(c.log()[-1500:] for c in controllers), patience)
