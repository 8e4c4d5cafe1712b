# SPDX-License-Identifier: Apache-2.0
"""lbcontroller as its users see it: through the real API server, as the shipped service account, whatever SEMANTICS.md 6 and 7
and DESIGN.md 5 say of it. The names of the rows stand beside the tests. What the rows say of nodes is tested elsewhere: I2
in tests/golden/ip-mode, L8 in tests/golden/exclude-label, H, S and E rows in tests/golden.
"""
import json
import re
import signal
import time
import urllib.request

import pytest

from fwcluster import rules
from fwcluster.client import ApiError
from fwcluster.install import NAMESPACE, Controller, end_pod, pod_token, wait_leader
from fwcluster.room import Room
from fwcluster.rules import CLASS, FINALIZER, addresses, condition
from fwlab.waiting import eventually

ACCOUNT = f'system:serviceaccount:{NAMESPACE}:lbcontroller'
FOREVER = 1.0  # long enough for a controller that answers in milliseconds to do what it must not do


@pytest.fixture(scope='module')
def controller(fairway_plane):
    controller = Controller(fairway_plane, 'lbcontroller-c').start()
    try:
        wait_leader(fairway_plane, [controller])
        yield controller
    finally:
        controller.part.stop()


@pytest.fixture
def room(fairway_plane, controller, request):
    if not controller.part.running():
        controller.start()
    room = Room(fairway_plane, re.sub('[^a-z]+', '-', request.node.name.removeprefix('test_')))
    yield room
    if not controller.part.running():
        controller.start()
    room.close()


def stays(check, what, seconds=FOREVER):
    """What must not happen does not happen for a while."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert check(), what
        time.sleep(0.1)


def writes(plane, since=0, name=None, subresource=None):
    """The controller's acknowledged writes of Services, by the audit log, oldest first."""
    found = [e for e in plane.audit(since) if e['user']['username'] == ACCOUNT and e['verb'] in ('create', 'update', 'patch', 'delete') and
             e.get('objectRef', {}).get('resource') == 'services' and e['responseStatus']['code'] < 300]
    return [e for e in found if name in (None, e['objectRef'].get('name')) and subresource in (None, e['objectRef'].get('subresource'))]


# --- the way of one Service ----------------------------------------------------------------------------------------


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


def test_deleted_after_an_edit_that_nobody_can_read(room):
    """More source ranges than are read: the last good version is served, but does not outlive its deletion"""
    room.pool(v4=1)
    room.service('shop')
    room.addresses('shop')
    room.edit('shop', {'loadBalancerSourceRanges': [f'10.{i >> 8}.{i & 255}.0/24' for i in range(257)]})
    stays(lambda: addresses(room.get('shop')) == [room.ip4(0)], 'it keeps its address')
    room.delete('shop')
    eventually(lambda: room.admin.find('Service', 'shop', room.namespace) is None, 'shop is gone', 40)
    room.service('next')
    room.wait_addresses('next', [room.ip4(0)])


def test_a_namespace_goes_with_its_services(room):
    room.pool()
    room.service('shop')
    room.addresses('shop')
    room.admin.gone('Namespace', room.namespace)  # hangs if a finalizer stays
    eventually(lambda: room.counts(f'{room.namespace}-pool')[:2] == (0, 4), lambda: room.counts(f'{room.namespace}-pool'))


# --- what is asked for ---------------------------------------------------------------------------------------------


def test_exact_addresses(room):
    """L4, L7"""
    room.pool(v4=8, v6=8)
    room.service('legacy', loadBalancerIP=room.ip4(3))
    room.service('both', ips=f'{room.ip4(4)}, {room.ip6(5)}', ipFamilyPolicy='RequireDualStack')
    room.service('precedence', loadBalancerIP=room.ip4(6), ips=room.ip4(5))
    assert room.addresses('legacy') == [room.ip4(3)]
    assert room.addresses('both') == [room.ip4(4), room.ip6(5)]
    assert room.addresses('precedence') == [room.ip4(5)]
    room.service('taken', ips=room.ip4(3))
    assert f'{room.namespace}/legacy' in room.refused('taken', 'AddressInUse')
    room.service('outside', ips='192.0.2.77')
    room.refused('outside', 'AddressNotInPool')
    room.service('nonsense', ips='010.1.1.1')
    assert '010.1.1.1' in room.refused('nonsense', 'InvalidRequest')
    assert not any(addresses(room.get(n)) for n in ('taken', 'outside', 'nonsense'))
    room.edit('nonsense', annotations={'ips': room.ip4(7)})  # changeable in place
    room.wait_addresses('nonsense', [room.ip4(7)])
    room.edit('nonsense', annotations={'ips': room.ip4(2)})
    room.wait_addresses('nonsense', [room.ip4(2)])
    room.edit('nonsense', annotations={'ips': None})  # removing a request keeps the address
    room.edit('legacy', annotations={'ips': room.ip4(4)})  # one that cannot be granted leaves the old address
    room.refused('legacy', 'AddressInUse')
    assert addresses(room.get('legacy')) == [room.ip4(3)] and addresses(room.get('nonsense')) == [room.ip4(2)]
    room.gone('both')
    room.wait_addresses('legacy', [room.ip4(4)])


