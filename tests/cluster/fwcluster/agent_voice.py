# SPDX-License-Identifier: Apache-2.0
"""A node that is nothing but its lbagent's word, for tests of lbcontroller."""
from fwcluster.install import end_pod, pod_token


class Agent:
    """Speaks for a node as its lbagent does: as lbagent's service account, by server-side apply of the LBNode's status."""

    def __init__(self, plane, node):
        self.plane, self.node = plane, node
        plane.admin.apply({'apiVersion': 'v1', 'kind': 'Node', 'metadata': {'name': node}})
        self.client = plane.client(token=pod_token(plane, 'lbagent', f'agent-{node}', node), user_agent='test-agent')
        self.uid = plane.admin.get('Node', node)['metadata']['uid']
        self.object = {'apiVersion': 'fairway.dev/v1alpha1', 'kind': 'LBNode', 'metadata': {'name': node, 'ownerReferences': [
            {'apiVersion': 'v1', 'kind': 'Node', 'name': node, 'uid': self.uid}]}}
        self.client.create(self.object, fieldManager='lbagent')

    def says(self, *groups, silent=(), heartbeat=None):
        """groups: (programmed, announced to, reason, [namespace/name=VIP, …]); `silent`: families that none of them announces;
        `heartbeat`: it says that it will write again within so many seconds"""
        status = {'agentVersion': 'test', 'conditions': [{'type': 'Ready', 'status': 'True', 'reason': 'Ready', 'message': '',
                                                         'lastTransitionTime': '2026-01-01T00:00:00Z'}],
                  'services': {'total': len(groups), 'programmed': 0, 'announced': 0}, **({'heartbeatSeconds': heartbeat} if heartbeat else {}),
                  'groups': [{'programmed': p, 'announcedTo': list(a), 'reason': r, 'message': r and f'{r} on {self.node}', 'services': s,
                              **({'unannouncedFamilies': list(silent)} if silent else {})} for p, a, r, s in groups]}
        self.client.apply({'apiVersion': self.object['apiVersion'], 'kind': 'LBNode', 'metadata': {'name': self.node}, 'status': status},
                          'lbagent', subresource='status')

    def close(self):
        end_pod(self.plane, f'agent-{self.node}')
        self.plane.admin.delete('Node', self.node)
        self.plane.admin.gone('LBNode', self.node)
