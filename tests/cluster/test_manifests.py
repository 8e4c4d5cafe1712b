# SPDX-License-Identifier: Apache-2.0
"""What deploy/ ships, without a cluster: that the manifests say what DEPLOY.md promises, and that the FRR container's first process
runs with exactly the capabilities, groups and files that its DaemonSet gives it."""
import contextlib
import os
import signal
import subprocess
import tempfile

import pytest
import yaml
from fwcluster import assets
from fwcluster.install import shipped_capabilities
from fwlab.waiting import eventually

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DEPLOY = f'{ROOT}/deploy'
NAMESPACE = 'fairway-system'


def kustomize(directory):
    kubectl = assets.find()['kubectl']
    if not kubectl:
        pytest.skip(assets.obstacle(assets.find()))
    done = subprocess.run([kubectl, 'kustomize', directory], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


@pytest.fixture(scope='module')
def objects():
    return kustomize(f'{DEPLOY}/manifests')


def of(objects, kind, name=None):
    found = [o for o in objects if o['kind'] == kind and name in (None, o['metadata']['name'])]
    return found if name is None else found[0]


def workloads(objects):
    return [*of(objects, 'DaemonSet'), *of(objects, 'Deployment')]


def pod(workload):
    return workload['spec']['template']['spec']


def container(workload):
    (only,) = pod(workload)['containers']
    return only


def test_everything_bears_its_labels_and_its_namespace(objects):
    for o in objects:
        assert o['metadata'].get('labels', {}).get('app.kubernetes.io/part-of') == 'fairway', o['metadata']['name']
        assert o['metadata'].get('namespace') in (None, NAMESPACE)
    assert sorted(w['metadata']['name'] for w in workloads(objects)) == ['frr', 'lbagent', 'lbcontroller']


def test_nothing_more_is_allowed_than_is_said(objects):
    rights = {w['metadata']['name']: (container(w)['securityContext'], pod(w)) for w in workloads(objects)}
    capabilities = {name: context['capabilities'].get('add', []) for name, (context, _) in rights.items()}
    assert capabilities == {'lbagent': ['BPF', 'NET_ADMIN', 'PERFMON'], 'lbcontroller': [],
                            'frr': ['NET_ADMIN', 'NET_BIND_SERVICE', 'NET_RAW', 'SETGID', 'SETUID', 'SYS_ADMIN']}
    for name, (context, spec) in rights.items():
        assert context['capabilities']['drop'] == ['ALL'] and context['readOnlyRootFilesystem'] is True
        assert 'privileged' not in context and not spec.get('hostPID') and not spec.get('hostIPC')
        assert spec['securityContext']['seccompProfile'] == {'type': 'RuntimeDefault'}
        # Kubernetes refuses false together with SYS_ADMIN: the image sets no_new_privs.
        assert context.get('allowPrivilegeEscalation') is (None if name == 'frr' else False)
        assert spec.get('hostNetwork', False) is (name != 'lbcontroller')
    with open(f'{DEPLOY}/image/Containerfile.frr') as file:
        assert 'ENTRYPOINT [ "setpriv", "--no-new-privs", ' in file.read()
    controller = rights['lbcontroller'][1]['securityContext']
    assert controller['runAsNonRoot'] and controller['runAsUser'] > 0
    hosts = {name: sorted(v['hostPath']['path'] for v in spec.get('volumes', []) if 'hostPath' in v) for name, (_, spec) in rights.items()}
    assert hosts == {'lbagent': ['/proc/sys/net/ipv4', '/run/fairway', '/sys/fs/bpf'], 'frr': ['/run/fairway/frr'], 'lbcontroller': []}


def test_roles_have_no_stars_and_secrets_only_here(objects):
    roles = of(objects, 'ClusterRole') + of(objects, 'Role')
    for role in roles:
        for rule in role['rules']:
            words = rule['apiGroups'] + rule['resources'] + rule['verbs']
            assert '*' not in words and not {'escalate', 'bind', 'impersonate', 'delete', 'deletecollection'} & set(words), role['metadata']['name']
            assert 'nonResourceURLs' not in rule
            if 'secrets' in rule['resources']:
                assert role['kind'] == 'Role' and role['metadata']['name'] == 'lbagent'
    writes = {(role['metadata']['name'], resource, verb) for role in roles for rule in role['rules'] for resource in rule['resources']
              for verb in rule['verbs'] if verb not in ('get', 'list', 'watch')}
    assert writes == {('fairway-lbagent', 'lbnodes', 'create'), ('fairway-lbagent', 'lbnodes/status', 'patch'),
                      ('fairway-lbcontroller', 'services/status', 'patch'), ('fairway-lbcontroller', 'serviceippools', 'patch'),
                      ('fairway-lbcontroller', 'serviceippools/status', 'patch'), ('fairway-lbcontroller', 'bgppeers/status', 'patch'),
                      ('fairway-lbcontroller', 'bgpadvertisements/status', 'patch'), ('fairway-lbcontroller', 'bfdprofiles/status', 'patch'),
                      ('fairway-lbcontroller', 'communities/status', 'patch'), ('fairway-lbcontroller', 'lbnodes/status', 'patch'),
                      ('fairway-lbcontroller', 'events', 'create'), ('fairway-lbcontroller', 'events', 'patch'),
                      ('lbcontroller', 'leases', 'create'), ('lbcontroller', 'leases', 'update')}
    accounts = {w['metadata']['name']: (pod(w)['serviceAccountName'], pod(w)['automountServiceAccountToken']) for w in workloads(objects)}
    assert accounts == {'lbagent': ('lbagent', True), 'lbcontroller': ('lbcontroller', True), 'frr': ('frr', False)}
    bound = {s['name'] for b in of(objects, 'ClusterRoleBinding') + of(objects, 'RoleBinding') for s in b['subjects']}
    assert bound == {'lbagent', 'lbcontroller'}


def test_nodes_keep_serving_while_pods_are_replaced(objects):
    for name in ('lbagent', 'frr'):
        daemons = of(objects, 'DaemonSet', name)
        assert daemons['spec']['updateStrategy'] == {'type': 'RollingUpdate', 'rollingUpdate': {'maxUnavailable': 1}}
        assert pod(daemons)['tolerations'] == [{'operator': 'Exists'}] and pod(daemons)['priorityClassName'] == 'system-node-critical'
        # The kernel counts the maps to the agent: a limit would end it, not them.
        assert 'limits' not in container(daemons)['resources']
    controller = of(objects, 'Deployment', 'lbcontroller')
    budget = of(objects, 'PodDisruptionBudget', 'lbcontroller')
    assert controller['spec']['replicas'] == 2 and budget['spec']['minAvailable'] == 1
    assert budget['spec']['selector'] == controller['spec']['selector']
    for workload in workloads(objects):
        assert {'startupProbe', 'livenessProbe'} <= set(container(workload)) and 'requests' in container(workload)['resources']
        labels = workload['spec']['template']['metadata']['labels']
        assert workload['spec']['selector']['matchLabels'].items() <= labels.items()


def test_one_image_version_everywhere(objects):
    with open(f'{ROOT}/userspace/base/version.h') as file:
        version = file.read().split('#define FAIRWAY_VERSION "')[1].split('"')[0]
    images = {w['metadata']['name']: container(w)['image'] for w in workloads(objects)}
    assert images == {'lbagent': f'fairway:{version}', 'lbcontroller': f'fairway:{version}', 'frr': f'fairway-frr:{version}'}


def test_a_changed_setting_rolls_the_pods():
    """The example overlay says where the API servers are: in a ConfigMap with a name of its own."""
    plain, overlay = kustomize(f'{DEPLOY}/manifests'), kustomize(f'{DEPLOY}/overlays/without-kube-proxy')
    settings = [next(o for o in objects if o['kind'] == 'ConfigMap') for objects in (plain, overlay)]
    assert settings[0]['data'] == {'FAIRWAY_API_SERVERS': ''} and settings[1]['data']['FAIRWAY_API_SERVERS'].startswith('https://')
    names = [{c['envFrom'][0]['configMapRef']['name'] for c in (container(of(objects, 'DaemonSet', 'lbagent')),
                                                                 container(of(objects, 'Deployment', 'lbcontroller')))}
             for objects in (plain, overlay)]
    assert names == [{s['metadata']['name']} for s in settings] and names[0] != names[1]


def test_no_address_of_a_private_mirror_is_shipped():
    for directory, _, files in os.walk(DEPLOY):
        for name in files:
            with open(f'{directory}/{name}', errors='replace') as file:
                text = file.read()
            for word in text.split():
                if '://' in word:
                    assert any(known in word for known in ('deb.debian.org', '192.0.2.', 'kubernetes.io')), f'{directory}/{name}: {word}'


# --- the FRR container's first process ----------------------------------------------------------------------------------------


class Frr:
    """frr-run in a network namespace, with what the DaemonSet gives to its container."""

    def __init__(self, netns, without=()):
        added = [c.lower() for c in shipped_capabilities('frr.yaml') if c not in without]
        self.directory = tempfile.mkdtemp(prefix='fairway-frr-')
        self.environment = {**os.environ, 'FAIRWAY_FRR_DIR': self.directory}
        self.log = open(f'{self.directory}/log', 'wb')
        self.process = subprocess.Popen(
            ['nsenter', f'--net=/run/netns/{netns}', 'unshare', '--pid', '--fork', '--kill-child', '--mount', '--mount-proc',
             'setpriv', '--no-new-privs', '--groups', 'frr,frrvty', '--inh-caps=-all', '--bounding-set',
             ','.join(['-all', *(f'+{c}' for c in added)]), f'{DEPLOY}/image/frr-run'],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, env=self.environment)

    def text(self):
        with open(f'{self.directory}/log', errors='replace') as file:
            return file.read()

    def alive(self):
        return subprocess.run([f'{DEPLOY}/image/frr-alive'], capture_output=True, env=self.environment).returncode == 0

    def inside(self):
        """The host's pid of frr-run."""
        with open(f'/proc/{self.process.pid}/task/{self.process.pid}/children') as file:
            return int(file.read().split()[0])

    def daemons(self):
        """{name: the host's pid}"""
        found = {}
        with contextlib.suppress(OSError, IndexError):
            with open(f'/proc/{self.inside()}/task/{self.inside()}/children') as file:
                for pid in file.read().split():
                    found[os.path.basename(os.readlink(f'/proc/{pid}/exe'))] = int(pid)
        return {name: pid for name, pid in found.items() if name in ('zebra', 'bfdd', 'bgpd')}

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.log.close()
        subprocess.run(['rm', '-rf', self.directory])


@pytest.fixture
def netns():
    if os.geteuid() != 0 or not os.path.exists('/usr/lib/frr/bgpd'):
        pytest.skip('needs root and FRR; cure: run as root after make deps')
    name = f'fw-frr-{os.getpid()}'
    subprocess.run(['ip', 'netns', 'add', name], check=True)
    subprocess.run(['ip', '-n', name, 'link', 'set', 'lo', 'up'], check=True)
    yield name
    subprocess.run(['ip', 'netns', 'del', name], check=True)


def test_frr_runs_with_what_it_is_given_and_comes_back(netns):
    frr = Frr(netns)
    try:
        eventually(frr.alive, frr.text)
        before = frr.daemons()
        assert sorted(before) == ['bfdd', 'bgpd', 'zebra']
        for pid in before.values():
            with open(f'/proc/{pid}/status') as file:
                status = dict(line.split(':', 1) for line in file)
            assert int(status['CapEff'], 16) == 0 and int(status['NoNewPrivs']) == 1 and status['Uid'].split()[0] != '0'
        # Nobody but root and FRR's group comes to the sockets, nobody at all by TCP.
        assert os.stat(frr.directory).st_mode & 0o777 == 0o770
        listening = subprocess.run(['ip', 'netns', 'exec', netns, 'ss', '-Hltn'], capture_output=True, text=True).stdout
        assert listening == ''
        os.kill(before['bgpd'], signal.SIGKILL)
        eventually(lambda: frr.daemons().get('bgpd', before['bgpd']) != before['bgpd'] and frr.alive(), frr.text)
        assert {n: p for n, p in frr.daemons().items() if n != 'bgpd'} == {n: p for n, p in before.items() if n != 'bgpd'}
        assert 'bgpd ended with status 137: it is started again' in frr.text()
        os.kill(frr.inside(), signal.SIGTERM)
        assert frr.process.wait(timeout=20) == 0, frr.text()
    finally:
        frr.end()


def test_a_daemon_that_hangs_is_noticed(netns):
    frr = Frr(netns)
    try:
        eventually(frr.alive, frr.text)
        os.kill(frr.daemons()['bgpd'], signal.SIGSTOP)
        assert not frr.alive()
    finally:
        frr.end()


def test_no_second_frr_on_a_node(netns):
    listener = subprocess.Popen(['ip', 'netns', 'exec', netns, '/usr/bin/python3', '-c', 'import socket, time\ns = socket.create_server'
                                 '(("127.0.0.1", 2601))\nprint("ready", flush=True)\ntime.sleep(60)'], stdout=subprocess.PIPE)
    listener.stdout.readline()
    frr = Frr(netns)
    try:
        assert frr.process.wait(timeout=20) == 1
        assert "another zebra runs on this node" in frr.text()
    finally:
        frr.end()
        listener.kill()
        listener.wait()


@pytest.mark.soak
@pytest.mark.parametrize('capability', shipped_capabilities('frr.yaml'))
def test_frr_needs_each_capability(netns, capability):
    frr = Frr(netns, without=[capability])
    try:
        eventually(lambda: 'is started again' in frr.text(), frr.text)
        assert not frr.alive()
    finally:
        frr.end()