def test_a_pending_service_says_why(room):
    """Every pool that was considered, and why it was refused; it is given what it waits for as soon as it can be"""
    small = room.pool('small', v4=1)
    other = room.pool('other', v4=1, first=8, serviceAllocation={'namespaces': ['somewhere-else']})
    off = room.pool('off', v4=1, first=16, disabled=True)
    room.service('first')
    room.addresses('first')
    room.service('second')
    message = room.refused('second', 'PoolExhausted')
    for pool, why in ((small, '1 of 1'), (other, f'namespace {room.namespace} not selected'), (off, 'disabled')):
        assert re.search(rf'pool {pool}: [^;]*{why}', message), message
    room.pool('off', v4=1, first=16)
    room.wait_addresses('second', [room.ip4(16)])
    room.allocated('second')


def test_pools_by_name_selector_and_priority(room):
    room.pool('z-last', v4=1, first=0)
    room.pool('b-low', v4=1, first=8, serviceAllocation={'priority': 20, 'namespaces': [room.namespace]})
    room.pool('c-high', v4=1, first=16, serviceAllocation={'priority': 10, 'namespaceSelectors': [
        {'matchLabels': {'kubernetes.io/metadata.name': room.namespace}}]})
    manual = room.pool('a-manual', v4=1, first=24, autoAssign=False)
    room.pool('labels', v4=1, first=32, serviceAllocation={'priority': 1, 'namespaces': [room.namespace],
                                                          'serviceSelectors': [{'matchLabels': {'tier': 'gold'}}]})
    room.service('one')
    assert room.addresses('one') == [room.ip4(16)]
    room.service('two')
    assert room.addresses('two') == [room.ip4(8)]
    room.service('three')
    assert room.addresses('three') == [room.ip4(0)]
    room.service('four')
    room.refused('four', 'PoolExhausted')
    room.edit('four', annotations={'pool': manual})
    room.wait_addresses('four', [room.ip4(24)])
    room.service('gold', metadata={'labels': {'tier': 'gold'}})
    assert room.addresses('gold') == [room.ip4(32)]
    room.service('nowhere', pool='no-such-pool')
    room.refused('nowhere', 'PoolNotFound')


def test_quota(room):
    """quota.perNamespace counts addresses, a shared one once"""
    room.pool(quota={'perNamespace': 2})
    room.service('one', key='k', port=80)
    room.service('two', key='k', port=81)
    room.service('three')
    assert room.addresses('one') == room.addresses('two') == [room.ip4(0)]
    assert room.addresses('three') == [room.ip4(1)]
    room.service('four')
    assert 'quota of 2' in room.refused('four', 'QuotaExceeded')
    room.pool(quota={'perNamespace': 3})
    room.wait_addresses('four', [room.ip4(2)])


# --- sharing -------------------------------------------------------------------------------------------------------


def test_sharing(room):
    room.pool()
    room.service('a', key='web', port=80)
    room.service('b', key='web', port=443)
    room.service('c', key='web', port=443)  # a port in common with b
    room.service('d', key='Web', port=444)  # keys are case-sensitive
    room.service('e', key='web', port=445, externalTrafficPolicy='Local')
    assert room.addresses('a') == room.addresses('b') == [room.ip4(0)]
    assert {tuple(room.addresses(n)) for n in 'cde'} == {(room.ip4(i),) for i in (1, 2, 3)}
    eventually(lambda: room.counts(f'{room.namespace}-pool')[:2] == (4, 0), lambda: room.counts(f'{room.namespace}-pool'))
    room.gone('a')  # b keeps the address, which stays taken
    room.service('f')
    room.refused('f', 'PoolExhausted')
    assert addresses(room.get('b')) == [room.ip4(0)]


def test_sharing_is_broken_by_an_edit(room):
    """L7: a change of ports is looked at again; the older keeps the address"""
    room.pool()
    room.service('old', key='web', port=80)
    room.addresses('old')
    time.sleep(1.1)  # creationTimestamps have seconds
    room.service('young', key='web', port=81)
    assert room.addresses('young') == [room.ip4(0)]
    room.edit('young', {'ports': [{'port': 80}]})
    room.wait_addresses('young', [room.ip4(1)])
    assert addresses(room.get('old')) == [room.ip4(0)]


def test_sharing_across_namespaces(room, fairway_plane):
    other = Room(fairway_plane, 'neighbour')
    try:
        room.pool(serviceAllocation={'namespaces': [room.namespace, other.namespace]})
        room.service('shop', key='web', port=80, key_namespaces=other.namespace)
        assert room.addresses('shop') == [room.ip4(0)]
        other.service('thief', key='web', port=81, ips=room.ip4(0))
        assert 'namespace' in other.refused('thief', 'SharingRefused')  # one side is not enough
        assert addresses(other.get('thief')) == []
        other.edit('thief', annotations={'key_namespaces': '*'})
        other.wait_addresses('thief', [room.ip4(0)])
    finally:
        other.close()


# --- edits of pools ------------------------------------------------------------------------------------------------


