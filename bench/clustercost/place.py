# SPDX-License-Identifier: Apache-2.0
"""Where bench/api_cost measures: a control plane in a network namespace, and one namespace for each program that is measured,
linked to it, so that each finds a node of its own and its bytes on the wire are counted.

    control (etcd, kube-apiserver) 172.31.255.1 ── up0 172.31.0.N, node NAME
"""
import http.client
import json
import os
import shutil
import signal
import subprocess
import tempfile

from fwcluster.client import connect_in
from fwcluster.control_plane import UNAUDITED, ControlPlane
from fwlab import netns

ADDRESS = '172.31.255.1'


class Place:
    def __init__(self, name):
        self.name = name
        self.control = f'{name}-control'
        self.directory = tempfile.mkdtemp(prefix=f'fairway-{name}-')
        self.plane = None
        self.nodes = []

    def up(self, objects=None):
        """`objects`: a directory of save(), what the API server holds from the beginning."""
        netns.add(self.control)
        netns.ip_batch(self.control, [f'addr add {ADDRESS}/32 dev lo'])
        # Nobody's objects but ours: no controller works beside what is measured.
        self.plane = ControlPlane(f'{self.directory}/plane', ADDRESS, netns=self.control, controllers=['namespace-controller'],
                                  api_flags=UNAUDITED)
        if objects:
            shutil.copytree(objects, f'{self.plane.directory}/etcd')
        self.plane.up()

    def save(self, objects):
        """Keeps everything that the API server holds."""
        parts = self.plane.etcd, self.plane.apiserver
        for part in reversed(parts):
            part.stop()
        shutil.copytree(f'{self.plane.directory}/etcd', f'{objects}.new')
        os.rename(f'{objects}.new', objects)
        for part in parts:
            part.start()
        self.plane.wait_ready()

    def down(self):
        for node in self.nodes:
            node.down()
        if self.plane:
            self.plane.down()
        netns.delete(self.control)
        shutil.rmtree(self.directory, ignore_errors=True)

    def node(self, name):
        node = Node(self, name, len(self.nodes) + 1)
        self.nodes.append(node)
        node.up()
        return node


class Node:
    """A node with its Node object and an uplink, and the one program there that is measured."""

    def __init__(self, place, name, number):
        self.place, self.name = place, name
        self.netns = f'{place.name}-{name}'
        self.link = f'to-{number}'
        self.address = f'172.31.0.{number}'
        self.pod_cidr = f'10.244.{number}.0/24'
        self.log_path = f'{place.directory}/{name}.log'
        self.process = None

    def up(self):
        netns.add(self.netns, {'net.ipv4.ip_forward': 1})
        netns.veth(self.netns, 'up0', self.place.control, self.link)
        netns.ip_batch(self.netns, ['link set up0 up', f'addr add {self.address}/32 dev up0', f'route add {ADDRESS} dev up0',
                                  f'route add default via {ADDRESS}'])
        netns.ip_batch(self.place.control, [f'link set {self.link} up', f'route add {self.address}/32 dev {self.link} src {ADDRESS}'])
        admin = self.place.plane.admin
        admin.create({'apiVersion': 'v1', 'kind': 'Node', 'metadata': {'name': self.name},
                      'spec': {'podCIDR': self.pod_cidr, 'podCIDRs': [self.pod_cidr]}})
        admin.patch('Node', self.name, {'status': {'addresses': [{'type': 'InternalIP', 'address': self.address}],
                                                   'conditions': [{'type': 'Ready', 'status': 'True', 'reason': 'KubeletReady'}]}},
                    how='strategic', subresource='status')

    def down(self):
        self.stop(signal.SIGKILL)
        netns.delete(self.netns)

    def start(self, argv):
        with open(self.log_path, 'ab') as log:
            self.process = subprocess.Popen(netns.enter(self.netns, argv), stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def stop(self, number=signal.SIGTERM):
        if self.process:
            self.process.send_signal(number)
            self.process.wait(30)
            self.process = None

    def require_running(self):
        if self.process.poll() is not None:
            raise RuntimeError(f'{self.name} ended: {self.tail()}')

    def tail(self, size=2000):
        with open(self.log_path, 'rb') as log:
            log.seek(max(0, os.path.getsize(self.log_path) - size))
            return log.read().decode(errors='replace')

    def get(self, port, path):
        """What a program on the node answers over HTTP."""
        connection = http.client.HTTPConnection('127.0.0.1', port, timeout=10)
        connection.sock = connect_in(self.netns, ('127.0.0.1', port), 10)
        try:
            connection.request('GET', path)
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    def received(self):
        """Bytes that came in over the uplink so far."""
        link, = json.loads(netns.run(['ip', '-n', self.netns, '-j', '-s', 'link', 'show', 'dev', 'up0']))
        return link['stats64']['rx']['bytes']
