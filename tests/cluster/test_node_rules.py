# SPDX-License-Identifier: Apache-2.0
"""Rules of Kubernetes that only packets and routes on real nodes show: which nodes are targets (SEMANTICS L8), load balancing without
node ports (L3), and an address that somebody else's proxy serves (I2)."""
import contextlib
import ipaddress
import json
import os
import signal

import pytest

from fwcluster import workload
from fwcluster.fairway import NAMESPACE
from fwlab import netns
from fwlab.load import story, target
from fwlab.waiting import eventually

EXCLUDE = 'node.kubernetes.io/exclude-from-external-load-balancers'
TAINT = 'ToBeDeletedByClusterAutoscaler'


@pytest.fixture(scope='module')
def addresses(fairway):
    """Of Service web/ruled before three pods, one on each node."""
    fairway.admin.apply_all([workload.namespace('web'), workload.deployment('ruled', replicas=3),
                             workload.service('ruled', allocateLoadBalancerNodePorts=False)])
    fairway.cluster.wait_rollout('deployment/ruled', 'web')
    yield fairway.wait_served('ruled')
    fairway.admin.gone('Service', 'ruled', 'web', patience=60)
    fairway.admin.gone('Deployment', 'ruled', 'web', patience=60)


def assert_answers(cluster, addresses):
    for address in addresses:
        result = cluster.load('http', target(address, workload.HTTP_PORT), requests=60).result()
        assert result['failed'] == 0, story(result)


def test_node_ports_are_not_needed(fairway, addresses):
    service = fairway.admin.get('Service', 'ruled', 'web')
    assert not any(port.get('nodePort') for port in service['spec']['ports'])
    assert_answers(fairway.cluster, addresses)
    fairway.admin.patch('Service', 'ruled', {'spec': {'allocateLoadBalancerNodePorts': True}}, 'web')
    service = fairway.admin.get('Service', 'ruled', 'web')
    assert all(port.get('nodePort') for port in service['spec']['ports'])
    assert fairway.wait_served('ruled') == addresses
    assert_answers(fairway.cluster, addresses)


@contextlib.contextmanager
def labelled(cluster, node, value):
    cluster.kubectl('label', '--overwrite', 'node', node, f'{EXCLUDE}={value}')
    try:
        yield
    finally:
        cluster.kubectl('label', 'node', node, f'{EXCLUDE}-')


@pytest.mark.parametrize('value', ['', 'true', 'nonsense'])
def test_an_excluded_node_announces_no_service(fairway, addresses, value):
    """A value that is no boolean excludes, too. Its pods go on serving by way of the other nodes."""
    cluster, node = fairway.cluster, fairway.cluster.nodes[0]
    with labelled(cluster, node, value):
        cluster.wait_announced(addresses, cluster.nodes[1:])
        for address in addresses:
            result = cluster.load('http', target(address, workload.HTTP_PORT), requests=300).result()
            assert result['failed'] == 0 and len(result['pods']) == 3, story(result)
        for cidr in cluster.pod_cidrs(node):
            assert cluster.announcers(cidr) == [node], 'its PodCIDRs are not Services'
    cluster.wait_announced(addresses, cluster.nodes)


def test_a_label_that_says_false_excludes_nobody(fairway, addresses):
    cluster, (node, other) = fairway.cluster, fairway.cluster.nodes[:2]
    with labelled(cluster, node, 'false'), labelled(cluster, other, 'true'):
        cluster.wait_announced(addresses, [n for n in cluster.nodes if n != other])
    cluster.wait_announced(addresses, cluster.nodes)


def test_a_node_that_the_autoscaler_takes_away_announces_no_service(fairway, addresses):
    cluster, node = fairway.cluster, fairway.cluster.nodes[1]
    cluster.kubectl('taint', 'node', node, f'{TAINT}=1:NoSchedule')
    try:
        cluster.wait_announced(addresses, [n for n in cluster.nodes if n != node])
    finally:
        cluster.kubectl('taint', 'node', node, f'{TAINT}-')
    cluster.wait_announced(addresses, cluster.nodes)


