# SPDX-License-Identifier: Apache-2.0
"""What lbcontroller leaves alone when something is edited, what it writes, and what it tells of what is wrong with a Service."""
import re
import time

from fwcluster.asked import asked, writes
from fwcluster.rules import addresses, condition
from fwlab.waiting import FOREVER, eventually, stays


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
    pool = room.pool(v4=1)
    # What a test before this one has left is written about up to a second later.
    eventually(lambda: [p['metadata']['name'] for p in room.admin.list('ServiceIPPool')] == [pool], lambda: room.admin.list('ServiceIPPool'))
    room.service('shop')
    room.addresses('shop')
    room.service('pending')
    room.refused('pending', 'PoolExhausted')
    for name, reason in (('shop', 'EnsuredLoadBalancer'), ('shop', 'UnAvailableLoadBalancer'), ('pending', 'SyncLoadBalancerFailed')):
        eventually(lambda: room.events(name, reason), lambda: f'{name}: {reason}: {room.events(name)}')
    room.pool_is(pool, 'Exhausted')
    eventually(lambda: room.counts(pool)[:2] == (1, 0) and room.admin.get('ServiceIPPool', pool)['metadata'].get('finalizers'),
               lambda: room.admin.get('ServiceIPPool', pool))
    since = fairway_plane.audit_size()
    time.sleep(3)
    made = [e for e in asked(fairway_plane, since) if e.get('objectRef', {}).get('resource') != 'leases']
    assert not made, [(e['verb'], e['requestURI'], e.get('requestObject')) for e in made]


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


def test_events(room):
    """L9; each Event's text and when it comes once: tests/unit/test_service_events.c"""
    room.pool(v4=1)
    room.service('shop')
    room.addresses('shop')
    room.service('pending')
    room.refused('pending', 'PoolExhausted')
    good = eventually(lambda: [e for e in room.events('shop') if room.ip4(0) in e['message'] and e['type'] == 'Normal'],
                      lambda: f'an Event for an address that was given: {room.events("shop")}')
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


# --- what is wrong and told ------------------------------------------------------------------------------------------


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
    patches = asked(fairway_plane, since, ['patch'], 'shop')
    assert 2 <= len(patches) <= 4 and not [e for e in patches if e['responseStatus']['code'] == 409], patches
    room.edit('shop', {'loadBalancerSourceRanges': ['10.0.0.0/8']})
    no_problem(room, 'shop')
    assert addresses(room.get('shop')) == [room.ip4(0)]


def test_a_service_that_is_refused_from_the_start(room):
    room.pool()
    room.service('shop', loadBalancerSourceRanges=[f'10.0.{i // 256}.{i % 256}/32' for i in range(257)])
    assert problem_is(room, 'shop', 'Refused', 'more than 256').endswith('nothing of it is served, and it gets no address')
    assert not room.has_finalizer('shop') and addresses(room.get('shop')) == []
    room.edit('shop', {'loadBalancerSourceRanges': None})
    assert room.addresses('shop') == [room.ip4(0)]
    no_problem(room, 'shop')
    room.service('other', loadBalancerSourceRanges=[f'10.0.{i // 256}.{i % 256}/32' for i in range(257)])
    problem_is(room, 'other', 'Refused', 'more than 256')
    room.edit('other', {'type': 'ClusterIP', 'loadBalancerSourceRanges': None, 'loadBalancerClass': None})
    no_problem(room, 'other')


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


def test_hostile_text_stays_text(room):
    """What a tenant writes comes back in a condition's message escaped, and the next Service is served"""
    room.pool()
    nasty = '1.2.3.4\n{"x": "\x07<script>' + 'A' * 5000
    room.service('nasty', ips=nasty, key='\n' * 50)
    message = room.refused('nasty', 'InvalidRequest')
    assert len(message) < 1000 and not re.search(r'[\x00-\x1f\x7f]', message)
    room.service('next')
    assert room.addresses('next') == [room.ip4(0)]
