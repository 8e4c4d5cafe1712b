# SPDX-License-Identifier: Apache-2.0
"""lbcontroller as the users of one Service see it: its address, whose it is, its end. As the shipped service account, through the real
API server: whatever SEMANTICS.md 6 and 7 and DESIGN.md 5 say of it. The names of the rows stand beside the tests, here and in
test_controller_*.py. What the rows say of nodes is tested elsewhere: I2 in tests/golden/ip-mode, L8 in tests/golden/exclude-label,
H, S and E rows in tests/golden."""
import json

import pytest

from fwcluster.asked import writes
from fwcluster.client import ApiError
from fwcluster.install import Controller, wait_leader
from fwcluster.rules import CLASS, FINALIZER, addresses, condition
from fwlab.waiting import eventually


def test_a_service_gets_its_address(room, fairway_plane):
    """I1, I4, L5, L10"""
    since = fairway_plane.audit_size()
    room.pool()
    room.service('shop')
    assert room.addresses('shop') == [room.ip4(0)]
    shop = room.get('shop')
    assert shop['status']['loadBalancer']['ingress'] == [{'ip': room.ip4(0), 'ipMode': 'VIP'}]
    allocated = condition(shop, 'fairway.dev/Allocated')
    assert allocated['reason'] and allocated['message'] and allocated['lastTransitionTime']
    assert allocated.get('observedGeneration', 1) in (0, 1)
    status_owners = {m['manager'] for m in shop['metadata']['managedFields'] if m.get('subresource') == 'status' and
                     'f:loadBalancer' in m['fieldsV1'].get('f:status', {})}
    assert status_owners == {'lbcontroller'}
    assert room.has_finalizer('shop')
    # The finalizer is there no later than the address: by the audit log, and it is never the API's plain object that is written.
    made = writes(fairway_plane, since, 'shop')
    assert made and all(e['objectRef'].get('subresource') == 'status' for e in made), [e['requestURI'] for e in made]
    first = [i for i, e in enumerate(made) if FINALIZER in json.dumps(e.get('requestObject'))]
    given = [i for i, e in enumerate(made) if room.ip4(0) in json.dumps(e.get('requestObject'))]
    assert first and given and first[0] <= given[0]
    eventually(lambda: room.counts(f'{room.namespace}-pool')[:2] == (1, 3), lambda: room.counts(f'{room.namespace}-pool'))


def test_kubectl_shows_it(room, fairway_plane):
    name = room.pool(v4=4, v6=4)
    room.service('shop', ipFamilyPolicy='RequireDualStack')
    given = room.addresses('shop')
    room.service('late', ips=room.ip4(200))
    room.refused('late', 'AddressNotInPool')
    lines = fairway_plane.kubectl('get', 'svc', '-n', room.namespace).splitlines()
    header = lines[0].split()
    rows = {line.split()[0]: dict(zip(header, line.split())) for line in lines[1:]}
    assert rows['shop']['EXTERNAL-IP'] == ','.join(given) and rows['late']['EXTERNAL-IP'] == '<pending>'
    described = fairway_plane.kubectl('describe', 'svc', '-n', room.namespace, 'late')
    assert 'AddressNotInPool' in described, described
    eventually(lambda: room.counts(name) == (1, 3, 1, 3), lambda: room.counts(name))
    lines = fairway_plane.kubectl('get', 'serviceippools').splitlines()
    columns = {word: lines[0].index(word) for word in lines[0].split()}
    row = next(line for line in lines if line.startswith(name))
    assert [row[columns[c]:].split()[0] for c in ('ASSIGNED4', 'FREE4', 'ASSIGNED6', 'FREE6', 'READY')] == ['1', '3', '1', '3', 'True']
    assert name in fairway_plane.kubectl('get', 'fairway')  # the category


