# SPDX-License-Identifier: Apache-2.0
"""Two lbcontrollers and one Lease: one of them writes, the other takes over when it is killed, ends or stalls, and at no time do two
write. Who wrote what is told by the API server's audit log, where each controller's token has a name of its own."""
import concurrent.futures
import datetime
import signal
import time
import urllib.request

import pytest

from fwcluster import rules
from fwcluster.asked import asked
from fwcluster.install import NAMESPACE, Controller, leader, wait_leader
from fwcluster.room import Room
from fwlab.waiting import eventually

LEASE_SECONDS = 15  # what the Lease says of itself; checked below
PATIENCE = LEASE_SECONDS + 15


@pytest.fixture
def since(fairway_plane):
    """Where the audit log of the test begins: before its controllers."""
    return fairway_plane.audit_size()


@pytest.fixture
def pair(fairway_plane, since, request):
    controllers = [Controller(fairway_plane, f'{request.node.name.removeprefix("test_").replace("_", "-")[:30]}-{c}', own_identity=True) for c in 'ab']
    try:
        for controller in controllers:
            controller.start()
        yield controllers
    finally:
        for controller in controllers:
            controller.part.stop()


@pytest.fixture
def room(fairway_plane, pair, request):
    room = Room(fairway_plane, request.node.name.removeprefix('test_').replace('_', '-'))
    yield room
    for controller in pair:
        if not controller.part.running():
            controller.start()
    room.close()


def parse_time(text):
    return datetime.datetime.fromisoformat(text.replace('Z', '+00:00'))


def lease_spec(plane):
    return plane.admin.get('Lease', 'lbcontroller', NAMESPACE)['spec']


def is_leading(controller):
    """In its own eyes."""
    with urllib.request.urlopen(f'http://127.0.0.1:{controller.port}/readyz', timeout=10) as reply:
        return reply.read().startswith(b'leading')


def credential(event):
    return (event['user'].get('extra', {}).get('authentication.kubernetes.io/credential-id') or [''])[0]


def credential_of(plane, controller, since=0):
    """How the audit log names the controller's token: by the Lease that bears the controller's name."""
    for event in plane.audit(since):
        if (event.get('objectRef', {}).get('resource') == 'leases' and event['verb'] in ('create', 'update', 'patch') and
                event['responseStatus']['code'] < 300 and
                (event.get('requestObject', {}).get('spec', {}).get('holderIdentity') or '').startswith(controller.name)):
            return credential(event)
    raise AssertionError(f'{controller.name} never held the Lease')


def writes(plane, since):
    """(time it was received, credential, Lease or not, holder written) of each write of the controllers, in that order. Writes of the
    Lease count if they were granted; of others also those that the server refused: nobody may even try who does not lead."""
    found = []
    for event in asked(plane, since):
        is_lease = event['objectRef']['resource'] == 'leases'
        if is_lease and event['responseStatus']['code'] >= 300:
            continue
        holder = (event.get('requestObject') or {}).get('spec', {}).get('holderIdentity') if is_lease else None
        found.append((parse_time(event['requestReceivedTimestamp']), credential(event), is_lease, holder))
    return sorted(found, key=lambda w: w[0])


def never_two_writers(plane, since):
    """Each write is of whoever held the Lease then. Returns how often the Lease changed hands and how many writes were checked."""
    holder, last, changes, checked, log = None, None, 0, 0, writes(plane, since)
    for when, who, is_lease, name in log:
        if is_lease and name:
            changes += last not in (None, who)
            holder = last = who
        elif is_lease:
            holder = None
        else:
            checked += 1
            assert holder == who, f'at {when} {who} wrote, {holder} led:\n' + '\n'.join(map(str, log))
    return changes, checked


def serve(room, name, patience=20.0):
    room.service(name)
    return room.addresses(name, patience)


def the_other(pair, one):
    return next(c for c in pair if c is not one)


def test_one_of_two_leads(fairway_plane, since, pair, room):
    first = wait_leader(fairway_plane, pair)
    lease = lease_spec(fairway_plane)
    assert lease['leaseDurationSeconds'] == LEASE_SECONDS
    room.pool()
    assert serve(room, 'shop') == [room.ip4(0)]
    idle = the_other(pair, first)
    eventually(lambda: lease_spec(fairway_plane)['renewTime'] > lease['renewTime'], 'it is renewed')
    time.sleep(3)  # the other one looks at the Lease each second
    assert leader(fairway_plane).startswith(first.name) and idle.part.running()
    mine = credential_of(fairway_plane, first, since)
    assert {who for _, who, is_lease, _ in writes(fairway_plane, since) if not is_lease} == {mine}
    assert lease_spec(fairway_plane)['leaseTransitions'] == lease['leaseTransitions']