def test_a_node_that_is_not_ready_goes_on(fairway, addresses):
    """Kubelet hangs and the Node is called not ready: what it serves and announces stays, also for a Service that comes then."""
    cluster, node = fairway.cluster, fairway.cluster.nodes[2]
    kubelet = fairway.program_pids(node, 'kubelet')
    assert len(kubelet) == 1
    os.kill(kubelet[0], signal.SIGSTOP)
    try:
        condition = {'type': 'Ready', 'status': 'Unknown', 'reason': 'NodeStatusUnknown', 'message': 'Kubelet stopped posting node status.'}
        cluster.kubectl('patch', 'node', node, '--subresource=status', '-p', json.dumps({'status': {'conditions': [condition]}}))
        eventually(lambda: 'NotReady' in cluster.kubectl('get', 'node', node, '--no-headers'), lambda: cluster.kubectl('get', 'nodes'))
        fairway.admin.apply(workload.service('later', app='ruled'))
        assert_answers(cluster, [*fairway.wait_served('later'), *addresses])
        for address in addresses:
            assert node in cluster.announcers(address)
    finally:
        os.kill(kubelet[0], signal.SIGCONT)
        fairway.admin.gone('Service', 'later', 'web', patience=60)
        cluster.wait_nodes_ready()
    cluster.wait_rollout('deployment/ruled', 'web')


@contextlib.contextmanager
def sent_to(cluster, node, addresses):
    """The router has static routes to addresses that nobody announces."""
    vias = {ipaddress.ip_address(a).version: a for a in cluster.node_addresses(node)}
    routes = [f'{address} via {vias[ipaddress.ip_address(address).version]}' for address in addresses]
    netns.ip_batch(cluster.ns('tor'), [f'route add {route}' for route in routes])
    try:
        yield
    finally:
        netns.ip_batch(cluster.ns('tor'), [f'route del {route}' for route in routes])


def failures(cluster, address):
    """Of five requests."""
    return cluster.load('http', target(address, workload.HTTP_PORT), requests=5, timeout=500).result()['failed']


def test_an_address_of_another_proxy_is_left_alone(fairway, addresses):
    """ipMode Proxy: not captured, not announced. lbcontroller, which would write VIP again, is away, and does so when it is back."""
    cluster = fairway.cluster

    def controllers():
        """Those that are being stopped, too: they still write."""
        return fairway.admin.list('Pod', NAMESPACE, labelSelector='app.kubernetes.io/name=lbcontroller')

    cluster.kubectl('-n', NAMESPACE, 'scale', 'deployment/lbcontroller', '--replicas=0')
    try:
        eventually(lambda: not controllers(), lambda: cluster.kubectl('-n', NAMESPACE, 'get', 'pods'), 60)
        status = {'loadBalancer': {'ingress': [{'ip': address, 'ipMode': 'Proxy'} for address in addresses]}}
        cluster.kubectl('-n', 'web', 'patch', 'service', 'ruled', '--subresource=status', '--type=merge', '-p', json.dumps({'status': status}))
        cluster.wait_announced(addresses, [])
        with sent_to(cluster, cluster.nodes[0], addresses):  # no node answers in its place
            for address in addresses:
                eventually(lambda: failures(cluster, address) == 5, f'{address} is served no more (for a while after its withdrawal it is)')
    finally:
        cluster.kubectl('-n', NAMESPACE, 'scale', 'deployment/lbcontroller', '--replicas=2')
    assert fairway.wait_served('ruled', patience=60) == addresses
    fairway.wait_running()
    modes = {entry['ipMode'] for entry in fairway.admin.get('Service', 'ruled', 'web')['status']['loadBalancer']['ingress']}
    assert modes == {'VIP'}
    assert_answers(cluster, addresses)