def test_both_families(room):
    """L11"""
    room.pool(v4=4, v6=4)
    room.service('both', ipFamilyPolicy='RequireDualStack')
    assert room.addresses('both') == [room.ip4(0), room.ip6(0)]
    room.service('six-first', ipFamilyPolicy='PreferDualStack', ipFamilies=['IPv6', 'IPv4'])
    assert room.addresses('six-first') == [room.ip6(1), room.ip4(1)]
    room.service('six', ipFamilies=['IPv6'])
    assert room.addresses('six') == [room.ip6(2)]
    room.edit('six', {'ipFamilyPolicy': 'PreferDualStack'})  # a family is added: what was there stays
    room.wait_addresses('six', [room.ip6(2), room.ip4(2)])
    cluster_ips = room.get('both')['spec']['clusterIPs']
    room.edit('both', {'ipFamilyPolicy': 'SingleStack', 'ipFamilies': ['IPv4'], 'clusterIPs': cluster_ips[:1]})  # … is removed
    room.wait_addresses('both', [room.ip4(0)])
    eventually(lambda: room.counts(f'{room.namespace}-pool') == (3, 1, 2, 2), lambda: room.counts(f'{room.namespace}-pool'))


def test_dual_stack_all_or_what_there_is(room):
    """L11"""
    room.pool(v4=4)
    room.service('require', ipFamilyPolicy='RequireDualStack')
    room.service('prefer', ipFamilyPolicy='PreferDualStack')
    assert 'no IPv6' in room.refused('require', 'FamilyUnavailable')
    assert addresses(room.get('require')) == []
    eventually(lambda: addresses(room.get('prefer')) == [room.ip4(0)], lambda: room.get('prefer')['status'])


# --- whose a Service is --------------------------------------------------------------------------------------------


def test_other_classes_are_not_touched(room, fairway_plane):
    """L1"""
    since = fairway_plane.audit_size()
    room.pool()
    room.service('classless', loadBalancerClass=None)
    room.service('foreign', loadBalancerClass='other.io/lb')
    room.service('cluster-ip', type='ClusterIP', loadBalancerClass=None)
    room.admin.patch('Service', 'foreign', {'status': {'loadBalancer': {'ingress': [{'ip': room.ip4(0)}]}}}, room.namespace,
                     subresource='status')
    room.service('ours')
    assert room.addresses('ours') == [room.ip4(1)]  # an address in a status of whatever class is not given
    assert {e['objectRef']['name'] for e in writes(fairway_plane, since) if e['objectRef']['namespace'] == room.namespace} == {'ours'}
    assert room.get('foreign')['status']['loadBalancer']['ingress'][0]['ip'] == room.ip4(0)
    assert not any(room.has_finalizer(n) or condition(room.get(n), 'fairway.dev/Allocated') for n in ('classless', 'foreign', 'cluster-ip'))


def test_default_class(fairway_plane, controller, room):
    """L1: --default-class takes the classless ones, and no other class"""
    controller.part.stop()
    second = Controller(fairway_plane, 'lbcontroller-default', flags=['--default-class']).start()
    try:
        wait_leader(fairway_plane, [second])
        room.pool()
        room.service('classless', loadBalancerClass=None)
        room.service('foreign', loadBalancerClass='other.io/lb')
        assert room.addresses('classless') == [room.ip4(0)]
        assert condition(room.get('foreign'), 'fairway.dev/Allocated') is None
    finally:
        second.part.stop()
    controller.start()  # without the flag: never touches it again, and its address stays taken
    wait_leader(fairway_plane, [controller])
    room.service('ours')
    assert room.addresses('ours') == [room.ip4(1)]
    assert addresses(room.get('classless')) == [room.ip4(0)]
    room.admin.patch('Service', 'classless', {'metadata': {'finalizers': None}}, room.namespace)


def test_the_type_changes(room):
    """I3, L5, L6, P13"""
    room.pool(v4=1)
    room.service('shop')
    room.addresses('shop')
    room.service('waiting')
    assert 'in use' in room.refused('waiting', 'PoolExhausted')
    room.edit('shop', {'type': 'ClusterIP', 'loadBalancerClass': None})
    eventually(lambda: not room.has_finalizer('shop'), 'the finalizer goes')
    room.wait_addresses('waiting', [room.ip4(0)])  # freed, and given once
    assert addresses(room.get('shop')) == []
    eventually(lambda: not [c for c in room.get('shop')['status'].get('conditions', []) if c['type'].startswith('fairway.dev/') and
                            c['status'] == 'True'], lambda: f'no condition says that it has an address: {room.get("shop")["status"]}')
    room.edit('shop', {'type': 'LoadBalancer', 'loadBalancerClass': CLASS})
    room.refused('shop', 'PoolExhausted')
    room.gone('waiting')
    room.wait_addresses('shop', [room.ip4(0)])
    assert room.has_finalizer('shop')
    room.gone('shop')
    eventually(lambda: room.counts(f'{room.namespace}-pool')[:2] == (0, 1), lambda: room.counts(f'{room.namespace}-pool'))


