# SPDX-License-Identifier: Apache-2.0
"""The cluster itself, before anything of Fairway is in it: nodes are Ready and their own, pods run, are probed and reached."""
import json

from fwcluster import workload
from fwlab import netns
from fwlab.load import target
from fwlab.waiting import eventually


def test_nodes_are_ready_dual_stack_and_distinct(cluster):
    admin = cluster.plane.admin
    nodes = {n['metadata']['name']: n for n in admin.list('Node')}
    assert sorted(nodes) == cluster.nodes
    for name in cluster.nodes:
        addresses = [a['address'] for a in nodes[name]['status']['addresses'] if a['type'] == 'InternalIP']
        assert addresses == list(cluster.node_addresses(name))
        assert nodes[name]['spec']['podCIDRs'] == list(cluster.pod_cidrs(name))
        assert cluster.node_run(name, ['hostname']).strip() == name
    zones = {n['metadata']['labels']['topology.kubernetes.io/zone'] for n in nodes.values()}
    assert len(zones) == min(3, len(nodes))


def test_pods_are_spread_ready_and_reached_from_outside_in_both_families(cluster):
    admin = cluster.plane.admin
    admin.apply_all([workload.namespace('bare'), workload.deployment('bare', 'bare', replicas=len(cluster.nodes))])
    cluster.wait_rollout('deployment/bare', 'bare')
    pods = admin.list('Pod', 'bare')
    assert sorted(p['spec']['nodeName'] for p in pods) == cluster.nodes
    for pod in pods:
        name = pod['metadata']['name']
        assert len(pod['status']['podIPs']) == 2
        for ip in (entry['ip'] for entry in pod['status']['podIPs']):
            answer = json.loads(netns.run_in(cluster.ns('client'), ['curl', '-sS', '-g', '--max-time', '10',
                                                                    f'http://{target(ip, workload.TARGET_PORT)}/']))
            assert answer['pod'] == name and answer['client'].startswith(('198.51.100.2:', '[2001:db8:c::2]:'))
    admin.delete('Namespace', 'bare')


def test_kubectl_reaches_into_pods(cluster):
    admin = cluster.plane.admin
    admin.apply_all([workload.namespace('bare2'), workload.deployment('bare', 'bare2', replicas=1)])
    cluster.wait_rollout('deployment/bare', 'bare2')
    said = cluster.kubectl('-n', 'bare2', 'exec', 'deploy/bare', '--', '/load', 'http', '--to', f'127.0.0.1:{workload.TARGET_PORT}',
                           '--requests', '3')
    assert json.loads(said)['ok'] == 3
    assert cluster.kubectl('-n', 'bare2', 'logs', 'deploy/bare') == ''
    # preStop and SIGTERM: the pod is gone well within its grace, and by its own exit
    cluster.kubectl('-n', 'bare2', 'delete', 'deployment', 'bare', '--wait=false')
    eventually(lambda: not admin.list('Pod', 'bare2'), lambda: f'pods are gone: {admin.list("Pod", "bare2")}', 40)
    admin.delete('Namespace', 'bare2')
