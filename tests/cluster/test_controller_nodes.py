# SPDX-License-Identifier: Apache-2.0
"""What lbcontroller makes of LBNodes: the conditions of Services that come from nodes, and the order of release."""
import time

import pytest

from fwcluster.rules import addresses
from fwlab.waiting import eventually, stays


def test_programmed_and_announced_tell_what_is(room, agents):
    room.pool()
    room.service('shop')
    entry = f'{room.namespace}/shop={room.addresses("shop")[0]}'
    one, two = agents
    one.says((True, ['tor-a'], '', [entry]))
    two.says((False, [], 'NoRoomInMaps', [entry]))
    failed = room.wait_condition('shop', 'Programmed', 'False', 'NoRoomInMaps')  # before, that the other one has said nothing yet
    assert 'walk-n2' in failed['message'], failed
    two.says((True, ['tor-a'], '', [entry]))
    room.wait_condition('shop', 'Programmed', 'True')
    announced = room.wait_condition('shop', 'Announced', 'True')
    assert announced['message']
    stale = f'{room.namespace}/shop=203.0.113.254'  # of an address that it had once
    one.says((True, ['tor-a'], '', [stale]))
    two.says((True, ['tor-a'], '', [stale]))
    assert room.wait_condition('shop', 'Programmed', 'False')['reason']
    room.wait_condition('shop', 'Announced', 'False')


@pytest.mark.parametrize('silent,which', [('IPv6', 1), ('IPv4', 0)])
def test_an_address_that_no_peer_is_told_of_is_not_announced(room, agents, silent, which):
    """Announced is judged for each address: half of a dual-stack Service is an outage to clients of the other half"""
    room.pool(v4=1, v6=1)
    room.service('shop', ipFamilyPolicy='RequireDualStack')
    given = room.addresses('shop')
    group = (True, ['tor-a'], 'PartlyAnnounced', [f'{room.namespace}/shop={",".join(given)}'])
    for agent in agents:
        agent.says(group, silent=[silent])
    partly = room.wait_condition('shop', 'Announced', 'False', 'PartlyAnnounced')
    assert given[which] in partly['message'] and given[1 - which] not in partly['message'], partly
    assert 'PartlyAnnounced on walk-n' in partly['message'] and 'tor-a' in partly['message'], partly
    room.wait_condition('shop', 'Programmed', 'True')  # both have said it
    agents[1].says(group)  # one node of them is enough
    room.wait_condition('shop', 'Announced', 'True')


def test_an_agent_that_falls_silent_is_believed_no_more(room, agents, fairway_plane):
    """Who writes no more for three times as long as it said is Unknown, until it writes again; so is what only it had said"""
    room.pool()
    room.service('shop')
    entry = f'{room.namespace}/shop={room.addresses("shop")[0]}'
    one = agents[0]

    def ready(agent):
        return next(((c['status'], c['reason']) for c in room.admin.get('LBNode', agent.node)['status']['conditions'] if c['type'] == 'Ready'), None)

    for agent in agents:
        agent.says((True, ['tor-a'], '', [entry]), heartbeat=60)
    room.wait_condition('shop', 'Announced', 'True')
    for agent in agents:
        agent.says((True, ['tor-a'], '', [entry]), heartbeat=1)
    room.wait_condition('shop', 'Programmed', 'Unknown', 'AgentSilent')
    room.wait_condition('shop', 'Announced', 'Unknown', 'AgentSilent')
    assert [ready(agent) for agent in agents] == [('Unknown', 'AgentSilent')] * 2
    assert fairway_plane.kubectl('get', 'lbn', one.node).splitlines()[1].split()[1] == 'Unknown'
    one.says((True, ['tor-a'], '', [entry]), heartbeat=60)
    room.wait_condition('shop', 'Announced', 'True')
    assert ready(one) == ('True', 'Ready')


def test_an_address_is_released_after_the_nodes_let_go(room, agents):
    """DESIGN 5, Addresses: routes first, then the frontends, then the address"""
    room.pool(v4=1)
    room.service('shop')
    entry = f'{room.namespace}/shop={room.addresses("shop")[0]}'
    agents[0].says((True, ['tor-a'], '', [entry]))
    room.wait_condition('shop', 'Announced', 'True')
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
    room.wait_condition('shop', 'Announced', 'True')
    begin = time.monotonic()
    room.delete('shop')
    eventually(lambda: room.admin.find('Service', 'shop', room.namespace) is None, 'shop is gone', 60)
    assert time.monotonic() - begin > 20
    eventually(lambda: [e for e in room.events('shop') if e['type'] == 'Warning' and room.ip4(0) in e['message']],
               lambda: f'a Warning tells of it: {[(e["type"], e["message"]) for e in room.events("shop")]}')
