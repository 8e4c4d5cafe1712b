# SPDX-License-Identifier: Apache-2.0
"""A real control plane on one machine: etcd, kube-apiserver, kube-controller-manager, a scheduler where wanted. No kubelets:
objects are real, nodes and pods are what a test writes.

    with ControlPlane() as plane:
        plane.admin.create({...})                         # client.py; plane.kubectl('get', 'svc') where kubectl itself is tested
        token = plane.token('fairway-system', 'lbcontroller')
        plane.apiserver.pause(); plane.apiserver.resume(); plane.apiserver.restart()

Everything lies in one directory and bears its name; ports on the loopback are random, so that several stand side by side.
With `netns` and `address` it lives inside a network namespace (the cluster of several nodes); `persistent` leaves it running
when the program that started it ends, and load() finds it again. The API server writes an audit log of all requests, with
the bodies of writes to what Fairway writes.
"""
import datetime
import functools
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time

from fwcluster import assets
from fwcluster.client import ApiError, Client, connect_in, kubeconfig
from fwcluster.part import Part
from fwcluster.pki import Pki
from fwlab.waiting import eventually

PREFIX = 'fairway-control-plane-'
SERVICE_CIDRS = '10.96.0.0/16,fd00:10:96::/112'
POD_CIDRS = '10.244.0.0/16,fd00:10:244::/48'
SERVICE_IPS = ('10.96.0.1', 'fd00:10:96::1')
LONE_CONTROLLERS = ('endpointslice-controller', 'serviceaccount-controller', 'namespace-controller', 'garbage-collector-controller')
STARTING = 20.0  # seconds that an API server may need for its Roles
NAMES = ('localhost', '127.0.0.1', '::1', 'kubernetes', 'kubernetes.default', 'kubernetes.default.svc',
         'kubernetes.default.svc.cluster.local', *SERVICE_IPS)
FAIRWAY_WRITES = [{'group': '', 'resources': ['services', 'services/status', 'events']},
                  {'group': 'coordination.k8s.io', 'resources': ['leases']}, {'group': 'fairway.dev'}]
UNAUDITED = {'audit-policy-file': None, 'audit-log-path': None, 'audit-log-mode': None}  # api_flags where each request's cost counts
AUDIT_POLICY = {'apiVersion': 'audit.k8s.io/v1', 'kind': 'Policy', 'rules': [
    {'level': 'Request', 'verbs': ['create', 'update', 'patch', 'delete'], 'resources': FAIRWAY_WRITES},
    {'level': 'Metadata'}]}


@functools.lru_cache(None)
def programs():
    return assets.find()


def missing(names=('etcd', 'kube-apiserver', 'kube-controller-manager', 'kubectl')):
    """Why there can be no control plane here, with the cure; '' if there can. Builds nothing."""
    absent = [name for name in names if name not in programs()]
    return f'no {", ".join(absent)}; cure: {assets.CURE}' if absent else ''


def program(name):
    if name not in programs():
        raise RuntimeError(missing((name,)))
    return programs()[name]


HELD = []  # sockets of free_ports()


def free_ports(n):
    """Of the loopback, for servers that this program starts, and starts again. The kernel gives them to nobody else for as long as it
    runs: a socket that is bound and does not listen is in the way of no server that sets SO_REUSEADDR too, and of everyone who
    asks for any port."""
    sockets = [socket.socket() for _ in range(n)]
    for s in sockets:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(('127.0.0.1', 0))
    HELD.extend(sockets)
    return [s.getsockname()[1] for s in sockets]


def sweep():
    """Removes directories of control planes whose maker was killed; their processes died with it."""
    for name in os.listdir(tempfile.gettempdir()):
        pid = name[len(PREFIX):].partition('-')[0]
        if name.startswith(PREFIX) and pid.isdigit() and not os.path.exists(f'/proc/{pid}'):
            shutil.rmtree(f'{tempfile.gettempdir()}/{name}', ignore_errors=True)


def received_at(event):
    """Of an audit event, wall-clock time in seconds."""
    return datetime.datetime.fromisoformat(event['requestReceivedTimestamp'].replace('Z', '+00:00')).timestamp()


