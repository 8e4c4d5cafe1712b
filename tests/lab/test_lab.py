# SPDX-License-Identifier: Apache-2.0
"""The laboratory itself, without Fairway: if these fail, no other test here means anything."""
import os
import signal
import subprocess
import time

import pytest

import wire
from fwlab import netns
from fwlab.lab import Lab, ROOT, SOURCE, LabError, wait_for
from fwlab.load import story

LAB = f'{SOURCE}/tests/lab/lab'


def left_over(name):
    """What is still there of a laboratory of this name."""
    mounts = open('/proc/mounts').read()
    return ([n for n in netns.names(f'fw-{name}-')] + [d for d in (f'{ROOT}/{name}',) if os.path.exists(d)] +
            [d for d in os.listdir('/run/frr') if d.startswith(f'fw-{name}-')] +
            [line for line in mounts.splitlines() if f'{ROOT}/{name}/' in line or f'fw-{name} ' in line])


def test_pods_are_reached_by_routes_from_frr_and_seen_unchanged(plain_lab):
    lab = plain_lab
    for node in lab.nodes:
        lab.pod_add(f'pod-{node}', node, 'web/plain')
        for cidr in lab.pod_cidrs(node):
            wait_for(f'route to {cidr}', lambda: lab.routes().get(cidr) == [node])
    for pod in list(lab.state['pods'].values()):
        for address, client in ((pod['ip4'], '198.51.100.2:'), (pod['ip6'], '[2001:db8:c::2]:')):
            answer = lab.http_get('client', address, 8080)
            assert answer['pod'] == pod['name']
            assert answer['client'].startswith(client)
    # Pod to pod across nodes: not masqueraded, the CNI's rule spares the cluster's own addresses.
    first, second = list(lab.state['pods'].values())[:2]
    assert lab.http_get(first['name'], second['ip4'], 8080)['client'].startswith(first['ip4'] + ':')
    # Pod to the outside: masqueraded. Nothing listens there, but the rule's counter sees it pass.
    before = lab.host_counter(first['node'], 'cni', 'masqueraded')
    netns.run_in(lab.ns(first['name']), ['ping', '-c', '1', '-W', '2', '198.51.100.2'])
    assert lab.host_counter(first['node'], 'cni', 'masqueraded') == before + 1


def test_addresses_of_absent_pods_end_at_the_node(plain_lab):
    """Not back at the router: that would be a loop until the TTL is used up."""
    lab = plain_lab
    for source, address in (('198.51.100.2', '10.244.1.250'), ('2001:db8:c::2', 'fd00:10:244:1::fa')):
        with wire.forwarded(lab, source, address) as count, pytest.raises(RuntimeError):
            netns.run_in(lab.ns('client'), ['ping', '-c', '1', '-W', '1', address])
        assert count == [1]


def test_load_generator_counts_what_a_dead_server_does(plain_lab):
    """A test tool that cannot fail proves nothing."""
    lab = plain_lab
    lab.pod_add('victim', 'n2', 'web/plain')
    address = lab.state['pods']['victim']['ip4']
    load = lab.load('http', f'{address}:8080', rate=500, seconds=120)
    time.sleep(1)
    lab.processes.stop('pod-victim', signal.SIGKILL)
    result = load.result()  # with hundreds of failures it has seen enough
    lab.pod_delete('victim')
    assert 0 < result['ok'] < result['sent'], story(result)
    assert result['failed'] == result['sent'] - result['ok'], story(result)
    assert any('refused' in reason for reason in result['reasons']), story(result)


def test_large_bodies_arrive_intact_both_ways(plain_lab):
    lab = plain_lab
    pod = lab.state['pods']['pod-n3']
    for address in (f'{pod["ip4"]}:8080', f'[{pod["ip6"]}]:8080'):
        for options in ({'path': '/bytes/1000000'}, {'post': 300000}):
            result = lab.load('http', address, requests=20, concurrency=4, timeout=20000, **options).result()
            assert result['ok'] == 20, story(result)
    assert lab.bad_checksums() == {}


def test_a_killed_node_is_noticed_and_comes_back(plain_lab):
    lab = plain_lab
    cidr = lab.pod_cidrs('n3')[0]
    lab.node_kill('n3', notice_after=0)
    try:
        wait_for('the route of n3 gone', lambda: cidr not in lab.routes())
    finally:
        lab.node_start('n3')
    wait_for('the route of n3 back', lambda: lab.routes().get(cidr) == ['n3'])
    assert lab.http_get('client', lab.state['pods']['pod-n3']['ip4'], 8080)['pod'] == 'pod-n3'


def test_two_laboratories_stand_side_by_side(plain_lab):
    other = Lab(f'q{os.getpid()}')
    try:
        other.up(n_nodes=1, agents=False)
        other.pod_add('only', 'n1', 'web/plain')
        # The same address in both: each client reaches its own.
        address = other.state['pods']['only']['ip4']
        assert other.http_get('client', address, 8080)['pod'] == 'only'
        assert plain_lab.state['pods']['pod-n1']['ip4'] == address
        assert plain_lab.http_get('client', address, 8080)['pod'] == 'pod-n1'
        with pytest.raises(LabError, match='there already'):
            Lab(other.name).up(agents=False)
    finally:
        other.down()
    assert left_over(other.name) == []
    assert plain_lab.http_get('client', plain_lab.state['pods']['pod-n1']['ip4'], 8080)['pod'] == 'pod-n1'


@pytest.mark.parametrize('pause', [0.15, 0.4, 0.7])
def test_an_interrupted_up_leaves_nothing(pause):
    name = f'i{os.getpid()}'
    process = subprocess.Popen([LAB, 'up', '--no-agents', '--name', name], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, start_new_session=True)
    time.sleep(pause)
    process.send_signal(signal.SIGINT)
    process.wait(timeout=60)
    Lab(name).down()  # in the rare case that it was up before the signal came
    assert left_over(name) == []


def test_a_laboratory_whose_maker_and_supervisor_were_killed_is_taken_down():
    name = f'k{os.getpid()}'
    lab = Lab(name)
    lab.up(n_nodes=1, agents=False)
    os.kill(lab.processes.supervisor_pid(), signal.SIGKILL)
    subprocess.run([LAB, 'down', '--name', name], check=True, timeout=60)
    assert left_over(name) == []