def test_pools_grow_shrink_and_switch_off(room):
    room.service('early')
    room.refused('early', 'NoMatchingPool')
    name = room.pool(v4=2)  # added: who waits is served
    room.wait_addresses('early', [room.ip4(0)])
    room.service('second')
    assert room.addresses('second') == [room.ip4(1)]
    room.service('third')
    room.refused('third', 'PoolExhausted')
    room.pool_is(name, 'Exhausted')
    room.pool(v4=3)  # grown
    room.wait_addresses('third', [room.ip4(2)])
    room.pool(v4=3, disabled=True)  # switched off: what was given stays, nothing new
    room.pool_is(name, 'Ready', 'False', 'Disabled')
    room.gone('second')
    room.service('fourth')
    room.refused('fourth', 'PoolDisabled')
    assert addresses(room.get('early')) == [room.ip4(0)] and addresses(room.get('third')) == [room.ip4(2)]
    room.pool(v4=3, autoAssign=False)
    room.pool_is(name)
    room.refused('fourth', 'NoMatchingPool')
    assert addresses(room.get('early')) == [room.ip4(0)]
    room.pool(v4=2)  # shrunk: third's address is in it no more, and third is the oldest that has none
    room.wait_addresses('third', [room.ip4(1)])
    room.refused('fourth', 'PoolExhausted')
    assert addresses(room.get('early')) == [room.ip4(0)]
    room.pool(v4=1)
    room.wait_addresses('third', [])
    assert 'no pool contains' in room.allocated('third', 'False')['message'] or room.refused('third', 'PoolExhausted')
    room.pool(v4=4)
    for name in ('third', 'fourth'):
        room.allocated(name)
    assert addresses(room.get('early')) == [room.ip4(0)]


def test_a_pool_in_use_waits_for_its_deletion(room):
    name = room.pool()
    room.service('shop')
    room.addresses('shop')
    eventually(lambda: room.admin.get('ServiceIPPool', name)['metadata'].get('finalizers'), 'a pool in use carries a finalizer')
    room.admin.delete('ServiceIPPool', name)
    stays(lambda: room.admin.find('ServiceIPPool', name), 'the pool waits')
    assert addresses(room.get('shop')) == [room.ip4(0)]
    room.service('late')
    room.allocated('late', 'False')  # it gives no more
    assert addresses(room.get('shop')) == [room.ip4(0)]
    room.gone('late')
    room.gone('shop')
    eventually(lambda: room.admin.find('ServiceIPPool', name) is None, 'the pool goes when nobody uses it')
    unused = room.pool('unused', first=8)
    room.pool_is(unused)
    room.admin.gone('ServiceIPPool', unused, patience=5)


def test_pools_that_overlap(room):
    elder = room.pool('elder', v4=4)
    room.service('shop')
    room.addresses('shop')
    time.sleep(1.1)  # creationTimestamps have seconds
    young = room.pool('young', v4=4, first=2)
    conflict = room.pool_is(young, 'Conflict')
    assert elder in conflict['message'] and room.pool_is(young, 'Ready', 'False', 'Conflict')
    room.pool_is(elder)
    assert condition(room.admin.get('ServiceIPPool', elder), 'Conflict')['status'] == 'False'
    for i in range(3):
        room.service(f's{i}')
    assert [room.addresses(f's{i}') for i in range(3)] == [[room.ip4(i + 1)] for i in range(3)]
    room.service('more')
    room.refused('more', 'PoolExhausted')
    room.pool('young', v4=4, first=4)
    room.pool_is(young)
    room.wait_addresses('more', [room.ip4(4)])


# --- what must not move or be written -------------------------------------------------------------------------------


def test_no_edit_of_anything_else_moves_an_address(room, fairway_plane):
    """L3, L7, L10, L12, P13: ports, policy, affinity, ranges, nodePorts, labels; nor does the controller write the status for it"""
    room.pool()
    room.service('first')
    room.addresses('first')
    room.service('shop', allocateLoadBalancerNodePorts=False)
    assert room.addresses('shop') == [room.ip4(1)] and not room.get('shop')['spec']['ports'][0].get('nodePort')
    room.gone('first')  # a lower address is free now
    since = fairway_plane.audit_size()
    for spec in ({'ports': [{'name': 'x', 'port': 8080, 'protocol': 'UDP'}]}, {'allocateLoadBalancerNodePorts': True},
                 {'externalTrafficPolicy': 'Local'}, {'externalTrafficPolicy': 'Cluster'}, {'sessionAffinity': 'ClientIP'},
                 {'loadBalancerSourceRanges': ['198.51.100.0/24']}, {'externalIPs': ['192.0.2.200']}, {'selector': {'app': 'none'}},
                 {'publishNotReadyAddresses': True}, {'allocateLoadBalancerNodePorts': False}):
        room.edit('shop', spec)
    room.edit('shop', annotations={'some.body/else': 'x', 'fairway.dev/lb-algorithm': 'maglev'})
    room.admin.patch('Service', 'shop', {'metadata': {'labels': {'a': 'b'}}}, room.namespace)
    generation = room.get('shop')['metadata'].get('generation')
    room.service('last')  # when this one is answered, all of those edits were seen
    assert room.addresses('last') == [room.ip4(0)]
    assert addresses(room.get('shop')) == [room.ip4(1)], generation
    bodies = [e for e in writes(fairway_plane, since, 'shop')]
    assert len(bodies) <= 3, [e.get('requestObject') for e in bodies]