class ControlPlane:
    def __init__(self, directory=None, address='127.0.0.1', port=None, netns=None, names=(), service_cidrs=SERVICE_CIDRS,
                 controllers=LONE_CONTROLLERS, scheduler=False, persistent=False, api_flags=None, kcm_flags=None):
        """names: more names and addresses in the server's certificate. controllers: None for all of the default ones.
        api_flags, kcm_flags: {flag: value} over the flags below; a value of None takes a flag away."""
        if not directory:
            sweep()
        self.own_directory = not directory
        self.directory = directory or tempfile.mkdtemp(prefix=f'{PREFIX}{os.getpid()}-')
        os.makedirs(self.directory, exist_ok=True)
        os.chmod(self.directory, 0o711)  # programs of other users reach what they are given, and nothing else
        ports = free_ports(4)
        self.options = {'address': address, 'port': port or ports[0], 'ports': ports, 'netns': netns, 'names': list(names),
                        'service_cidrs': service_cidrs, 'controllers': controllers and list(controllers), 'scheduler': scheduler,
                        'persistent': persistent, 'api_flags': api_flags or {}, 'kcm_flags': kcm_flags or {}}
        self.build()

    @classmethod
    def load(cls, directory):
        """The control plane that an earlier program left running in this directory."""
        plane = cls.__new__(cls)
        plane.own_directory, plane.directory = False, directory
        with open(f'{directory}/control-plane.json') as file:
            plane.options = json.load(file)
        plane.build()
        return plane

    def build(self):
        o = self.options
        self.pki = Pki(f'{self.directory}/pki')
        self.netns, self.address, self.port = o['netns'], o['address'], o['port']
        host = f'[{self.address}]' if ':' in self.address else self.address
        self.url = f'https://{host}:{self.port}'
        self.ca = self.pki.ca
        self.etcd_port, self.etcd_peer_port = o['ports'][1:3]
        self.audit_path = f'{self.directory}/audit.log'
        self.etcd = self.part('etcd', self.etcd_command)
        self.apiserver = self.part('kube-apiserver', self.apiserver_command)
        self.kcm = self.part('kube-controller-manager', self.kcm_command)
        self.scheduler = self.part('kube-scheduler', self.scheduler_command) if o['scheduler'] else None
        self.admin_client = None

    def part(self, name, argv, netns='', environment=None):
        """A further program of this control plane (not started): ends with it, logs beside it. netns: another one."""
        return Part(name, argv, self.directory, netns or self.netns, self.options['persistent'], environment)

    # --- up and down -----------------------------------------------------------------------------------------

    def __enter__(self):
        self.up()
        return self

    def __exit__(self, *_):
        self.down()

    def up(self):
        with open(f'{self.directory}/control-plane.json', 'w') as file:
            json.dump(self.options, file)
        with open(f'{self.directory}/audit-policy.json', 'w') as file:
            json.dump(AUDIT_POLICY, file)
        try:
            self.etcd.start()
            self.write_pki()
            self.apiserver.start()
            self.wait_ready()
            self.kcm.start()
            if self.scheduler:
                self.scheduler.start()
        except BaseException:
            self.down()
            raise

    def down(self):
        for part in (self.scheduler, self.kcm, self.apiserver, self.etcd):
            if part:
                part.kill()
        if self.own_directory:
            shutil.rmtree(self.directory, ignore_errors=True)
        else:
            shutil.rmtree(f'{self.directory}/etcd', ignore_errors=True)

    def write_pki(self):
        self.renew_certificate()
        self.pki.client('admin', groups=('system:masters',))
        for name in ('kube-controller-manager', 'kube-scheduler'):
            self.pki.client(name, f'system:{name}')
            self.kubeconfig(name)

    def renew_certificate(self):
        """A new certificate for the server; kube-apiserver reads it within a minute, or at its next start."""
        self.pki.server('kube-apiserver', dict.fromkeys([*NAMES, self.address, *self.options['names']]))

    def wait_ready(self, patience=60.0):
        def ready():
            if not self.apiserver.running():
                raise RuntimeError(f'kube-apiserver ended:\n{self.apiserver.log()[-3000:]}')
            try:
                return self.admin.request('GET', '/readyz', timeout=5) == 'ok'
            except (OSError, ApiError):
                return False

        eventually(ready, lambda: f'kube-apiserver is ready:\n{self.apiserver.log()[-3000:]}', patience)

    # --- commands --------------------------------------------------------------------------------------------

    def etcd_command(self):
        client, peer = f'http://127.0.0.1:{self.etcd_port}', f'http://127.0.0.1:{self.etcd_peer_port}'
        return [program('etcd'), '--name', 'test', '--data-dir', f'{self.directory}/etcd', '--unsafe-no-fsync',
                '--listen-client-urls', client, '--advertise-client-urls', client, '--listen-peer-urls', peer,
                '--initial-advertise-peer-urls', peer, '--initial-cluster', f'test={peer}', '--log-level', 'warn',
                '--quota-backend-bytes', str(4 << 30)]

    def flags(self, defaults, changes):
        return [f'--{k}={v}' for k, v in {**defaults, **changes}.items() if v is not None]

    def apiserver_command(self):
        key = self.pki.key('service-accounts')
        return [program('kube-apiserver'), *self.flags({
            'etcd-servers': f'http://127.0.0.1:{self.etcd_port}', 'bind-address': self.address, 'secure-port': self.port,
            'advertise-address': self.address, 'endpoint-reconciler-type': 'none', 'allow-privileged': 'true',
            'tls-cert-file': self.pki.certificate('kube-apiserver'), 'tls-private-key-file': self.pki.key('kube-apiserver'),
            'client-ca-file': self.ca, 'authorization-mode': 'Node,RBAC',
            'kubelet-client-certificate': self.pki.certificate('admin'), 'kubelet-client-key': self.pki.key('admin'),
            'kubelet-preferred-address-types': 'InternalIP', 'enable-aggregator-routing': 'true',
            'service-account-issuer': 'https://kubernetes.default.svc', 'service-account-signing-key-file': key,
            'service-account-key-file': f'{self.pki.directory}/service-accounts.pub',
            'service-cluster-ip-range': self.options['service_cidrs'], 'shutdown-watch-termination-grace-period': '1s',
            'audit-policy-file': f'{self.directory}/audit-policy.json', 'audit-log-path': self.audit_path,
            'audit-log-mode': 'blocking', 'audit-log-maxsize': 0, 'max-requests-inflight': '2000', 'max-mutating-requests-inflight': '1000',
        }, self.options['api_flags'])]

    def own_kubeconfigs(self, name):
        path = f'{self.directory}/{name}.kubeconfig'
        return {'kubeconfig': path, 'authentication-kubeconfig': path, 'authorization-kubeconfig': path,
                'bind-address': '127.0.0.1', 'leader-elect': 'false', 'secure-port': 0}

    def kcm_command(self):
        return [program('kube-controller-manager'), *self.flags({
            **self.own_kubeconfigs('kube-controller-manager'), 'use-service-account-credentials': 'true',
            'service-account-private-key-file': self.pki.key('service-accounts'), 'root-ca-file': self.ca,
            'controllers': ','.join(self.options['controllers'] or ['*']), 'cluster-cidr': POD_CIDRS,
            'allocate-node-cidrs': 'false', 'kube-api-qps': '200', 'kube-api-burst': '400',
        }, self.options['kcm_flags'])]

    def scheduler_command(self):
        return [program('kube-scheduler'), *self.flags(self.own_kubeconfigs('kube-scheduler'), {})]

    # --- clients ---------------------------------------------------------------------------------------------

    @property
    def admin(self):
        if not self.admin_client:
            self.admin_client = self.client('admin')
        return self.admin_client

    def client(self, name=None, token=None, **more):
        """For a client certificate of pki.client(), or a token."""
        pair = (self.pki.certificate(name), self.pki.key(name)) if name else ()
        return Client(self.url, self.ca, *pair, token=token, netns=self.netns, **more)

    def kubeconfig(self, name, server=None, token=None, **more):
        """Writes NAME.kubeconfig: with the client certificate NAME, or with a token; returns the path."""
        path = f'{self.directory}/{name}.kubeconfig'
        if token or more.get('token_file'):
            return kubeconfig(path, server or self.url, self.ca, token=token, **more)
        return kubeconfig(path, server or self.url, self.ca, self.pki.certificate(name), self.pki.key(name), **more)

    def kubectl(self, *words, stdin=None, check=True, timeout=60):
        """Runs kubectl as admin; returns what it prints."""
        config = f'{self.directory}/admin.kubeconfig'
        if not os.path.exists(config):
            self.kubeconfig('admin')
        enter = ['nsenter', f'--net=/run/netns/{self.netns}', '--'] if self.netns else []
        done = subprocess.run([*enter, program('kubectl'), '--kubeconfig', config, *map(str, words)], input=stdin, text=True,
                              capture_output=True, timeout=timeout,
                              env={**os.environ, 'KUBECACHEDIR': f'{self.directory}/kubectl-cache'})
        if check and done.returncode:
            raise RuntimeError(f'kubectl {" ".join(map(str, words))}: exit {done.returncode}: {done.stderr.strip()}')
        return done.stdout

    def token(self, namespace, account, seconds=3600, bound_to=None):
        """A token of a service account; bound_to: an object (as kubelet binds it to the Pod) whose deletion ends it."""
        spec = {'expirationSeconds': seconds}
        if bound_to:
            spec['boundObjectRef'] = {'apiVersion': bound_to['apiVersion'], 'kind': bound_to['kind'],
                                      'name': bound_to['metadata']['name'], 'uid': bound_to['metadata']['uid']}
        path = self.admin.path('ServiceAccount', account, namespace, subresource='token')
        return self.admin.request('POST', path, {'apiVersion': 'authentication.k8s.io/v1', 'kind': 'TokenRequest', 'spec': spec})['status']['token']

    def wait_may(self, user, verb, resource, group='', namespace='', subresource='', allowed=True):
        """Until the API server permits this to a user, or no more: it takes Roles and bindings up a moment after they were written. Asks
        the server itself, so that no refusal is in the audit log."""
        attributes = {'verb': verb, 'resource': resource, 'group': group, 'namespace': namespace, 'subresource': subresource}
        review = {'apiVersion': 'authorization.k8s.io/v1', 'kind': 'SubjectAccessReview', 'spec': {'user': user, 'resourceAttributes': attributes}}
        path = '/apis/authorization.k8s.io/v1/subjectaccessreviews'
        eventually(lambda: self.admin.request('POST', path, review)['status']['allowed'] == allowed, f'{user}: {attributes}: {allowed}')

    # --- etcd and audit --------------------------------------------------------------------------------------

    def etcd_call(self, path, body):
        """etcd's JSON gateway."""
        with connect_in(self.netns, ('127.0.0.1', self.etcd_port), 10) as s:
            data = json.dumps(body).encode()
            s.sendall(f'POST {path} HTTP/1.0\r\nHost: etcd\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n'
                      .encode() + data)
            answer = b''.join(iter(lambda: s.recv(65536), b''))
        head, _, body = answer.partition(b'\r\n\r\n')
        if b' 200 ' not in head.split(b'\r\n')[0]:
            raise RuntimeError(f'etcd {path}: {answer.decode(errors="replace")}')
        return json.loads(body)

    def compact(self):
        """Drops etcd's history up to now: with the API server's restart, older resourceVersions are answered with 410."""
        revision = int(self.etcd_call('/v3/kv/range', {'key': 'AA==', 'range_end': 'AA==', 'limit': '1', 'keys_only': True})
                       ['header']['revision'])
        self.etcd_call('/v3/kv/compaction', {'revision': str(revision), 'physical': True})
        return revision

    def audit_size(self):
        return os.path.getsize(self.audit_path) if os.path.exists(self.audit_path) else 0

    def audit(self, since=0):
        """Audit events (dicts) of what was asked after that offset of the log, as it was answered. A change is seen by others before
        its answer is in the log: those under way are waited for, and an answer to what was asked before is left out."""
        end = time.monotonic() + 5
        while True:
            received, events = self.read_audit(since)
            began = self.apiserver.starts[-1] if self.apiserver.starts else 0  # one that was killed before answers no more
            answered = {event['auditID'] for event in events}
            if time.monotonic() > end or not any(when >= began for request, when in received.items() if request not in answered):
                # A 401 has no record of its receipt.
                return [e for e in events if not since or e['auditID'] in received or e['responseStatus']['code'] == 401]
            time.sleep(0.02)

    def read_audit(self, since):
        """Of the log from that offset on, whole lines: when requests were received ({auditID: wall-clock time}), and the other events."""
        received, events = {}, []
        if os.path.exists(self.audit_path):
            with open(self.audit_path, 'rb') as file:
                if since:  # a line that was being written then was of what was asked before
                    file.seek(since - 1)
                    file.readline()
                for event in (json.loads(line) for line in file if line.endswith(b'\n')):
                    if event['stage'] == 'RequestReceived':
                        received[event['auditID']] = received_at(event)
                    else:
                        events.append(event)
        return received, events

    def refusals(self, user, since=0):
        """401 and 403 that a user has got. Left out: what a starting API server refuses to everybody until it has read the Roles,
        and a new object in a namespace that is being deleted."""
        def counts(event):
            when = received_at(event)
            return (event['user'].get('username') == user and event['responseStatus']['code'] in (401, 403) and
                    'it is being terminated' not in event['responseStatus'].get('message', '') and
                    not any(start <= when < start + STARTING for start in self.apiserver.starts))

        return [event for event in self.audit(since) if counts(event)]
