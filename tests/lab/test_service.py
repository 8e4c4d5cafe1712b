# SPDX-License-Identifier: Apache-2.0
"""What a client outside sees of a Service: which pod answers, whom the pod sees, what comes back from a closed port."""
import ipaddress

import pytest

import wire
from fwlab import netns
from fwlab.lab import CLIENT_V4, CLIENT_V6, wait_for
from fwlab.load import story, target
from fwlab.world import UDP_PORT

FAMILIES = pytest.mark.parametrize('family', [4, 6])


def of_family(addresses, family):
    return next(a for a in addresses if ipaddress.ip_address(a).version == family)


def clients(family, n):
    return (CLIENT_V4 if family == 4 else CLIENT_V6)[:n]


@pytest.fixture(scope='module')
def spread_service(lab):
    """Two pods on each node, policy Cluster."""
    lab.service('web/spread')
    lab.pods_add('web/spread', {node: 2 for node in lab.nodes})
    addresses = lab.wait_vips('web/spread')
    lab.wait_announced(addresses, lab.nodes)
    yield addresses
    names = [p['name'] for p in lab.world.pods_of('web/spread')]
    lab.service_remove('web/spread')
    for name in names:
        lab.pod_delete(name)
    lab.wait_announced(addresses, [])


@FAMILIES
@pytest.mark.parametrize('mode,port', [('udp', 5000), ('http', 80)])
def test_ten_thousand_flows_are_spread_evenly_and_repeatably(lab, spread_service, family, mode, port):
    address = target(of_family(spread_service, family), port)
    flows = {'from_': clients(family, 2), 'ports': '20000-24999', 'per_flow': True, 'concurrency': 64}
    first = lab.load(mode, address, requests=1 if mode == 'udp' else 10000, **flows).result()
    assert first['ok'] == 10000 and not first['failed'], story(first)
    even = 10000 / 6
    assert len(first['pods']) == 6, story(first)
    for pod, count in first['pods'].items():
        assert abs(count - even) <= even / 10, f'{pod}: {count} flows, even is {even:.0f} ± 10%\n{story(first)}'
    again = lab.load(mode, address, requests=1 if mode == 'udp' else 10000, **flows).result()
    moved = sum(a != b for a, b in zip(first['flows'], again['flows']))
    assert moved == 0, f'{moved} of 10000 flows reached another pod the second time'


@FAMILIES
def test_cluster_reaches_remote_pods_through_the_announcing_node(lab, spread_service, family):
    """A flow to a pod elsewhere is seen with a node's address, one to a local pod with the client's."""
    result = lab.load('http', target(of_family(spread_service, family), 80), requests=2000).result()
    assert result['failed'] == 0, story(result)
    client = clients(family, 1)[0]
    nodes = [lab.node_addresses(n)[0 if family == 4 else 1] for n in lab.nodes]
    printed = {client if family == 4 else f'[{client}]', *(n if family == 4 else f'[{n}]' for n in nodes)}
    assert set(result['clients']) == printed, story(result)


@FAMILIES
def test_large_bodies_arrive_intact_both_ways(lab, spread_service, family):
    for options in ({'path': '/bytes/500000'}, {'post': 200000}):
        result = lab.load('http', target(of_family(spread_service, family), 80), requests=60, concurrency=4, timeout=20000,
                          **options).result()
        assert result['ok'] == 60, story(result)


@FAMILIES
def test_local_keeps_the_client_and_only_nodes_with_endpoints_announce(lab, service, family):
    addresses = service('web/local', {'n1': 1, 'n2': 2}, policy='Local')
    lab.wait_announced(addresses, ['n1', 'n2'])
    address = of_family(addresses, family)
    for mode, port, requests in (('http', 80, 2000), ('udp', 5000, 3)):
        result = lab.load(mode, target(address, port), requests=requests, from_=clients(family, 4),
                          ports='30000-30499').result()
        assert result['failed'] == 0, story(result)
        assert result['preserved'] == result['ok'], f'client address or port changed on the way\n{story(result)}'
        assert len(result['pods']) == 3, story(result)


def test_routes_follow_scaling_of_a_local_service(lab, service):
    """1 -> 3 -> 0 -> 2 endpoints."""
    addresses = service('web/scale', {'n2': 1}, policy='Local')
    for wanted in (['n2'], ['n1', 'n2', 'n3'], [], ['n1', 'n3']):
        lab.scale('web/scale', wanted)
        lab.wait_announced(addresses, wanted)
        lab.wait_programmed('web/scale', len(wanted))
        for address in addresses:
            result = lab.load('http', target(address, 80), requests=200, timeout=1000).result()
            if wanted:
                assert result['failed'] == 0, story(result)
                assert {p.split('-')[1] for p in result['pods']} == set(wanted), story(result)
            else:
                assert result['ok'] == 0, story(result)


