# SPDX-License-Identifier: Apache-2.0
"""lbagent with the Kubernetes API as its source, on a lone control plane: one node in network namespaces (tests/agent/node.py)
whose objects are an API server's, under the shipped role. No FRR and no controller: addresses are written here."""
import os
import re
import signal
import sys
import time

import pytest

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), '../agent'))
from fwcluster.client import ApiError  # noqa: E402
from fwcluster.control_plane import ControlPlane, missing  # noqa: E402
from fwcluster.lone_agent import ApiWorld  # noqa: E402
from fwlab.waiting import FOREVER, eventually, stays  # noqa: E402
from node import REMOTE4, REMOTE6, VIP4, VIP6, Bench  # noqa: E402

AGENT = 'system:serviceaccount:fairway-system:lbagent'
KINDS = ('ServiceIPPool', 'BGPPeer', 'BGPAdvertisement', 'BFDProfile', 'Community', 'LBNode')
DEPLOY = os.path.join(os.path.dirname(os.path.abspath(__file__)), '../../deploy')


class ApiBench(Bench):
    plane_flags = {}

    def up(self):
        super().up()
        self.plane = ControlPlane(netns=self.node, api_flags=self.plane_flags)
        self.plane.up()
        self.install()
        self.world = ApiWorld(self.plane.admin)
        self.wait_allowed()
        self.audit_from = self.plane.audit_size()
        self.kubeconfig = self.plane.kubeconfig('lbagent', token=self.token())
        self.write_world()

    def install(self):
        admin = self.plane.admin
        admin.apply({'apiVersion': 'v1', 'kind': 'Namespace', 'metadata': {'name': 'fairway-system'}})
        self.plane.kubectl('apply', '-k', f'{DEPLOY}/crds')
        self.plane.kubectl('apply', '-f', f'{DEPLOY}/manifests/access.yaml')
        self.plane.kubectl('wait', '--for=condition=Established', '--timeout=60s', 'crd/lbnodes.fairway.dev', 'crd/serviceippools.fairway.dev')

    def wait_allowed(self):
        """Kinds and Roles that were just made take a moment to be known."""
        for kind in KINDS:
            eventually(lambda: self.is_served(kind), f'{kind} is served')
        self.plane.wait_may(AGENT, 'list', 'bgppeers', 'fairway.dev')
        self.plane.wait_may(AGENT, 'list', 'secrets', namespace='fairway-system')

    def is_served(self, kind):
        try:
            return self.plane.admin.list(kind) is not None
        except ApiError:
            return False

    def token(self):
        return self.plane.token('fairway-system', 'lbagent')

    def down(self):
        self.kill_agent()
        if getattr(self, 'plane', None):
            self.plane.down()
        super().down()

    def agent_command(self, *more, capabilities=None):
        command = super().agent_command(*more, capabilities=capabilities)
        at = command.index('--manifests')
        return command[:at] + ['--kubeconfig', self.kubeconfig] + command[at + 2:]

    def status(self):
        found = self.plane.admin.find('LBNode', 'n1')
        return (found or {}).get('status', {})

    def entry(self, name):
        """The group and the entry that name it, or None."""
        for group in self.status().get('groups', []):
            for text in group['services']:
                if text.startswith(f'{name}='):
                    return group, text
        return None

    def metric(self, name):
        return float(re.search(rf'^fairway_{name} (\S+)$', self.get('/metrics').replace('\r', ''), re.M).group(1))

    def ready(self):
        return '"ready": true' in self.http('http://127.0.0.1:7472/readyz')


@pytest.fixture(scope='module')
def module_bench():
    if missing():
        pytest.skip(missing())
    bench = ApiBench()
    try:
        bench.up()
        yield bench
    finally:
        bench.down()


@pytest.fixture
def bench(module_bench, request):
    module_bench.put_shop()
    if not module_bench.agent:
        module_bench.start_agent()
    module_bench.wait_served()
    failed = request.session.testsfailed
    yield module_bench
    if request.session.testsfailed > failed:
        print(module_bench.log()[-6000:])


