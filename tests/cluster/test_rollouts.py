# SPDX-License-Identifier: Apache-2.0
"""What clients notice of rollouts, a drain and an API server that is gone, under 500 new connections a second and 200 long ones:
nothing. A long connection ends only with its own pod, by that pod's FIN."""
import os
import signal
import time

import pytest

from fwcluster import workload
from fwcluster.fairway import NAMESPACE
from fwcluster.pod_watch import PodWatch
from fwcluster.traffic import Traffic
from fwlab.waiting import eventually

POLICIES = pytest.mark.parametrize('policy', ['Cluster', 'Local'])
AT_LEAST = 2000  # requests over new connections, or a test has shown nothing


@pytest.fixture(scope='module')
def shops(fairway):
    """{policy: addresses} of two Services before the same six pods, two on each node."""
    cluster, admin = fairway.cluster, fairway.admin
    admin.apply_all([workload.namespace('web'), workload.deployment('shop'), workload.service('shop-cluster', app='shop'),
                     workload.service('shop-local', app='shop', policy='Local')])
    cluster.wait_rollout('deployment/shop', 'web')
    return {'Cluster': fairway.wait_served('shop-cluster'), 'Local': fairway.wait_served('shop-local')}


def pods(fairway):
    """Of the application, without those of a test before that are still ending."""
    return [p for p in fairway.admin.list('Pod', 'web', labelSelector='app=shop') if not p['metadata'].get('deletionTimestamp')]


def restart(cluster, what, namespace, patience=120):
    cluster.kubectl('-n', namespace, 'rollout', 'restart', what)
    cluster.wait_rollout(what, namespace, patience)


def both(shops):
    return shops['Cluster'] + shops['Local']


@POLICIES
def test_rollout_of_the_application(fairway, shops, policy):
    before = {p['metadata']['name'] for p in pods(fairway)}
    with PodWatch(fairway.cluster, 'web') as watch, Traffic(fairway.cluster, shops[policy]) as traffic:
        restart(fairway.cluster, 'deployment/shop', 'web')
        eventually(lambda: before <= set(watch.gone), lambda: f'all old pods are gone: {before - set(watch.gone)} are not', 40)
    traffic.assert_nothing_failed(AT_LEAST)
    assert traffic.ends and {end['how'] for end in traffic.ends} == {'FIN'}, traffic.story()
    early = [end for end in traffic.ends if end['at'] < watch.told.get(end['pod'], float('inf'))]
    assert not early, f'ended before their pods were told to: {early[:5]}\n{traffic.story()}'
    assert {end['pod'] for end in traffic.ends} <= before, traffic.story()


@POLICIES
def test_rollout_of_the_agents(fairway, shops, policy):
    """As an upgrade does it: a new image tag."""
    before = fairway.pods('lbagent')
    with Traffic(fairway.cluster, shops[policy]) as traffic:
        fairway.apply(tag=fairway.other_tag())
        fairway.wait_running()
    assert not set(before.values()) & set(fairway.pods('lbagent').values()), 'the agents were not replaced'
    traffic.assert_nothing_failed(AT_LEAST)
    traffic.assert_no_long_one_ended()


@POLICIES
def test_rollout_of_the_controller(fairway, shops, policy):
    with Traffic(fairway.cluster, shops[policy]) as traffic:
        restart(fairway.cluster, 'deployment/lbcontroller', NAMESPACE)
    traffic.assert_nothing_failed(AT_LEAST)
    traffic.assert_no_long_one_ended()
    assert fairway.addresses(f'shop-{policy.lower()}') == shops[policy]


@POLICIES
def test_drain_of_a_node(fairway, shops, policy):
    """Under policy Local the node announces as long as its leaving pods serve. Then the router has a next hop less and spreads
    anew: connections to other nodes' pods may be reset by that, nothing else."""
    cluster, node = fairway.cluster, fairway.cluster.nodes[-1]
    leaving = {p['metadata']['name'] for p in pods(fairway) if p['spec']['nodeName'] == node}
    assert leaving
    try:
        with PodWatch(cluster, 'web') as watch, Traffic(cluster, shops[policy]) as traffic:
            cluster.kubectl('drain', node, '--ignore-daemonsets', '--delete-emptydir-data', '--timeout=90s', timeout=120)
            cluster.wait_rollout('deployment/shop', 'web')
        if policy == 'Cluster':
            traffic.assert_nothing_failed(AT_LEAST)
            assert {end['pod'] for end in traffic.ends} == leaving, traffic.story()
        else:
            traffic.assert_only_reset_by_the_router(AT_LEAST)
        assert {end['pod'] for end in traffic.ends if end['how'] == 'FIN'} == leaving, traffic.story()
        bad = [end for end in traffic.ends
               if end['pod'] in leaving and (end['how'] != 'FIN' or end['at'] < watch.told.get(end['pod'], float('inf')))]
        assert not bad, f'not by FIN, or before their pods were told to: {bad[:5]}\n{traffic.story()}'
    finally:
        cluster.kubectl('uncordon', node)
        restart(cluster, 'deployment/shop', 'web')  # spread again
        fairway.wait_served('shop-local')


def test_api_server_gone_for_a_minute_and_an_agent_killed_meanwhile(fairway, shops):
    """As when its machine is away. A controller-manager that lived on would call nodes that it had not heard of for that long not
    ready before they are heard again, and their endpoints too: Kubernetes', not ours."""
    cluster, node = fairway.cluster, fairway.cluster.nodes[0]
    pod = fairway.pods('lbagent')[node]
    with Traffic(cluster, both(shops)) as traffic:
        begin = time.monotonic()
        cluster.plane.apiserver.kill()
        try:
            killed = fairway.program_pids(node, 'lbagent')
            assert len(killed) == 1
            fairway.killed.add(pod)
            os.kill(killed[0], signal.SIGKILL)
            eventually(lambda: fairway.program_pids(node, 'lbagent') not in ([], killed), 'kubelet starts the agent again', 60)
            time.sleep(max(0.0, begin + 60 - time.monotonic()))
        finally:
            others = cluster.plane.kcm, cluster.plane.scheduler
            for part in others:
                part.kill()
            cluster.plane.apiserver.start()
            cluster.plane.wait_ready()
            for part in others:
                part.start()
        fairway.wait_running()
    traffic.assert_nothing_failed(AT_LEAST)
    traffic.assert_no_long_one_ended()
    # and it follows again
    fairway.admin.apply(workload.service('after', app='shop'))
    fairway.wait_served('after', patience=60)
    fairway.admin.gone('Service', 'after', 'web', patience=60)


def test_rollout_of_frr_keeps_every_flow(fairway, shops):
    with Traffic(fairway.cluster, both(shops)) as traffic:
        restart(fairway.cluster, 'daemonset/frr', NAMESPACE)
        fairway.cluster.wait_announced(both(shops), fairway.cluster.nodes, 60)
    traffic.assert_nothing_failed(AT_LEAST)
    traffic.assert_no_long_one_ended()


@pytest.mark.soak
@pytest.mark.parametrize('number', [1, 2, 3])
def test_all_of_it_three_times(fairway, shops, number):
    for policy in ('Cluster', 'Local'):
        for test in (test_rollout_of_the_application, test_rollout_of_the_agents, test_rollout_of_the_controller,
                     test_drain_of_a_node):
            test(fairway, shops, policy)
    for test in (test_api_server_gone_for_a_minute_and_an_agent_killed_meanwhile, test_rollout_of_frr_keeps_every_flow):
        test(fairway, shops)