def test_nothing_is_written_at_rest(room, fairway_plane):
    """L10, and no storm of Events: a pending Service is as quiet as one that has its address"""
    room.pool(v4=1)
    room.service('shop')
    room.addresses('shop')
    room.service('pending')
    room.refused('pending', 'PoolExhausted')
    time.sleep(1)
    since = fairway_plane.audit_size()
    time.sleep(3)
    made = [e for e in fairway_plane.audit(since) if e['user']['username'] == ACCOUNT and e['verb'] not in ('get', 'list', 'watch') and
            e.get('objectRef', {}).get('resource') != 'leases']
    assert not made, [(e['verb'], e['requestURI'], e.get('requestObject')) for e in made]


def test_events(room):
    """L9; each Event's text and when it comes once: tests/unit/test_service_events.c"""
    room.pool(v4=1)
    room.service('shop')
    room.addresses('shop')
    room.service('pending')
    room.refused('pending', 'PoolExhausted')
    good = eventually(lambda: room.events('shop'), 'an Event for an address that was given')
    assert any(room.ip4(0) in e['message'] and e['type'] == 'Normal' for e in good), good
    nobody = eventually(lambda: room.events('shop', 'UnAvailableLoadBalancer'), 'a Warning that no node serves it')
    assert nobody[0]['type'] == 'Warning' and 'no node runs lbagent' in nobody[0]['message'], nobody
    bad = eventually(lambda: [e for e in room.events('pending') if e['type'] == 'Warning'], 'a Warning for a refusal')
    assert any('PoolExhausted' in e['message'] + e['reason'] for e in bad), bad
    for event in good + bad:
        assert event['involvedObject']['kind'] == 'Service' and event['involvedObject']['uid'] == room.get(event['involvedObject']['name'])['metadata']['uid']
        source = event.get('reportingComponent') or event.get('source', {}).get('component')
        assert source and 'lbcontroller' in source
    for i in range(10):  # the same story again and again is one Event that counts, or none
        room.edit('pending', annotations={'try': str(i)})
    room.edit('pending', {'ports': [{'port': 81}]})
    room.gone('shop')
    room.wait_addresses('pending', [room.ip4(0)])
    eventually(lambda: room.events('pending', 'UnAvailableLoadBalancer'), 'no node here either')
    assert len(room.events('pending')) <= 4, room.events('pending')


def problem_is(room, name, reason, text):
    """Waits for the condition Problem and its Event; returns the message."""
    def found():
        problem = condition(room.get(name), 'fairway.dev/Problem')
        return problem if problem and problem['status'] == 'True' and problem['reason'] == reason and text in problem['message'] else None

    message = eventually(found, lambda: f'{text}: {room.get(name)["status"]}')['message']
    eventually(lambda: any(e['type'] == 'Warning' and e['message'] == f'{reason}: {message}' for e in room.events(name, 'Problem')),
               lambda: room.events(name))
    return message


def no_problem(room, name):
    eventually(lambda: not condition(room.get(name), 'fairway.dev/Problem'), lambda: room.get(name)['status'])


def test_what_has_no_effect_is_told(room):
    room.pool()
    room.service('shop', annotations={'fairway.dev/pol': 'x', 'fairway.dev/lb-algorithm': 'random', 'fairway.dev/source-ranges-policy': 'denied'})
    assert room.addresses('shop') == [room.ip4(0)]
    message = problem_is(room, 'shop', 'InvalidAnnotation', 'the nearest is fairway.dev/pool')
    assert 'only maglev is built' in message and 'neither allow nor deny' in message
    room.edit('shop', annotations={'fairway.dev/pol': None, 'fairway.dev/lb-algorithm': 'maglev', 'fairway.dev/source-ranges-policy': 'deny'})
    no_problem(room, 'shop')


def test_a_refused_edit(room, fairway_plane):
    """The last good version stays; what is wrong is told, and writes go on"""
    room.pool()
    room.service('shop')
    assert room.addresses('shop') == [room.ip4(0)]
    since = fairway_plane.audit_size()
    room.edit('shop', {'loadBalancerSourceRanges': [f'10.0.{i // 256}.{i % 256}/32' for i in range(257)]})
    message = problem_is(room, 'shop', 'Refused', 'spec.loadBalancerSourceRanges: more than 256 entries: 257')
    assert message.endswith('the last good version stays in force')
    room.admin.patch('Service', 'shop', {'status': {'loadBalancer': {'ingress': None}}}, room.namespace, subresource='status')
    room.wait_addresses('shop', [room.ip4(0)])
    time.sleep(FOREVER)  # long enough for writes that repeat themselves
    asked = [e for e in fairway_plane.audit(since) if e['user']['username'] == ACCOUNT and e['verb'] == 'patch' and
             e.get('objectRef', {}).get('name') == 'shop']
    assert 2 <= len(asked) <= 4 and not [e for e in asked if e['responseStatus']['code'] == 409], asked
    room.edit('shop', {'loadBalancerSourceRanges': ['10.0.0.0/8']})
    no_problem(room, 'shop')
    assert addresses(room.get('shop')) == [room.ip4(0)]


