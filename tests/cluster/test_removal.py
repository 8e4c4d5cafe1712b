# SPDX-License-Identifier: Apache-2.0
"""Removal as DEPLOY.md tells it, the last thing that is done to the cluster: nothing is left on the nodes, at the router, at the API;
and how the programs ended until then."""
import json
import os

from fwcluster import workload
from fwcluster.fairway import MANIFESTS, NAMESPACE, TAG
from fwlab.waiting import eventually

CLEANUP = os.path.join(os.path.dirname(MANIFESTS), 'cleanup')


def overlay_of_cleanup(fairway):
    directory = f'{fairway.cluster.home}/cleanup'
    os.makedirs(directory, exist_ok=True)
    with open(f'{directory}/kustomization.yaml', 'w') as file:
        json.dump({'resources': [os.path.relpath(CLEANUP, directory)], 'images': [{'name': 'fairway', 'newTag': TAG}]}, file)
    return directory


def left_on(cluster, node):
    """What of Fairway a node still has: pins, programs on its uplink, reserved ports, routes."""
    script = ('find /sys/fs/bpf -mindepth 1 ! -name "*.debug"; ip -d link show dev eth0 | grep -o "prog/xdp.*"; tc filter show dev eth0 egress; '
              'cat /proc/sys/net/ipv4/ip_local_reserved_ports; ls /run/fairway | grep -v "^frr$"; ip route show proto bgp; ip -6 route show proto bgp')
    return cluster.node_run(node, ['bash', '-c', script], check=False).split()


def test_removal_leaves_nothing(fairway):
    cluster, admin = fairway.cluster, fairway.admin
    admin.apply_all([workload.namespace('leaving'), workload.deployment('last', 'leaving', replicas=3), workload.service('last', 'leaving')])
    addresses = fairway.wait_served('last', 'leaving', patience=60)
    assert all(left_on(cluster, node) for node in cluster.nodes)

    for service in admin.list('Service'):
        if service['spec'].get('loadBalancerClass') == 'fairway.dev/lb':
            meta = service['metadata']
            cluster.kubectl('-n', meta['namespace'], 'patch', 'svc', meta['name'], '-p', '{"spec":{"type":"ClusterIP"}}')
    cluster.kubectl('delete', 'serviceippools', '--all', '--timeout=60s', timeout=90)
    cluster.kubectl('-n', NAMESPACE, 'delete', 'ds/lbagent', 'deploy/lbcontroller', '--timeout=60s', timeout=90)
    cluster.kubectl('apply', '-k', overlay_of_cleanup(fairway))
    cluster.wait_rollout('daemonset/lbagent-cleanup', NAMESPACE)
    eventually(lambda: not any(left_on(cluster, node) for node in cluster.nodes),
               lambda: {node: left_on(cluster, node) for node in cluster.nodes})
    cluster.wait_announced(addresses, [])
    cluster.kubectl('delete', '-k', overlay_of_cleanup(fairway), '--timeout=60s', timeout=90)
    cluster.kubectl('delete', '-k', fairway.overlay(), '--ignore-not-found', '--timeout=60s', timeout=90)

    service = admin.get('Service', 'last', 'leaving')
    assert not service['metadata'].get('finalizers') and not service['status']['loadBalancer']
    assert admin.find('Namespace', NAMESPACE) is None
    for kind in ('ClusterRole', 'ClusterRoleBinding', 'CustomResourceDefinition'):
        assert not [o['metadata']['name'] for o in admin.list(kind) if 'fairway' in o['metadata']['name']]
    admin.gone('Namespace', 'leaving', patience=60)


def test_no_program_ended_but_when_it_was_told_to(fairway):
    """In all of the tests before, rollouts among them: no crash, and with sanitizers no finding and no leak at the end."""
    ended = [end['container'] for end in fairway.watch.ends.values()]
    assert {'lbagent', 'frr', 'lbcontroller'} <= set(ended), ended
    assert not fairway.unclean_ends()
