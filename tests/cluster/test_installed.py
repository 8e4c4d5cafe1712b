# SPDX-License-Identifier: Apache-2.0
"""Fairway as it is installed by kubectl: a Service made with kubectl gets its address, its maps and its route, and kubectl shows it."""
import json

from fwcluster import workload
from fwlab.load import story, target
from fwlab.waiting import eventually


def test_a_service_made_with_kubectl(fairway):
    cluster, admin = fairway.cluster, fairway.admin
    admin.apply_all([workload.namespace('web'), workload.deployment('first', replicas=3)])
    cluster.wait_rollout('deployment/first', 'web')
    cluster.kubectl('apply', '-f', '-', stdin=json.dumps(workload.service('first')))
    addresses = fairway.wait_served('first')
    assert len(addresses) == 2
    for address in addresses:
        result = cluster.load('http', target(address, workload.HTTP_PORT), requests=600).result()
        assert result['failed'] == 0 and len(result['pods']) == 3, story(result)
        result = cluster.load('udp', target(address, workload.UDP_PORT), from_=['198.51.100.2' if '.' in address else '2001:db8:c::2'],
                              ports='20000-20099', requests=2).result()
        assert result['failed'] == 0 and result['moved'] == 0, story(result)
    fairway.wait_reported('first')
    for node in cluster.nodes:
        served = json.loads(fairway.lbctl(node, 'svc', 'ls', '-n', 'web', '-o', 'json'))['services']
        assert [(s['name'], sorted(s['addresses'])) for s in served] == [('first', sorted(addresses))]


def test_kubectl_shows_it(fairway):
    cluster = fairway.cluster
    addresses = fairway.wait_served('first')
    line = cluster.kubectl('-n', 'web', 'get', 'svc', 'first', '--no-headers')
    assert all(address in line for address in addresses), line
    eventually(lambda: 'Events:' in (text := cluster.kubectl('-n', 'web', 'describe', 'svc', 'first')) and all(a in text for a in addresses),
               lambda: cluster.kubectl('-n', 'web', 'describe', 'svc', 'first'))
    shown = cluster.kubectl('get', 'serviceippools,bgppeers')
    assert 'public' in shown
    for node in cluster.nodes:
        assert f'tor-{node}-v4' in shown and f'tor-{node}-v6' in shown
    eventually(lambda: cluster.kubectl('get', 'bgppeers', '--no-headers').count('1/1') == 2 * len(cluster.nodes),
               lambda: cluster.kubectl('get', 'bgppeers'))

    def pool():
        return fairway.admin.get('ServiceIPPool', 'public')['status']

    eventually(lambda: (pool()['assignedIPv4'], pool()['assignedIPv6']) == (1, 1), pool)


def test_a_family_without_a_peer_is_told(fairway):
    """Each family has peers of its own here: without those of one, the Service is announced in part, and its condition names which"""
    admin, nodes = fairway.admin, fairway.cluster.nodes
    four, six = sorted(fairway.wait_served('first'), key=lambda address: ':' in address)
    fairway.wait_reported('first')

    def partly():
        conditions = admin.get('Service', 'first', 'web')['status']['conditions']
        return next((c for c in conditions if c['type'] == 'fairway.dev/Announced' and c['reason'] == 'PartlyAnnounced'), None)

    try:
        for node in nodes:
            admin.delete('BGPPeer', f'tor-{node}-v6')
        told = eventually(lambda: (c := partly()) and 'addressFamilies' in c['message'] and c, lambda: admin.get('Service', 'first', 'web')['status'], 60)
        assert told['status'] == 'False' and six in told['message'] and four not in told['message'], told
        fairway.cluster.wait_announced([four], nodes)
    finally:
        fairway.configure()
    fairway.wait_served('first')
    fairway.wait_reported('first')
    fairway.cluster.wait_announced([four, six], nodes)  # the sessions are new: what they begin with has arrived


def test_a_deleted_service_leaves_nothing(fairway):
    addresses = fairway.wait_served('first')
    fairway.cluster.kubectl('-n', 'web', 'delete', 'svc', 'first', '--timeout=60s')
    fairway.cluster.wait_announced(addresses, [])
    for node in fairway.cluster.nodes:
        eventually(lambda: not json.loads(fairway.lbctl(node, 'svc', 'ls', '-n', 'web', '-o', 'json')).get('services'),
                   lambda: fairway.lbctl(node, 'svc', 'ls', '-A'))
    fairway.admin.delete('Deployment', 'first', 'web')