def test_objects_come_from_the_api(bench):
    assert bench.curl(VIP4)['pod'] == 'pod-1' and bench.curl(VIP6)['pod'] == 'pod-1'
    assert bench.ready()
    node = bench.lbctl_json('node', 'show')
    assert node['source'] == bench.plane.url and node['sourceReachable'] and node['ready']
    bench.world.pod_set('pod-1', services=['web/shop'], ip4=REMOTE4, ip6=REMOTE6, node='n2', ready=True)
    eventually(lambda: (bench.curl(VIP4) or {}).get('pod') == 'pod-2', 'a changed EndpointSlice is followed')
    bench.put_shop()
    eventually(lambda: (bench.curl(VIP4) or {}).get('pod') == 'pod-1', 'and back')
    metrics = bench.http('http://127.0.0.1:7472/metrics')
    assert 'fairway_api_reachable 1\n' in metrics.replace('\r', '')


def test_lbnode_tells_what_is(bench):
    group, entry = eventually(lambda: (found := bench.entry('web/shop')) and found[0]['programmed'] and found,
                              lambda: f'web/shop stands there, programmed: {bench.status()}')
    assert entry == f'web/shop={VIP4},{VIP6}'
    assert group['announcedTo'] == [] and group['reason'] == 'NoPeers'
    status = bench.status()
    assert status['services'] == {'total': 1, 'programmed': 1, 'announced': 0, 'omitted': 0, 'sampled': False}
    assert [i['name'] for i in status['interfaces']] == ['up0'] and status['interfaces'][0]['hook'] == 'xdp'
    assert status['heartbeatSeconds'] == 60 and status['heartbeatTime']
    ready = status['conditions'][0]
    assert (ready['type'], ready['status'], ready['reason']) == ('Ready', 'True', 'Ready')
    node, lbnode = bench.plane.admin.get('Node', 'n1'), bench.plane.admin.get('LBNode', 'n1')
    owner = lbnode['metadata']['ownerReferences'][0]
    assert (owner['kind'], owner['name'], owner['uid'], owner['blockOwnerDeletion']) == ('Node', 'n1', node['metadata']['uid'], False)
    assert [m['manager'] for m in lbnode['metadata']['managedFields'] if m.get('subresource')] == ['lbagent']
    table = bench.plane.kubectl('get', 'lbnodes').splitlines()
    assert table[1].split()[:5] == ['n1', 'True', '1', '1', '0']
    before = lbnode['metadata']['resourceVersion']
    time.sleep(2.5)
    assert bench.plane.admin.get('LBNode', 'n1')['metadata']['resourceVersion'] == before, 'nothing changed, nothing is written'


def test_a_refused_address_is_told(bench):
    bench.service('web/bad', ['198.51.100.1'])  # the node's own
    group, entry = eventually(lambda: bench.entry('web/bad'), lambda: f'web/bad stands there: {bench.status()}')
    assert entry == 'web/bad=' and not group['programmed'] and group['reason'] == 'Refused'
    assert '198.51.100.1' in group['message']
    bench.world.service_remove('web/bad')
    eventually(lambda: not bench.entry('web/bad'), 'it is gone')


def test_a_peer_that_cannot_be_had_says_why(bench):
    """Of the peers that select this node; the controller shows it in the BGPPeer's status."""
    peer = {'myASN': 64513, 'peerASN': 64512, 'passwordSecret': {'name': 'nope'}}
    bench.world.fairway('BGPPeer', 'locked', {**peer, 'peerAddress': '192.0.2.1'})
    bench.world.fairway('BGPPeer', 'elsewhere', {**peer, 'peerAddress': '192.0.2.2', 'nodeSelectors': [{'matchLabels': {'no': 'such'}}]})

    def peers():
        return {p['name']: p for p in bench.status().get('peers', [])}

    try:
        locked = eventually(lambda: peers().get('locked'), lambda: f'it stands there: {bench.status()}')
        assert locked['state'] == 'NotConfigured' and 'Secret fairway-system/nope not found' in locked['lastError']
        assert 'elsewhere' not in peers()
    finally:
        for name in ('locked', 'elsewhere'):
            bench.plane.admin.delete('BGPPeer', name)
    eventually(lambda: not peers(), lambda: f'it is gone: {bench.status()}')


