# SPDX-License-Identifier: Apache-2.0
"""Which address a Service gets of lbcontroller, and why none: requests, ServiceIPPools, quota, sharing."""
import re
import time

from fwcluster.room import Room
from fwcluster.rules import addresses, condition
from fwlab.waiting import eventually, stays


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
    room.admin.gone('ServiceIPPool', unused)


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