def test_a_service_that_is_refused_from_the_start(room):
    room.pool()
    room.service('shop', loadBalancerSourceRanges=[f'10.0.{i // 256}.{i % 256}/32' for i in range(257)])
    assert problem_is(room, 'shop', 'Refused', 'more than 256').endswith('nothing of it is served, its addresses stay its own')
    assert not room.has_finalizer('shop') and addresses(room.get('shop')) == []
    room.edit('shop', {'loadBalancerSourceRanges': None})
    assert room.addresses('shop') == [room.ip4(0)]
    no_problem(room, 'shop')
    room.service('other', loadBalancerSourceRanges=[f'10.0.{i // 256}.{i % 256}/32' for i in range(257)])
    problem_is(room, 'other', 'Refused', 'more than 256')
    room.edit('other', {'type': 'ClusterIP', 'loadBalancerSourceRanges': None, 'loadBalancerClass': None})
    no_problem(room, 'other')


def test_a_status_that_somebody_emptied(room):
    """It is filled again, and nobody else has got the address meanwhile"""
    room.pool()
    for name in ('one', 'two'):
        room.service(name)
        room.addresses(name)
    room.admin.patch('Service', 'one', {'status': {'loadBalancer': {'ingress': None}}}, room.namespace, subresource='status')
    room.service('three')
    room.addresses('three')
    eventually(lambda: addresses(room.get('one')), lambda: room.get('one')['status'])
    given = [addresses(room.get(n))[0] for n in ('one', 'two', 'three')]
    assert sorted(given) == [room.ip4(i) for i in range(3)] and given[1] == room.ip4(1)


def test_restart_imports_before_it_allocates(room, controller):
    """Two-phase start: whoever has an address keeps it, whatever the order of names and ages"""
    room.pool(v4=4)
    for name, wish in (('zz', room.ip4(0)), ('mm', room.ip4(1))):
        room.service(name, ips=wish)
        assert room.addresses(name) == [wish]
    controller.part.kill()
    for name in ('zz', 'mm'):
        room.edit(name, annotations={'ips': None})
    room.service('aa')
    controller.start()
    room.wait_addresses('aa', [room.ip4(2)], 30)
    assert addresses(room.get('zz')) == [room.ip4(0)] and addresses(room.get('mm')) == [room.ip4(1)]


def test_hostile_text_stays_text(room):
    """What a tenant writes comes back in a condition's message escaped, and the next Service is served"""
    room.pool()
    nasty = '1.2.3.4\n{"x": "\x07<script>' + 'A' * 5000
    room.service('nasty', ips=nasty, key='\n' * 50)
    message = room.refused('nasty', 'InvalidRequest')
    assert len(message) < 1000 and not re.search(r'[\x00-\x1f\x7f]', message)
    room.service('next')
    assert room.addresses('next') == [room.ip4(0)]


# --- conditions from nodes, and the order of release -----------------------------------------------------------------


class Agent:
    """Speaks for a node as its lbagent does: as lbagent's service account, by server-side apply of the LBNode's status."""

    def __init__(self, plane, node):
        self.plane, self.node = plane, node
        plane.admin.apply({'apiVersion': 'v1', 'kind': 'Node', 'metadata': {'name': node}})
        self.client = plane.client(token=pod_token(plane, 'lbagent', f'agent-{node}', node), user_agent='test-agent')
        self.uid = plane.admin.get('Node', node)['metadata']['uid']
        self.object = {'apiVersion': 'fairway.dev/v1alpha1', 'kind': 'LBNode', 'metadata': {'name': node, 'ownerReferences': [
            {'apiVersion': 'v1', 'kind': 'Node', 'name': node, 'uid': self.uid}]}}
        self.client.create(self.object, fieldManager='lbagent')

    def says(self, *groups, silent=(), heartbeat=None):
        """groups: (programmed, announced to, reason, [namespace/name=VIP, …]); `silent`: families that none of them announces;
        `heartbeat`: it says that it will write again within so many seconds"""
        status = {'agentVersion': 'test', 'conditions': [{'type': 'Ready', 'status': 'True', 'reason': 'Ready', 'message': '',
                                                         'lastTransitionTime': '2026-01-01T00:00:00Z'}],
                  'services': {'total': len(groups), 'programmed': 0, 'announced': 0}, **({'heartbeatSeconds': heartbeat} if heartbeat else {}),
                  'groups': [{'programmed': p, 'announcedTo': list(a), 'reason': r, 'message': r and f'{r} on {self.node}', 'services': s,
                              **({'unannouncedFamilies': list(silent)} if silent else {})} for p, a, r, s in groups]}
        self.client.apply({'apiVersion': self.object['apiVersion'], 'kind': 'LBNode', 'metadata': {'name': self.node}, 'status': status},
                          'lbagent', subresource='status')

    def close(self):
        end_pod(self.plane, f'agent-{self.node}')
        self.plane.admin.delete('Node', self.node)
        self.plane.admin.gone('LBNode', self.node)