def test_the_class_changes_with_the_type(room):
    """L2"""
    room.pool(v4=2)
    room.service('shop')
    room.addresses('shop')
    with pytest.raises(ApiError) as refused:
        room.edit('shop', {'loadBalancerClass': 'other.io/lb'})
    assert refused.value.status == 422
    room.edit('shop', {'type': 'ClusterIP', 'loadBalancerClass': None})
    room.edit('shop', {'type': 'LoadBalancer', 'loadBalancerClass': 'other.io/lb'})
    eventually(lambda: not room.has_finalizer('shop'), 'the finalizer goes')
    room.service('next')
    assert room.addresses('next') == [room.ip4(0)]
    assert addresses(room.get('shop')) == []


def test_the_class_changes_between_two_looks(room, controller):
    """L2: the controller sees the outcome alone; a finalizer of ours must not stay, for nobody else may take it away"""
    room.pool(v4=1)
    room.service('shop')
    room.addresses('shop')
    controller.part.kill()
    room.edit('shop', {'type': 'ClusterIP', 'loadBalancerClass': None})
    room.edit('shop', {'type': 'LoadBalancer', 'loadBalancerClass': 'other.io/lb'})
    room.service('next')
    controller.start()
    room.wait_addresses('next', [room.ip4(0)], 30)
    eventually(lambda: not room.has_finalizer('shop'), 'the finalizer goes')
    room.gone('shop')


def test_a_type_change_while_the_controller_is_away(room, controller):
    """I3: the API server has cleared the status; only the finalizer tells that the address was ours to release"""
    room.pool(v4=1)
    room.service('shop')
    room.addresses('shop')
    controller.part.kill()
    room.edit('shop', {'type': 'ClusterIP', 'loadBalancerClass': None})
    room.service('next')
    controller.start()
    room.wait_addresses('next', [room.ip4(0)], 30)
    eventually(lambda: not room.has_finalizer('shop'), 'the finalizer goes')


# --- deletion ------------------------------------------------------------------------------------------------------


def test_deleted_and_made_again(room, controller):
    """L6: the new one of the same name is another Service"""
    room.pool(v4=4)
    room.service('shop', ips=room.ip4(3))
    assert room.addresses('shop') == [room.ip4(3)]
    room.gone('shop')
    room.service('shop')
    assert room.addresses('shop') == [room.ip4(0)] and room.has_finalizer('shop')
    # Also while nobody looks, with a finalizer that somebody took away by force.
    controller.part.kill()
    room.delete('shop')
    assert room.get('shop')['metadata']['deletionTimestamp']
    room.admin.patch('Service', 'shop', {'metadata': {'finalizers': None}}, room.namespace)
    room.service('shop', ips=room.ip4(2))
    room.service('other')
    controller.start()
    room.wait_addresses('shop', [room.ip4(2)], 30)
    room.wait_addresses('other', [room.ip4(0)])
    eventually(lambda: room.counts(f'{room.namespace}-pool')[:2] == (2, 2), lambda: room.counts(f'{room.namespace}-pool'))


def test_deleted_while_the_controller_is_away(room, controller):
    room.pool(v4=1)
    room.service('shop')
    room.addresses('shop')
    controller.part.kill()
    room.delete('shop')
    room.service('next')
    assert room.get('shop')['metadata']['deletionTimestamp']
    controller.start()
    eventually(lambda: room.admin.find('Service', 'shop', room.namespace) is None, 'shop is gone', 30)
    room.wait_addresses('next', [room.ip4(0)])


def test_a_namespace_goes_with_its_services(room):
    room.pool()
    room.service('shop')
    room.addresses('shop')
    room.admin.gone('Namespace', room.namespace)  # hangs if a finalizer stays
    eventually(lambda: room.counts(f'{room.namespace}-pool')[:2] == (0, 4), lambda: room.counts(f'{room.namespace}-pool'))
