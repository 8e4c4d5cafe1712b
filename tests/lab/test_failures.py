# SPDX-License-Identifier: Apache-2.0
"""What a client notices of changes and failures behind a VIP: nothing, or as little as the route's death needs."""
import contextlib
import os
import signal
import time

import pytest


from fwlab.lab import CLIENT_V4, CLIENT_V6, wait_for
from fwlab.load import story, target


@pytest.fixture(scope='module')
def shop(lab):
    """web/shop: two pods on each node, policy Cluster, announced by all."""
    lab.service('web/shop')
    lab.pods_add('web/shop', {node: 2 for node in lab.nodes})
    addresses = lab.wait_vips('web/shop')
    lab.wait_announced(addresses, lab.nodes)
    return addresses


@contextlib.contextmanager
def under_load(lab, loads):
    """Runs loads beside the body; `results` is filled when it ends."""
    results = []
    try:
        yield results
        results += [load.stop() for load in loads]
    finally:
        for load in loads:
            load.end()


def both(addresses, port=80):
    return [target(a, port) for a in addresses]


def assert_unharmed(results, at_least=0, routes_change=False):
    """No request failed and no flow moved. Where the router's choices change, a request in flight toward another node's pod may
    end (the pod knows it by the first node's address), and FRR's zebra, which replaces an IPv6 route by removing and adding it,
    refuses some: a few of them, then none."""
    for result in results:
        assert result['failed'] <= (result['sent'] / 20 if routes_change else 0), story(result)
        assert result['moved'] == 0, story(result)
    sent = sum(r['sent'] for r in results)
    assert sent >= at_least, f'only {sent} requests were sent'


def roll_under_load(lab, key, addresses, at_least):
    """Rolls all pods, once or more, until so many requests were sent meanwhile."""
    loads = [lab.load('http', to, rate=700, seconds=240) for to in both(addresses)]
    loads += [lab.load('hold', to, concurrency=16, interval=50, seconds=240) for to in both(addresses)]
    with under_load(lab, loads) as results:
        time.sleep(0.5)
        begin, rolled = time.monotonic(), []
        while (time.monotonic() - begin) * 1400 < at_least * 1.1:
            rolled += lab.roll(key)
        time.sleep(0.5)
    assert_unharmed(results, at_least)
    assert set(rolled) & set(results[0]['pods']), 'no new pod ever answered'
    ends = [end['how'] for result in results for end in result['ends']]
    assert ends and set(ends) == {'FIN'}, f'kept connections ended by {sorted(set(ends))}'


def test_a_rollout_under_load_loses_nothing(lab, shop):
    roll_under_load(lab, 'web/shop', shop, 20000)


def test_a_rollout_of_a_local_service_under_load_loses_nothing(lab, service):
    addresses = service('web/local', {'n1': 1, 'n2': 1}, policy='Local')
    lab.wait_announced(addresses, ['n1', 'n2'])
    roll_under_load(lab, 'web/local', addresses, 5000)


def test_udp_flows_stay_while_a_pod_serves_and_leave_when_it_is_gone(lab, service):
    """A terminating pod keeps its flows; then the same socket reaches the new pod, for nothing in UDP would ever tell it to
    begin anew."""
    addresses = service('web/udp', {'n1': 1})
    lab.wait_announced(addresses, lab.nodes)
    old = lab.world.pods_of('web/udp')[0]['name']
    sources = {4: CLIENT_V4[:1], 6: CLIENT_V6[:1]}
    loads = [lab.load('udp', target(a, 5000), from_=sources[6 if ':' in a else 4], ports='45000-45099', interval=100,
                      timeout=500, seconds=60, per_flow=True) for a in addresses]
    with under_load(lab, loads) as results:
        time.sleep(0.5)
        new = lab.pods_add('web/udp', {'n2': 1})
        lab.pod_terminating(old)
        lab.wait_programmed('web/udp', 1)
        time.sleep(1.5)
        ending = time.time()
        lab.pod_delete(old)
        for node in lab.nodes:
            wait_for(f'{node} has forgotten {old}', lambda: lab.served('web/udp', node).get('backendsTotal') == 1)
        gone = time.time()
        time.sleep(2)
    for result in results:
        assert result['moves'] and all(move['at'] >= ending for move in result['moves']), story(result)
        assert set(result['flows']) == set(new), story(result)
        assert result['failed'] == 0 or ending - 1 < result['lastFailureBegan'] < gone + 1, story(result)


def test_killing_each_agent_under_load_loses_and_moves_nothing(lab, shop):
    flows = {4: CLIENT_V4[:2], 6: CLIENT_V6[:2]}
    loads = [lab.load('http', to, rate=300, seconds=120) for to in both(shop)]
    loads += [lab.load('hold', to, concurrency=50, interval=100, seconds=120) for to in both(shop)]
    loads += [lab.load('udp', target(a, 5000), from_=flows[6 if ':' in a else 4], ports='50000-50199', interval=500,
                       seconds=120) for a in shop]
    sessions = lab.sessions()
    with under_load(lab, loads) as results:
        time.sleep(1)
        for node in lab.nodes:
            old = lab.processes.pid(f'{node}-lbagent')
            lab.processes.kill(f'{node}-lbagent', signal.SIGKILL)
            wait_for(f'a new agent on {node}', lambda: lab.processes.pid(f'{node}-lbagent') not in (None, old))
            wait_for(f'the agent of {node} answers', lambda: lab.vips('web/shop', node))
        time.sleep(1)
    assert_unharmed(results, 2000)
    assert not lab.flapped(sessions)
    assert lab.announcers(shop[0]) == lab.nodes


