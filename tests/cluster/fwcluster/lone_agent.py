# SPDX-License-Identifier: Apache-2.0
"""lbagent on one node without kubelet: the node, client and pod of tests/agent/node.py, with the objects at a real API server
and the agent as its DaemonSet runs it: service account, Role, token of a pod of this node. Between the two stands a fault proxy
in the node's namespace.

There is no controller: Services are written with the addresses that one would have given.
"""
import os
import sys

from fwcluster.fault_proxy import FaultProxy
from fwcluster.install import ServiceAccountDirectory, like_a_pod, shipped_capabilities

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), 'agent'))
import node  # noqa: E402
from fwlab import netns  # noqa: E402


class ApiWorld(node.StatusWorld):
    """The same objects as manifests would be, at the API server."""

    def __init__(self, admin):
        super().__init__(None)
        self.admin = admin

    def put(self, *objects):
        for obj in objects:
            obj = {**obj, 'metadata': {k: v for k, v in obj['metadata'].items() if k != 'creationTimestamp'}}
            status = obj.pop('status', None)
            if obj['kind'] == 'Service':
                ingress = [{'ip': a} for a in self.addresses.get(f'{obj["metadata"]["namespace"]}/{obj["metadata"]["name"]}', [])]
                status = {'loadBalancer': {'ingress': ingress}}
            self.admin.apply(obj)
            if status:  # not by apply, which knows a Node's addresses by their type alone
                self.admin.patch(obj['kind'], obj['metadata']['name'], {'status': status}, obj['metadata'].get('namespace'),
                                 subresource='status')

    def remove(self, kind, name, namespace=None):
        self.admin.delete(kind, name, namespace)


class LoneAgent(node.Bench):
    NODE = 'lone-n1'

    def __init__(self, plane):
        super().__init__()
        self.plane = plane

    def up(self):
        super().up()
        self.proxy = FaultProxy(self.plane, self.node, f'{self.name}-proxy')
        self.account = ServiceAccountDirectory(self.plane, 'lbagent', self.name, self.NODE)

    def down(self):
        for service in self.plane.admin.list('Service', 'web'):
            self.plane.admin.delete('Service', service['metadata']['name'], 'web')
        self.plane.admin.delete('ServiceIPPool', 'lone')
        if hasattr(self, 'proxy'):
            self.proxy.close()
        super().down()

    def write_world(self):
        self.world = ApiWorld(self.plane.admin)
        self.world.namespace('web')
        # Of these addresses and Services alone: a controller that runs beside leaves them as they are.
        self.world.pool('lone', ['203.0.113.0/24', '2001:db8:ff::/64'], autoAssign=False, serviceAllocation={'namespaces': ['web']})
        self.world.node(self.NODE, ['198.51.100.1', '2001:db8:1::1'], ['10.244.1.0/24'])
        self.put_shop()

    def put_shop(self):
        self.service('web/shop', [node.VIP4, node.VIP6])
        self.world.pod_set('pod-1', services=['web/shop'], ip4=node.POD4, ip6=node.POD6, node=self.NODE, ready=True)

    def agent_command(self, *more, capabilities=None):
        flags = ['--node', self.NODE, '--pin-dir', self.pins, '--run-dir', self.run_dir, '--frr-vty-dir', f'{self.directory}/frr',
                 '--interfaces', 'up*', '--drain-delay', '200ms', '--http-address', '127.0.0.1:7472', *more]
        return netns.enter(self.node, ['env', f'FAIRWAY_API_SERVERS={self.proxy.url}',
                                       *like_a_pod(self.account.directory, 'lbagent', f'{node.BUILD}/lbagent', flags,
                                                    capabilities=capabilities or shipped_capabilities('lbagent.yaml'))])

    def log_size(self):
        return os.path.getsize(self.log_path) if os.path.exists(self.log_path) else 0

    def log(self, since=0):
        with open(self.log_path, errors='replace') as file:
            file.seek(since)
            return file.read()

    def lb_node(self):
        return self.plane.admin.find('LBNode', self.NODE)