def test_routes_follow_scaling_of_a_cluster_service(lab, service):
    addresses = service('web/breathe', {'n2': 1})
    for wanted in (['n2'], ['n1', 'n2', 'n3'], [], ['n1', 'n3']):
        lab.scale('web/breathe', wanted)
        lab.wait_announced(addresses, lab.nodes if wanted else [])
        lab.wait_programmed('web/breathe', len(wanted))
        for address in addresses:
            result = lab.load('http', target(address, 80), requests=200, timeout=1000).result()
            assert (result['failed'] == 0) if wanted else (result['ok'] == 0), story(result)
            assert {p.split('-')[1] for p in result['pods']} == set(wanted), story(result)


@FAMILIES
def test_equal_ports_of_two_clients_and_one_pod_behind_two_vips_never_cross(lab, service, family):
    first, second = service('web/one'), service('web/two')
    lab.pod_add('shared', 'n1', ['web/one', 'web/two'])
    lab.wait_announced([*first, *second], lab.nodes)
    vips = [of_family(first, family), of_family(second, family)]
    flows = {'from_': clients(family, 2), 'ports': '40000-40499', 'concurrency': 256}
    # Each of the 2 x 2 x 500 tuples once: a client that uses one again within a second is refused by its own TIME_WAIT.
    for mode, port, more in (('http', 80, {'requests': 2000}), ('udp', 5000, {'requests': 4})):
        result = lab.load(mode, [target(v, port) for v in vips], **flows, **more).result()
        assert result['failed'] == 0 and result['moved'] == 0, story(result)


@FAMILIES
def test_a_vip_answers_as_a_host_does_and_only_once(lab, spread_service, family):
    """One packet to what is not served brings at most one packet back, and none travels on."""
    vip = of_family(spread_service, family)
    ns = lab.ns('client')
    netns.run_in(ns, ['ping', '-c', '3', '-i', '0.2', '-W', '2', vip])
    for kind, expected in (('tcp', 'rst'), ('udp', 'unreachable'), ('other', None), ('fragment', None)):
        source = clients(family, 1)[0]
        with wire.forwarded(lab, source, vip) as count:
            answers = wire.send_one(ns, kind, source, vip, 4444)
        assert len(answers) <= 1, f'{kind}: {answers}'
        if expected:
            assert answers == [expected], f'{kind}: {answers}'
        # Passed up and routed again, the packet would go round between node and router until its TTL is used up.
        assert count == [1], f'{kind}: the router forwarded it {count} times'


@FAMILIES
def test_a_service_without_endpoints_on_a_shared_vip_is_refused(lab, service, family):
    """Port 81 of a VIP that is announced for another Service: its own Service has no pod, so the client is told at once."""
    shared = {'fairway.dev/shared-ip': 'key'}
    first = service('web/full', {'n1': 1}, annotations=shared, ports=(('http', 80, 8080, 'TCP'),))
    second = service('web/empty', annotations=shared, ports=(('alt', 81, 8080, 'TCP'), ('u', 82, UDP_PORT, 'UDP')))
    assert first == second
    lab.wait_announced(first, lab.nodes)
    vip = of_family(first, family)
    result = wait_for('refusals', lambda: (lambda r: r if set(r['reasons']) == {'connect: Connection refused'} else None)(
        lab.load('http', target(vip, 81), requests=20, timeout=500).result()))
    assert result['failed'] == 20
    assert wire.send_one(lab.ns('client'), 'udp', clients(family, 1)[0], vip, 82) == ['unreachable']


def test_no_bad_checksum_nothing_invalid_nothing_masqueraded_no_crash(lab, spread_service):
    """Last in this file: what the tests before have left in the hosts' own counters, and that nothing ended by itself."""
    assert lab.processes.crashes() == {}
    for family in (4, 6):
        result = lab.load('http', target(of_family(spread_service, family), 80), requests=1000).result()
        assert result['failed'] == 0, story(result)
    assert lab.bad_checksums() == {}
    for node in lab.nodes:
        assert lab.host_counter(node, 'kube', 'invalid') == 0, node
        assert lab.host_counter(node, 'cni', 'masqueraded') == 0, node