def test_an_agent_whose_source_is_not_there_withdraws_nothing(lab, shop):
    for missing in (f'{lab.directory}/not-there', f'{lab.directory}/empty'):
        os.makedirs(f'{lab.directory}/empty', exist_ok=True)
        before = lab.routes()
        loads = [lab.load('http', to, rate=200, seconds=120) for to in both(shop)]
        with under_load(lab, loads) as results:
            lab.processes.stop('n1-lbagent')
            argv = lab.agent_command('n1')
            argv[argv.index('--manifests') + 1] = missing
            argv[argv.index('--status') + 1] = f'{missing}.yaml'
            lab.processes.start('n1-lbagent', argv, restart=0.5)
            seen = []
            end = time.monotonic() + 4
            while time.monotonic() < end:
                seen.append(lab.routes())
                time.sleep(0.2)
            assert lab.processes.running('n1-lbagent')
            lab.processes.stop('n1-lbagent')
            lab.start_agent('n1')
            wait_for('the agent of n1 answers', lambda: lab.vips('web/shop', 'n1'))
        assert all(table == before for table in seen), 'routes changed while the source was missing'
        assert_unharmed(results)


def test_bgpd_killed_comes_back_with_all_routes(lab, shop):
    before = lab.routes()
    loads = [lab.load('http', to, rate=200, seconds=120) for to in both(shop)]
    with under_load(lab, loads) as results:
        lab.processes.kill('n2-bgpd', signal.SIGKILL)
        wait_for('the router without n2', lambda: 'n2' not in lab.announcers(shop[0]))
        wait_for('the table as before', lambda: lab.routes() == before, timeout=40)
    assert_unharmed(results, routes_change=True)
    lab.wait_sessions()


def test_a_stopped_bgpd_does_not_stop_the_agent(lab, shop, service):
    """The agent answers and goes on feeding the data path while bgpd hangs; later everything is announced."""
    addresses = service('web/late', {'n1': 1})
    lab.wait_announced(addresses, lab.nodes)
    lab.processes.kill('n3-bgpd', signal.SIGSTOP)
    try:
        new = lab.pods_add('web/late', {'n2': 1})[0]
        lab.wait_programmed('web/late', 2)
        # The router still sends to n3, until the hold time says that it is gone; the others serve all along. (n3's own pods
        # could not be reached after that: the route to them went with bgpd.)
        for wanted in (lab.nodes, ['n1', 'n2']):
            lab.wait_announced(addresses, wanted, timeout=30)
            result = lab.load('http', target(addresses[0], 80), requests=500).result()
            assert result['failed'] == 0 and new in result['pods'], story(result)
            for _ in range(5):
                assert lab.vips('web/shop', 'n3'), 'lbctl on n3 got no answer'
    finally:
        lab.processes.kill('n3-bgpd', signal.SIGCONT)
    lab.wait_sessions()
    lab.wait_announced([*addresses, *shop], lab.nodes, timeout=40)


def test_a_dead_node_costs_no_more_than_its_detection(lab, shop, record_property, capsys):
    """The plug is pulled under load: requests through the dead node are lost until BFD has said so, those to its pods until
    the control plane has; then none is."""
    lab.wait_sessions()  # BFD has to see it in both families
    loads = [lab.load('udp', target(a, 5000), concurrency=60, interval=50, timeout=300, seconds=60, give_up=0) for a in shop]
    loads += [lab.load('http', to, rate=200, seconds=60, timeout=500, give_up=0) for to in both(shop)]
    try:
        with under_load(lab, loads) as results:
            time.sleep(1)
            cut = lab.node_kill('n3', notice_after=1.0)
            lab.wait_announced(shop, ['n1', 'n2'])
            time.sleep(5)
    finally:
        lab.node_start('n3')
        lab.wait_announced(shop, lab.nodes, timeout=40)
        lab.wait_sessions()
    for result in results:
        last = result['lastFailureBegan'] - cut
        with capsys.disabled():
            print(f'\n    {result["mode"]}: {result["failed"]} of {result["sent"]} lost, the last one sent '
                  f'{max(last, 0):.2f} s after the cut', end='')
        record_property(f'last-lost-{result["mode"]}', f'{last:.3f}')
    for result in results:
        # Seconds after the cut none may be lost any more: far from the limits that the machine's load could move, and with a
        # thousand requests in between. n3 comes back after the load: what it attracts then is another story.
        assert result['lastFailureBegan'] - cut < 5, story(result)
        assert result['ok'] > result['sent'] * 0.6, story(result)


@pytest.mark.soak
def test_fifty_rollouts(lab, shop):
    for _ in range(50):
        roll_under_load(lab, 'web/shop', shop, 20000)


@pytest.mark.soak
def test_agents_killed_a_hundred_times(lab, shop):
    for _ in range(34):
        test_killing_each_agent_under_load_loses_and_moves_nothing(lab, shop)


@pytest.mark.soak
def test_a_node_killed_twenty_times(lab, shop, record_property, capsys):
    for _ in range(20):
        test_a_dead_node_costs_no_more_than_its_detection(lab, shop, record_property, capsys)


def test_no_bad_checksum_nothing_masqueraded_no_crash(lab, shop):
    """Last in this file: what the tests before have left in the hosts' own counters, and that nothing ended by itself."""
    assert lab.processes.crashes() == {}
    assert lab.bad_checksums() == {}
    for node in lab.nodes:
        assert lab.host_counter(node, 'cni', 'masqueraded') == 0, node