def test_the_leader_is_killed(fairway_plane, since, pair, room):
    first = wait_leader(fairway_plane, pair)
    room.pool()
    serve(room, 'before')
    first.part.kill()
    room.service('during')
    second = wait_leader(fairway_plane, [the_other(pair, first)], PATIENCE)
    assert room.addresses('during') == [room.ip4(1)]
    assert rules.addresses(room.get('before')) == [room.ip4(0)]
    held = lease_spec(fairway_plane)
    log = writes(fairway_plane, since)
    mine = credential_of(fairway_plane, second, since)
    taken = next(when for when, who, is_lease, _ in log if is_lease and who == mine)
    last = max(when for when, who, is_lease, _ in log if is_lease and who != mine and when < taken)
    # Not before the Lease was over; how soon after is what the machine allows.
    assert (taken - last).total_seconds() >= LEASE_SECONDS - 0.5, (last, taken, held)
    assert never_two_writers(fairway_plane, since)[0] == 1


def test_the_leader_ends(fairway_plane, since, pair, room):
    """SIGTERM hands over at once: nobody waits for the Lease to run out"""
    first = wait_leader(fairway_plane, pair)
    room.pool()
    serve(room, 'before')
    begin = time.monotonic()
    assert first.part.stop(signal.SIGTERM) == 0, first.log()[-2000:]
    wait_leader(fairway_plane, [the_other(pair, first)])
    assert time.monotonic() - begin < LEASE_SECONDS - 2
    assert serve(room, 'after') == [room.ip4(1)]
    assert never_two_writers(fairway_plane, since)[0] == 1


def test_a_leader_that_slept_past_its_lease_writes_no_more(fairway_plane, since, pair, room):
    """SIGSTOP, as a machine that was suspended: what it had in mind when it wakes is not written"""
    first = wait_leader(fairway_plane, pair)
    second = the_other(pair, first)
    room.pool(v4=100)
    serve(room, 'before')
    # In the middle of much work: answers and events fill its sockets, and it knows what it would write next.
    names = [f'during-{i}' for i in range(60)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        made = [pool.submit(room.service, name) for name in names]
        eventually(lambda: any(rules.addresses(s) for s in room.admin.list('Service', room.namespace)[1:]), 'some are served', pause=0)
        first.part.pause()
        for one in made:
            one.result()
    wait_leader(fairway_plane, [second], PATIENCE)
    eventually(lambda: all(rules.addresses(s) for s in room.admin.list('Service', room.namespace)), 'the new leader serves')
    room.gone('during-0')
    first.part.resume()
    for i in range(3):
        serve(room, f'after-{i}')
    time.sleep(3)
    assert leader(fairway_plane).startswith(second.name)
    changes, checked = never_two_writers(fairway_plane, since)
    assert changes == 1 and checked > 5
    assert first.part.running(), 'it stays as the one in waiting'
    assert second.part.stop(signal.SIGTERM) == 0  # … and takes over again
    wait_leader(fairway_plane, [first])
    assert serve(room, 'last')
    assert not rules.twice(rules.World.read(fairway_plane.admin))


def test_the_lease_is_deleted_or_stolen(fairway_plane, pair, room):
    """By an operator's hand: somebody leads again, and never two"""
    wait_leader(fairway_plane, pair)
    room.pool()
    serve(room, 'before')
    fairway_plane.admin.delete('Lease', 'lbcontroller', NAMESPACE)
    wait_leader(fairway_plane, pair, PATIENCE)
    assert serve(room, 'after', PATIENCE) == [room.ip4(1)]
    first = wait_leader(fairway_plane, pair)
    stolen = time.time()
    # A patch has no version: the leader renews every two seconds, and that would be a conflict now and then.
    fairway_plane.admin.patch('Lease', 'lbcontroller', {'spec': {'holderIdentity': 'somebody-else'}}, NAMESPACE)
    eventually(lambda: not is_leading(first), 'the leader sees that it leads no more')
    since = fairway_plane.audit_size()
    room.service('idle')
    wait_leader(fairway_plane, pair, PATIENCE)
    assert room.addresses('idle') == [room.ip4(2)]
    taken, _, is_lease, _ = writes(fairway_plane, since)[0]
    assert is_lease and taken.timestamp() - stolen >= LEASE_SECONDS - 0.5, 'until the Lease is over nobody takes it, and nobody writes'
    never_two_writers(fairway_plane, since)
