# SPDX-License-Identifier: Apache-2.0
"""The shipped Roles hold nothing that is not used: both programs work on a real API server for a while, each as its service account,
and its audit log is compared with what deploy/manifests grants. The server cannot stream lists (as those of old etcd), so that
`list` is used too."""
import pytest
from fwcluster.control_plane import missing
from fwcluster.install import NAMESPACE, Controller, manifests
from fwlab.waiting import eventually
from test_agent_api import ApiBench

ACCOUNT = f'system:serviceaccount:{NAMESPACE}:'
EVENT_REPEAT_SECONDS = 60  # a series of Events is written again after this


class OldServerBench(ApiBench):
    plane_flags = {'feature-gates': 'WatchList=false'}


@pytest.fixture(scope='module')
def bench():
    if missing():
        pytest.skip(missing())
    bench = OldServerBench()
    try:
        bench.up()
        yield bench
    finally:
        bench.down()


def granted():
    """{(account, verb, API group, resource)} of every Role and ClusterRole, by their bindings."""
    objects = manifests()
    roles = {(o['kind'], o['metadata']['name']): o['rules'] for o in objects if o['kind'] in ('Role', 'ClusterRole')}
    rights = set()
    for binding in (o for o in objects if o['kind'] in ('RoleBinding', 'ClusterRoleBinding')):
        rules = roles[binding['roleRef']['kind'], binding['roleRef']['name']]
        rights |= {(subject['name'], verb, group, resource) for subject in binding['subjects'] for rule in rules
                   for group in rule['apiGroups'] for resource in rule['resources'] for verb in rule['verbs']}
    return rights


def asked(bench, of=lambda status: True):
    """The same of the audit log: what was asked, by the status that was answered."""
    found = set()
    for entry in bench.plane.audit(bench.audit_from):
        user, reference = entry['user']['username'], entry.get('objectRef', {})
        if user.startswith(ACCOUNT) and 'resource' in reference and of(entry['responseStatus']['code']):
            resource = '/'.join(filter(None, (reference['resource'], reference.get('subresource'))))
            found.add((user.removeprefix(ACCOUNT), entry['verb'], reference.get('apiGroup', ''), resource))
    return found


def allowed(status):
    return status not in (401, 403)


def custom(kind, name, spec):
    return {'apiVersion': 'fairway.dev/v1alpha1', 'kind': kind, 'metadata': {'name': name}, 'spec': spec}


def service(name, **annotations):
    return {'apiVersion': 'v1', 'kind': 'Service', 'metadata': {'name': name, 'namespace': 'web', 'annotations': {
                f'fairway.dev/{key}': value for key, value in annotations.items()}},
            'spec': {'type': 'LoadBalancer', 'loadBalancerClass': 'fairway.dev/lb', 'ports': [{'port': 80}]}}


def reason(admin, name):
    """Why a Service is not Allocated."""
    conditions = admin.get('Service', name, 'web')['status'].get('conditions', [])
    return next((c['reason'] for c in conditions if c['type'] == 'fairway.dev/Allocated'), '')


def address(admin, name):
    ingress = admin.get('Service', name, 'web')['status']['loadBalancer'].get('ingress', [])
    return ingress[0]['ip'] if ingress else ''


def test_every_right_is_used_and_no_other_is_asked_for(bench):
    plane, admin = bench.plane, bench.plane.admin
    plane.wait_may(f'{ACCOUNT}lbcontroller', 'create', 'leases', 'coordination.k8s.io', NAMESPACE)
    plane.wait_may(f'{ACCOUNT}lbcontroller', 'patch', 'services', subresource='status')
    controller = Controller(plane, netns=bench.node).start()
    try:
        bench.start_agent()
        admin.apply_all([
            {'apiVersion': 'v1', 'kind': 'Secret', 'metadata': {'name': 'tor', 'namespace': NAMESPACE}, 'stringData': {'password': 'x'}},
            custom('BGPPeer', 'tor', {'myASN': 64513, 'peerASN': 64512, 'peerAddress': '192.0.2.1', 'passwordSecret': {'name': 'tor'}}),
            custom('BGPAdvertisement', 'all', {}), custom('BFDProfile', 'slow', {}), custom('Community', 'ours', {}), custom('ServiceIPPool', 'used', {'addresses': ['198.51.100.0/28']}), service('given', pool='used')])
        eventually(lambda: address(admin, 'given').startswith('198.51.100.'), lambda: f'web/given has an address\n{controller.log()[-3000:]}')
        # A node whose agent wrote once, and no more.
        silent = {'apiVersion': 'fairway.dev/v1alpha1', 'kind': 'LBNode', 'metadata': {'name': 'silent'}}
        admin.create(silent)
        admin.apply({**silent, 'status': {'heartbeatSeconds': 1}}, subresource='status')
        # The same complaint twice: an Event, and a minute later its series.
        reasons = []
        for wish in ({'pool': 'nowhere'}, {'pool': 'used', 'ips': '203.0.113.77'}, {'pool': 'nowhere'}):
            admin.apply(service('waiting', **wish))
            eventually(lambda: reason(admin, 'waiting') not in ('', *reasons[-1:]), lambda: f'another reason than {reasons}\n{controller.log()[-2000:]}')
            reasons.append(reason(admin, 'waiting'))
        admin.gone('Service', 'given', 'web')
        eventually(lambda: granted() <= asked(bench, allowed), lambda: f'used: all but {sorted(granted() - asked(bench, allowed))}',
                   EVENT_REPEAT_SECONDS + 30, pause=1)
    finally:
        bench.kill_agent()
        controller.part.stop()
    assert asked(bench) <= granted(), f'asked for and not granted: {sorted(asked(bench) - granted())}'
    assert not asked(bench, lambda status: not allowed(status))