@pytest.fixture
def agents(fairway_plane):
    agents = [Agent(fairway_plane, f'walk-n{i}') for i in (1, 2)]
    yield agents
    for agent in agents:
        agent.close()


def wait_condition(room, name, kind, status, reason=None):
    def found():
        c = condition(room.get(name), f'fairway.dev/{kind}')
        return c if c and c['status'] == status and reason in (None, c['reason']) else None

    return eventually(found, lambda: f'{name} {kind}={status} {reason}: {room.get(name)["status"]}')


def test_programmed_and_announced_tell_what_is(room, agents):
    room.pool()
    room.service('shop')
    entry = f'{room.namespace}/shop={room.addresses("shop")[0]}'
    one, two = agents
    one.says((True, ['tor-a'], '', [entry]))
    two.says((False, [], 'NoRoomInMaps', [entry]))
    failed = wait_condition(room, 'shop', 'Programmed', 'False')
    assert 'walk-n2' in failed['message'] and 'NoRoomInMaps' in failed['message'] + failed['reason'], failed
    two.says((True, ['tor-a'], '', [entry]))
    wait_condition(room, 'shop', 'Programmed', 'True')
    announced = wait_condition(room, 'shop', 'Announced', 'True')
    assert announced['message']
    stale = f'{room.namespace}/shop=203.0.113.254'  # of an address that it had once
    one.says((True, ['tor-a'], '', [stale]))
    two.says((True, ['tor-a'], '', [stale]))
    assert wait_condition(room, 'shop', 'Programmed', 'False')['reason']
    wait_condition(room, 'shop', 'Announced', 'False')


@pytest.mark.parametrize('silent,which', [('IPv6', 1), ('IPv4', 0)])
def test_an_address_that_no_peer_is_told_of_is_not_announced(room, agents, silent, which):
    """Announced is judged for each address: half of a dual-stack Service is an outage to clients of the other half"""
    room.pool(v4=1, v6=1)
    room.service('shop', ipFamilyPolicy='RequireDualStack')
    given = room.addresses('shop')
    group = (True, ['tor-a'], 'PartlyAnnounced', [f'{room.namespace}/shop={",".join(given)}'])
    for agent in agents:
        agent.says(group, silent=[silent])
    partly = wait_condition(room, 'shop', 'Announced', 'False', 'PartlyAnnounced')
    assert given[which] in partly['message'] and given[1 - which] not in partly['message'], partly
    assert 'PartlyAnnounced on walk-n' in partly['message'] and 'tor-a' in partly['message'], partly
    assert condition(room.get('shop'), 'fairway.dev/Programmed')['status'] == 'True'
    agents[1].says(group)  # one node of them is enough
    wait_condition(room, 'shop', 'Announced', 'True')


def test_an_agent_that_falls_silent_is_believed_no_more(room, agents, fairway_plane):
    """Who writes no more for three times as long as it said is Unknown, until it writes again; so is what only it had said"""
    room.pool()
    room.service('shop')
    entry = f'{room.namespace}/shop={room.addresses("shop")[0]}'
    one = agents[0]

    def ready(agent):
        return next(((c['status'], c['reason']) for c in room.admin.get('LBNode', agent.node)['status']['conditions'] if c['type'] == 'Ready'), None)

    for agent in agents:
        agent.says((True, ['tor-a'], '', [entry]), heartbeat=1)
    wait_condition(room, 'shop', 'Announced', 'True')
    wait_condition(room, 'shop', 'Programmed', 'Unknown', 'AgentSilent')
    wait_condition(room, 'shop', 'Announced', 'Unknown', 'AgentSilent')
    assert [ready(agent) for agent in agents] == [('Unknown', 'AgentSilent')] * 2
    assert fairway_plane.kubectl('get', 'lbn', one.node).splitlines()[1].split()[1] == 'Unknown'
    one.says((True, ['tor-a'], '', [entry]), heartbeat=60)
    wait_condition(room, 'shop', 'Announced', 'True')
    assert ready(one) == ('True', 'Ready')


def test_an_address_is_released_after_the_nodes_let_go(room, agents):
    """DESIGN 5, Addresses: routes first, then the frontends, then the address"""
    room.pool(v4=1)
    room.service('shop')
    entry = f'{room.namespace}/shop={room.addresses("shop")[0]}'
    agents[0].says((True, ['tor-a'], '', [entry]))
    wait_condition(room, 'shop', 'Announced', 'True')
    room.delete('shop')
    room.service('next')
    room.refused('next', 'PoolExhausted')
    stays(lambda: room.admin.find('Service', 'shop', room.namespace) and not addresses(room.get('next')),
          'the address is held while a node lists it')
    agents[0].says()
    eventually(lambda: room.admin.find('Service', 'shop', room.namespace) is None, 'shop is gone')
    room.wait_addresses('next', [room.ip4(0)])