def test_what_a_pools_status_tells_is_no_change(bench):
    """lbcontroller writes counts each second, and a pool concerns every Service: an agent would plan all of them anew each time"""
    def generation():
        return bench.lbctl_json('node', 'show')['generation']

    pool = {'apiVersion': 'fairway.dev/v1alpha1', 'kind': 'ServiceIPPool', 'metadata': {'name': 'counted'}}
    before = generation()
    bench.world.fairway('ServiceIPPool', 'counted', {'addresses': ['198.18.0.0/24']})
    eventually(lambda: generation() > before, 'its coming is a change')
    time.sleep(FOREVER)  # and one of a test before, if that comes now
    planned, events = generation(), bench.metric('source_events_total')
    for i in range(3):
        bench.plane.admin.apply({**pool, 'status': {'assignedIPv4': i}}, subresource='status')
    eventually(lambda: bench.metric('source_events_total') >= events + 3, 'the agent was told')
    stays(lambda: generation() == planned, 'nothing is planned')
    bench.plane.admin.delete('ServiceIPPool', 'counted')
    eventually(lambda: generation() > planned, 'that it goes is a change')


def test_a_broken_advertisement_leaves_what_it_announced(bench):
    """What gets past the CRD and is refused by the agent: the last good version stays in force"""
    world, admin = bench.world, bench.plane.admin

    def routes():
        return {(r['prefix'], tuple(r['communities'])) for r in bench.lbctl_json('bgp', 'routes')['routes']}

    world.fairway('BGPPeer', 'tor', {'myASN': 64513, 'peerASN': 64512, 'peerAddress': '198.51.100.9'})
    world.fairway('BGPAdvertisement', 'all', {'communities': ['64512:7']})
    wanted = {(f'{VIP4}/32', ('64512:7',))}
    try:
        eventually(lambda: routes() == wanted, lambda: f'it is announced: {routes()}')
        log = len(bench.log())
        world.fairway('BGPAdvertisement', 'all', {'communities': ['64512:7', 'a\0b']})
        line = eventually(lambda: re.search(r'BGPAdvertisement/all: .*', bench.log()[log:]), 'the refusal is logged').group(0)
        assert 'spec.communities' in line and 'the last good version stays in force' in line
        assert routes() == wanted
        world.fairway('BGPAdvertisement', 'all', {'communities': ['64512:8']})
        eventually(lambda: routes() == {(f'{VIP4}/32', ('64512:8',))}, lambda: f'it is mended: {routes()}')
    finally:
        for kind, name in (('BGPAdvertisement', 'all'), ('BGPPeer', 'tor')):
            admin.gone(kind, name)
    eventually(lambda: not routes(), 'they are gone')


def test_a_deleted_service_goes_while_its_address_stays(bench):
    """Its finalizer holds the object: the agent must not wait for it, or nobody would ever move."""
    admin = bench.plane.admin
    bench.service('web/gone', ['203.0.113.20'])
    admin.patch('Service', 'gone', {'metadata': {'finalizers': ['service.kubernetes.io/load-balancer-cleanup']}}, 'web')
    eventually(lambda: bench.entry('web/gone'), 'it stands there')
    admin.delete('Service', 'gone', 'web')
    assert admin.get('Service', 'gone', 'web')['metadata']['deletionTimestamp']
    eventually(lambda: not bench.entry('web/gone'), lambda: f'no VIP of it is left: {bench.status()}', 30)
    assert admin.get('Service', 'gone', 'web')['status']['loadBalancer']['ingress'][0]['ip'] == '203.0.113.20'
    assert bench.services()['web/gone']['problem'] == 'being deleted'
    admin.patch('Service', 'gone', {'metadata': {'finalizers': None}}, 'web')
    eventually(lambda: 'web/gone' not in bench.services(), 'it is gone')
    assert bench.curl(VIP4)


def test_a_removed_lbnode_comes_back(bench):
    eventually(lambda: bench.entry('web/shop'), 'it stands there')
    bench.plane.admin.delete('LBNode', 'n1')
    bench.service('web/more', ['203.0.113.30'])  # something to write
    eventually(lambda: bench.entry('web/more'), lambda: f'it is made again: {bench.status()}')
    bench.world.service_remove('web/more')
    eventually(lambda: not bench.entry('web/more'), 'it is gone')


