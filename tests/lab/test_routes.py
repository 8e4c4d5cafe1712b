# SPDX-License-Identifier: Apache-2.0
"""What is announced to whom, seen from the router and from the nodes' kernels."""
import ipaddress
import json

from fwlab import netns
from fwlab.lab import POOL, wait_for


def node_routes(lab, node):
    """{prefix: protocol} of a node's main tables."""
    table = {}
    for family in ('-4', '-6'):
        for route in json.loads(netns.run(['ip', '-n', lab.ns(node), '-j', family, 'route', 'show']) or '[]'):
            if route['dst'] != 'default':
                table[str(ipaddress.ip_network(route['dst']))] = route.get('protocol')
    return table


def test_pod_cidrs_go_to_the_router_and_to_the_other_nodes(lab):
    for node in lab.nodes:
        for cidr in lab.pod_cidrs(node):
            wait_for(f'{cidr} at the router', lambda: lab.routes().get(cidr) == [node])
            for other in lab.nodes:
                if other != node:
                    wait_for(f'{cidr} at {other}', lambda: node_routes(lab, other).get(cidr) == 'bgp')


def test_nodes_refuse_what_is_no_pod_cidr(lab, service):
    """The router offers each node the VIPs of the others; a node that took one would route VIP traffic by it."""
    addresses = service('web/refused', {'n1': 1}, policy='Local')
    lab.wait_announced(addresses, ['n1'])
    pools = [ipaddress.ip_network(p) for p in POOL]
    for node in lab.nodes:
        for prefix in map(ipaddress.ip_network, node_routes(lab, node)):
            assert not any(p.version == prefix.version and prefix.subnet_of(p) for p in pools), f'{node} took {prefix}'
            assert prefix.prefixlen > 0, f'{node} took a default route'


def test_why_names_a_family_that_nobody_is_told_of(lab, service):
    """Half of a dual-stack Service is an outage to clients of the other half: no step of it is fine."""
    addresses = service('web/half', {'n1': 1})
    lab.wait_announced(addresses, lab.nodes)

    def why(node):
        answer = lab.lbctl_json(node, 'why', 'svc/web/half')
        return answer.get('broken'), answer.get('steps', [{'text': ''}])[-1]['text']

    def says(node, broken, text):
        wait_for(f'{node}: {broken} {text}', lambda: (found := why(node))[0] == broken and text in found[1] and found)

    says('n1', '', f'{addresses[1]}/128 to tor-n1-v6: announced')
    try:
        lab.world.remove('BGPPeer', 'tor-n1-v6')
        says('n1', 'announcement', f'{addresses[0]}/32 to tor-n1-v4: announced; PartlyAnnounced: IPv6 to no peer: no usable BGPPeer')
        says('n2', '', f'{addresses[1]}/128 to tor-n2-v6: announced')
        lab.put_peers('n1')
        lab.world.fairway('BGPAdvertisement', 'six', {'peers': [f'tor-{node}-v6' for node in lab.nodes]})
        says('n1', 'announcement', f'{addresses[1]}/128 to tor-n1-v6: announced; PartlyAnnounced: IPv4 to no peer: no BGPAdvertisement wants it')
    finally:
        lab.put_peers('n1')
        lab.world.remove('BGPAdvertisement', 'six')
    lab.wait_announced(addresses, lab.nodes)
    says('n1', '', f'{addresses[0]}/32 to tor-n1-v4: announced')


def test_five_hundred_services_come_and_go_without_a_session_noticing(lab, service):
    """The table is exact at both ends, and no session's uptime moves."""
    lab.world.pool('bulk', ['198.18.0.0/22', '2001:db8:2::/112'], autoAssign=False)
    keeper = service('web/keeper', {'n1': 1, 'n3': 1})
    lab.pod_add('bulk-pod', 'n2', [f'bulk/s{i}' for i in range(500)])
    lab.wait_announced(keeper, lab.nodes)
    sessions, before = lab.sessions(), lab.routes()
    pool = {'annotations': {'fairway.dev/pool': 'bulk'}}
    bulk = [ipaddress.ip_network(p) for p in ('198.18.0.0/22', '2001:db8:2::/112')]

    def split(table):
        """The routes of the bulk pool, and the others."""
        inside = {p: h for p, h in table.items() if any(
            b.version == ipaddress.ip_network(p).version and ipaddress.ip_network(p).subnet_of(b) for b in bulk)}
        return inside, {p: h for p, h in table.items() if p not in inside}

    def all_there():
        inside, others = split(lab.routes())
        return len(inside) == 1000 and all(hops == lab.nodes for hops in inside.values()) and (inside, others)

    try:
        lab.world.namespace('bulk')
        with lab.changing():
            for i in range(500):
                lab.world.service(f'bulk/s{i}', **pool)
        inside, others = wait_for('1000 routes by all nodes', all_there, timeout=60, pause=0.3)
        assert others == before
        answer = lab.http_get('client', next(iter(inside)).split('/')[0])
        assert answer['pod'] == 'bulk-pod'
    finally:
        with lab.changing():
            for i in range(500):
                lab.world.service_remove(f'bulk/s{i}')
    wait_for('the table as before', lambda: lab.routes() == before, timeout=60, pause=0.3)
    lab.pod_delete('bulk-pod')
    lab.world.remove('ServiceIPPool', 'bulk')
    assert not lab.flapped(sessions)
    assert lab.processes.crashes() == {}