def test_a_node_that_never_lets_go_holds_an_address_for_half_a_minute(room, agents):
    room.pool(v4=1)
    room.service('shop')
    agents[0].says((True, ['tor-a'], '', [f'{room.namespace}/shop={room.addresses("shop")[0]}']))
    wait_condition(room, 'shop', 'Announced', 'True')
    begin = time.monotonic()
    room.delete('shop')
    eventually(lambda: room.admin.find('Service', 'shop', room.namespace) is None, 'shop is gone', 60)
    assert time.monotonic() - begin > 20
    eventually(lambda: [e for e in room.events('shop') if e['type'] == 'Warning' and room.ip4(0) in e['message']],
               lambda: f'a Warning tells of it: {[(e["type"], e["message"]) for e in room.events("shop")]}', 5)


def test_peers_have_a_status(room, agents, fairway_plane):
    admin = fairway_plane.admin
    admin.apply({'apiVersion': 'fairway.dev/v1alpha1', 'kind': 'BGPPeer', 'metadata': {'name': 'walk-tor'},
                 'spec': {'myASN': 64513, 'peerASN': 64512, 'peerAddress': '10.0.0.1'}})
    try:
        one = agents[0]
        one.client.apply({'apiVersion': 'fairway.dev/v1alpha1', 'kind': 'LBNode', 'metadata': {'name': one.node}, 'status': {
            'agentVersion': 'test', 'peers': [{'name': 'walk-tor', 'address': '10.0.0.1', 'state': 'Established',
                                               'since': '2026-01-01T00:00:00Z', 'prefixesSent': 3, 'prefixesReceived': 1, 'lastError': ''}]}},
            'lbagent', subresource='status')
        status = eventually(lambda: admin.get('BGPPeer', 'walk-tor').get('status'), 'the peer has a status')
        assert 'walk-n1' in json.dumps(status) and 'Established' in json.dumps(status), status
        assert 'Established' in fairway_plane.kubectl('get', 'bgppeers', '-o', 'yaml')
    finally:
        admin.delete('BGPPeer', 'walk-tor')


def test_a_peers_refused_edit(agents, fairway_plane):
    """Past the CRD, and refused by whoever reads it: sessions stay as they were, the status says why, and goes on telling of them"""
    admin, one = fairway_plane.admin, agents[0]

    def apply(**fields):
        return admin.apply({'apiVersion': 'fairway.dev/v1alpha1', 'kind': 'BGPPeer', 'metadata': {'name': 'walk-edit'}, 'spec': {
            'myASN': 64513, 'peerASN': 64512, 'peerAddress': '10.0.0.1',
            'nodeSelectors': [{'matchLabels': {'kubernetes.io/hostname': one.node}}], **fields}})['metadata']['generation']

    def session(state):
        one.client.apply({'apiVersion': 'fairway.dev/v1alpha1', 'kind': 'LBNode', 'metadata': {'name': one.node}, 'status': {
            'agentVersion': 'test', 'peers': [{'name': 'walk-edit', 'address': '10.0.0.1', 'state': state, 'prefixesSent': 3, 'prefixesReceived': 1,
                                               'lastError': ''}]}}, 'lbagent', subresource='status')

    def says(generation, summary, *expected):
        """Returns Valid's message"""
        def found():
            status = admin.get('BGPPeer', 'walk-edit').get('status', {})
            told = [(c['type'], c['status'], c['reason']) for c in status.get('conditions', [])]
            if told == list(expected) and (status['summary'], status['observedGeneration']) == (summary, generation):
                return status['conditions'][1]['message'] or 'fine'

        return eventually(found, lambda: f'{summary} {expected} of {generation}: {admin.get("BGPPeer", "walk-edit").get("status")}')

    up, down = ('Ready', 'True', 'Established'), ('Ready', 'False', 'NotEstablished')
    valid, refused = ('Valid', 'True', 'Valid'), ('Valid', 'False', 'Refused')
    admin.patch('Node', one.node, {'metadata': {'labels': {'kubernetes.io/hostname': one.node}}})
    try:
        good = apply()
        session('Established')
        says(good, '1/1', up, valid)
        since = fairway_plane.audit_size()
        bad = apply(holdTime='9s1us')
        assert 'spec.holdTime' in says(bad, '1/1', up, refused)
        session('Active')
        says(bad, '0/1', down, refused)
        assert 'spec.holdTime' in fairway_plane.kubectl('get', 'bgppeer', 'walk-edit', '-o', 'wide')
        written = admin.get('BGPPeer', 'walk-edit')['metadata']['resourceVersion']
        stays(lambda: admin.get('BGPPeer', 'walk-edit')['metadata']['resourceVersion'] == written, 'said once')
        asked = [e for e in fairway_plane.audit(since) if e['user']['username'] == ACCOUNT and e['verb'] == 'patch' and
                 e.get('objectRef', {}).get('name') == 'walk-edit']
        assert asked and not [e for e in asked if e['responseStatus']['code'] == 409], asked
        session('Established')
        says(apply(holdTime='9s'), '1/1', up, valid)
        # From the start: nobody knows which nodes it selects; one says that it has a session.
        admin.gone('BGPPeer', 'walk-edit')
        assert 'spec.holdTime' in says(apply(holdTime='9s1us'), '1/1', ('Ready', 'Unknown', 'Refused'), refused)
        says(apply(), '1/1', up, valid)
    finally:
        admin.gone('BGPPeer', 'walk-edit')