def test_many_changes_are_few_writes(bench):
    eventually(lambda: bench.entry('web/shop'), 'it stands there')
    begin, before = time.monotonic(), int(bench.metric('lbnode_writes_total'))
    for i in range(40):
        bench.service('web/flap', ['203.0.113.40'] if i % 2 else [])
        time.sleep(0.05)
    bench.world.service_remove('web/flap')
    eventually(lambda: not bench.entry('web/flap'), 'it is gone')
    writes = int(bench.metric('lbnode_writes_total')) - before
    assert 1 <= writes <= 2 + time.monotonic() - begin, 'one a second at most, however long the machine takes for the changes'


def test_it_may_no_more_than_it_needs(bench):
    """All that the agent of these tests asked for until now was allowed."""
    refused = bench.plane.refusals(AGENT, bench.audit_from)
    assert [(e['verb'], e['requestURI']) for e in refused] == []
    client = bench.plane.client(token=bench.token())
    for kind, namespace in (('Secret', 'default'), ('Pod', 'default')):
        with pytest.raises(ApiError) as error:
            client.list(kind, namespace)
        assert error.value.status == 403


def test_the_api_away_and_the_agent_restarted(bench):
    eventually(lambda: bench.entry('web/shop'), 'it stands there')
    bench.plane.apiserver.kill()
    try:
        eventually(lambda: not bench.lbctl_json('node', 'show')['sourceReachable'], 'the loss is seen', 15)
        assert bench.curl(VIP4) and bench.curl(VIP6) and bench.ready()
        assert f'waiting for API server {bench.plane.url} since 20' in bench.http('http://127.0.0.1:7472/readyz')
        assert 'waiting for API server since 20' in bench.lbctl('node', 'show').stdout
        assert 'waiting for API server' in bench.lbctl('why', 'web/nothing').stderr
        assert 'waiting for API server' in bench.lbctl('why', 'web/shop').stdout
        bench.kill_agent(signal.SIGKILL)
        bench.start_agent()
        for _ in range(20):
            assert bench.curl(VIP4) and bench.curl(VIP6)
            time.sleep(0.1)
        assert not bench.ready() and '"alive": true' in bench.http('http://127.0.0.1:7472/healthz')
        assert bench.lbctl_json('node', 'show')['frontends'] == 4  # adopted, and nothing was touched
    finally:
        bench.plane.apiserver.start()
    bench.plane.wait_ready()
    eventually(bench.ready, 'it takes over', 60)
    bench.service('web/after', ['203.0.113.50'])
    eventually(lambda: bench.entry('web/after'), lambda: f'the LBNode is written again: {bench.status()}', 60)
    bench.world.service_remove('web/after')
    assert bench.curl(VIP4) and bench.curl(VIP6)


def test_a_missing_crd_and_a_missing_permission_are_said_once(bench):
    admin = bench.plane.admin
    log = len(bench.log())
    role = admin.get('ClusterRole', 'fairway-lbagent')
    without = [{**rule, 'verbs': ['list']} if 'lbnodes' in rule['resources'][0] else rule for rule in role['rules']]
    admin.patch('ClusterRole', 'fairway-lbagent', {'rules': without})
    try:
        bench.plane.wait_may(AGENT, 'patch', 'lbnodes', 'fairway.dev', subresource='status', allowed=False)
        bench.service('web/unsaid', ['203.0.113.60'])
        line = eventually(lambda: re.search(r'LBNode n1: HTTP status 403.*', bench.log()[log:]), 'the refusal is logged').group(0)
        assert "lbagent's ClusterRole must allow" in line
        bench.service('web/unsaid', [])
        time.sleep(3)
        assert bench.log()[log:].count('LBNode n1:') == 1 and bench.curl(VIP4)
    finally:
        admin.patch('ClusterRole', 'fairway-lbagent', {'rules': role['rules']})
    eventually(lambda: 'LBNode n1: written again' in bench.log()[log:], 'it works again', 60)
    bench.world.service_remove('web/unsaid')


def test_bad_credentials_end_it(bench):
    assert bench.kill_agent(signal.SIGTERM) == 0, bench.log()[-4000:]  # leaks are told by the sanitizers
    broken = f'{bench.directory}/broken.kubeconfig'
    with open(broken, 'w') as file:
        file.write('apiVersion: v1\nkind: Config\nclusters: [')
    kubeconfig, bench.kubeconfig = bench.kubeconfig, broken
    done = bench.run_agent()
    bench.kubeconfig = kubeconfig
    assert done.returncode == 1 and 'broken.kubeconfig' in done.stderr
    bench.start_agent()