def test_advertisements_have_a_status(room, agents, fairway_plane):
    """A mistyped community or selector withdraws what was selected: who has only kubectl sees it"""
    admin, name = fairway_plane.admin, f'{room.namespace}-adv'

    def custom(kind, name, spec):
        return {'apiVersion': 'fairway.dev/v1alpha1', 'kind': kind, 'metadata': {'name': name}, 'spec': spec}

    def says(spec, *expected):
        """Applied, its conditions are (type, status, reason), of this generation; returns the messages."""
        generation = admin.apply(custom('BGPAdvertisement', name, spec))['metadata']['generation']

        def found():
            status = admin.get('BGPAdvertisement', name).get('status', {})
            told = [(c['type'], c['status'], c['reason']) for c in status.get('conditions', [])]
            return ' '.join(c['message'] for c in status['conditions']) or ' ' if told == list(expected) and status['observedGeneration'] == generation else None

        return eventually(found, lambda: f'{expected} of generation {generation}: {admin.get("BGPAdvertisement", name).get("status")}')

    valid, selecting = ('Valid', 'True', 'Valid'), ('Selecting', 'True', 'Selecting')
    pool = room.pool()
    made = [('BGPPeer', 'walk-adv'), ('BGPAdvertisement', name), ('Community', 'walk-adv')]
    try:
        admin.apply(custom('BGPPeer', 'walk-adv', {'myASN': 64513, 'peerASN': 64512, 'peerAddress': '10.0.0.1'}))
        says({'serviceIPPools': [pool]}, valid, ('Selecting', 'False', 'NoServices'))
        room.service('shop', metadata={'labels': {'tier': 'front'}})
        room.addresses('shop')
        says({'serviceIPPools': [pool]}, valid, selecting)
        says({'serviceIPPools': [pool], 'serviceSelectors': [{'matchLabels': {'tier': 'frnt'}}]}, valid, ('Selecting', 'False', 'NoServices'))
        assert 'walk-gone' in says({'serviceIPPools': [pool], 'peers': ['walk-gone']}, ('Valid', 'False', 'PeerNotFound'), ('Selecting', 'False', 'NoPeers'))
        assert 'custmer' in says({'communities': ['custmer'], 'serviceIPPools': [pool]}, ('Valid', 'False', 'UnknownCommunity'), selecting)
        head, row = fairway_plane.kubectl('get', 'bgpadv', name).splitlines()
        assert row[head.index('VALID'):].split()[:2] == ['False', 'True'], head + row
        assert 'custmer' in fairway_plane.kubectl('get', 'bgpadv', name, '-o', 'wide')
        admin.apply(custom('Community', 'walk-adv', {'communities': [{'name': 'custmer', 'value': '64512:7'}]}))
        eventually(lambda: 'UnknownCommunity' not in json.dumps(admin.get('BGPAdvertisement', name)['status']), 'the alias is known now')
        # Past the CRD, and refused by whoever reads it: the verdict is of the version that stands there.
        assert 'spec.communities' in says({'communities': ['a\0b']}, ('Valid', 'False', 'Refused'), ('Selecting', 'Unknown', 'Refused'))
        written = admin.get('BGPAdvertisement', name)['metadata']['resourceVersion']
        stays(lambda: admin.get('BGPAdvertisement', name)['metadata']['resourceVersion'] == written, 'said once')
        says({'serviceIPPools': [pool]}, valid, selecting)
    finally:
        for kind, name in made:
            admin.gone(kind, name)


# --- the process -----------------------------------------------------------------------------------------------------


def test_health_and_metrics(fairway_plane, controller):
    def get(path):
        with urllib.request.urlopen(f'http://127.0.0.1:{controller.port}{path}', timeout=5) as reply:
            return reply.status, reply.read().decode()

    assert get('/healthz')[0] == 200 and get('/readyz')[0] == 200
    status, text = get('/metrics')
    assert status == 200 and re.search(r'^fairway_\S+ [0-9.e+]+$', text, re.M)
    for line in text.splitlines():
        assert line.startswith('#') or re.fullmatch(r'[a-z_:][a-z0-9_:]*(\{.*\})? [-+0-9.eInfNa]+', line), line


def test_sigterm_ends_it_cleanly(room, controller, fairway_plane):
    assert controller.part.stop(signal.SIGTERM) == 0, controller.log()[-2000:]
    lease = fairway_plane.admin.get('Lease', 'lbcontroller', NAMESPACE)
    assert not lease['spec'].get('holderIdentity'), 'the Lease is given up'
    controller.start()
    wait_leader(fairway_plane, [controller])


def test_it_was_never_refused(fairway_plane, controller):
    """Under exactly the shipped Role: no 403 in all of the tests above"""
    assert not [(e['verb'], e['requestURI'], e['responseStatus'].get('message')) for e in fairway_plane.refusals(ACCOUNT)]
    secrets = [e['requestURI'] for e in fairway_plane.audit() if e['user']['username'] == ACCOUNT and
               e.get('objectRef', {}).get('resource') == 'secrets']
    assert not secrets, 'lbcontroller has no business with Secrets'
