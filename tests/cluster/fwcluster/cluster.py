# SPDX-License-Identifier: Apache-2.0
"""One cluster: the laboratory's network with a real control plane and real nodes in it.

        client (198.51.100.2…9, outside the cluster)
          |
         tor  (FRR, ECMP over all paths, BFD) ---- control: etcd, kube-apiserver, kube-controller-manager, kube-scheduler
        / | \\      point-to-point links, one per node
     fn1 fn2 fn3  containerd, kubelet, pods by CNI; everything else comes from Kubernetes objects

Names derive from the cluster's name as the laboratory's do (network namespaces fw-NAME-HOST); what the nodes write lies below
build/cluster/NAME, what the router writes below /run/fairway-lab/NAME. `down` needs only the name.
"""
import contextlib
import json
import os
import shutil
import signal
import subprocess

from fwlab import netns
from fwlab.network import SOURCE, LabError, Network, told, wait_for

from . import assets, images, node as node_module
from .control_plane import ControlPlane

CONTROL_V4, CONTROL_V6 = '172.30.250.2', 'fd00:30:fa::2'
API_PORT = 6443
NOT_READY = ('node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable')
POD_PROGRAMS = f'{SOURCE}/build/cluster-image'  # sanitizers are for Fairway's own
# Below every route of BGP, also in zebra's eyes, which takes the highest byte for the administrative distance.
LAST_RESORT = 250 << 24


class ClusterError(LabError):
    pass


class Cluster(Network):
    api_flags = {}  # of kube-apiserver, over those that ControlPlane gives

    def __init__(self, name='cluster', build=None):
        super().__init__(name, build)
        self.disk = f'{self.build}/cluster'
        self.home = f'{self.disk}/{name}'
        self.plane = None
        with contextlib.suppress(FileNotFoundError):
            self.plane = ControlPlane.load(f'{self.home}/control')

    # --- names and addresses -------------------------------------------------------------------------------

    @staticmethod
    def index(node):
        return int(node[2:])

    def cgroup(self, node):
        return f'fw-{self.name}-{node}'

    def node_home(self, node):
        return f'{self.home}/{node}'

    # --- up and down ---------------------------------------------------------------------------------------

    def up(self, n_nodes=3, archives=(), tags=None, say=lambda text: None):
        """archives: more images, beside the pods' own; tags: {further name: name of an image among them}."""
        self.check_machine()
        assets.ensure(say)
        self.make_directory()
        try:
            self.state.clear()
            self.state.update(nodes=[f'fn{i + 1}' for i in range(n_nodes)])
            self.make_subdirectories()
            self.save_state()
            shutil.rmtree(self.home, ignore_errors=True)
            os.makedirs(self.home)
            own = images.own_archives(POD_PROGRAMS, self.home)
            with images.template(self.disk, [*own, *archives], tags) as template:
                for node in self.nodes:
                    os.makedirs(self.node_home(node))
                    images.clone(template, f'{self.node_home(node)}/containerd')
            self.processes.start_supervisor()
            self.make_router_and_client()
            self.make_control()
            for node in self.nodes:
                self.make_node(node)
            self.start_control_plane()
            for node in self.nodes:
                self.start_node(node)
            self.wait_nodes_ready()
            self.state['up'] = True
            self.save_state()
        except BaseException:
            self.down()
            raise

    def check_machine(self):
        if os.geteuid() != 0:
            raise ClusterError('the cluster makes namespaces: run it as root')
        absent = [p for p in ('containerd', 'ctr', 'runc') if not shutil.which(p)]
        absent += [p for p in ('ptp', 'host-local', 'portmap') if not os.path.exists(f'{node_module.CNI_BIN}/{p}')]
        absent += [p for p in ('bgpd', 'bfdd') if not os.path.exists(f'/usr/lib/frr/{p}')]
        if absent:
            raise ClusterError(f'{", ".join(absent)} not installed: make deps')
        wanted = [*(f'{POD_PROGRAMS}/{f}' for f in ('pause', 'server', 'load')), f'{self.build}/lab-load', f'{self.build}/tests/lab/xdp_pass.bpf.o']
        missing = [f for f in wanted if not os.path.exists(f)]
        if missing:
            raise ClusterError(f'{", ".join(missing)}: not there; run make first')

    def make_control(self):
        """The control plane's host: behind the router as the nodes are."""
        control, tor = self.ns('control'), self.ns('tor')
        netns.veth(tor, 'control', control, 'eth0')
        self.wait_link_known('tor', 'control')
        netns.ip_batch(tor, ['addr add 172.30.250.1/30 dev control', 'addr add fd00:30:fa::1/64 dev control nodad', 'link set control up'])
        netns.ip_batch(control, [f'addr add {CONTROL_V4}/30 dev eth0', f'addr add {CONTROL_V6}/64 dev eth0 nodad', 'link set eth0 up',
                                 'route add default via 172.30.250.1', 'route add default via fd00:30:fa::1'])

    def make_node(self, node):
        """The laboratory's node, and a way to its pods while no BGP tells one: the cluster works also without Fairway."""
        super().make_node(node)
        netns.ip_batch(self.ns('tor'), [f'route add {cidr} via {address} metric {LAST_RESORT}'
                                        for cidr, address in zip(self.pod_cidrs(node), self.node_addresses(node))])

    def start_control_plane(self):
        self.plane = ControlPlane(f'{self.home}/control', CONTROL_V4, API_PORT, self.ns('control'), names=[CONTROL_V6],
                                  controllers=None, scheduler=True, persistent=True, api_flags=self.api_flags)
        self.plane.up()
        for number, node in enumerate(self.nodes):
            self.plane.admin.apply(node_module.node_object(node, f'zone-{number % 3 + 1}', self.pod_cidrs(node)))

    def start_node(self, node):
        """The node's first process, and with it containerd and kubelet."""
        home = self.node_home(node)
        self.plane.pki.client(node, f'system:node:{node}', ('system:nodes',))
        argv = node_module.prepare(home, node, self.cgroup(node), self.node_addresses(node), self.pod_cidrs(node),
                                   assets.find()['kubelet'], self.plane.kubeconfig(node), self.plane.ca)
        self.processes.start(f'{node}-init', netns.enter(self.ns(node), argv))

    def wait_nodes_ready(self, patience=90):
        """… and the scheduler may use all of them: kube-controller-manager takes a taint away some time after the node is Ready."""
        def waiting():
            unready = []
            for node in self.plane.admin.list('Node'):
                conditions = {c['type']: c for c in node.get('status', {}).get('conditions', [])}
                taints = [t['key'] for t in node['spec'].get('taints', []) if t['key'] in NOT_READY]
                if conditions.get('Ready', {}).get('status') == 'True' and taints:
                    unready.append(f'{node["metadata"]["name"]}: {taints}')
                elif conditions.get('Ready', {}).get('status') != 'True':
                    unready.append(f'{node["metadata"]["name"]}: {conditions.get("Ready", {}).get("message", "no kubelet yet")}')
            return unready

        try:
            wait_for('all nodes are Ready', lambda: not waiting(), patience, 0.1)
        except LabError as error:
            tails = '\n'.join(f'--- {n}/{f}\n{self.tail(f"{self.node_home(n)}/{f}.log")}' for n in self.nodes for f in ('containerd', 'kubelet'))
            raise ClusterError(f'{error}\n{waiting()}\n{tails}') from None

    @staticmethod
    def tail(path, lines=25):
        try:
            with open(path, errors='replace') as log:
                return ''.join(log.readlines()[-lines:])
        except OSError as error:
            return str(error)

    def end_own(self):
        for node in self.nodes_left():  # unshare(1) ignores SIGTERM; with its end the node's first process ends, and all its pods
            with contextlib.suppress(Exception):
                self.processes.stop(f'{node}-init', signal.SIGKILL)
        if self.plane:
            with contextlib.suppress(Exception):
                self.plane.down()
        self.plane = None

    def remove_own(self):
        for node in self.nodes_left():
            node_module.remove_cgroups(self.cgroup(node))
        shutil.rmtree(self.home, ignore_errors=True)

    def nodes_left(self):
        """Also of a cluster whose state is gone."""
        return self.nodes or [d for d in (os.listdir(self.home) if os.path.isdir(self.home) else ()) if d.startswith('fn')]

    # --- commands on hosts ---------------------------------------------------------------------------------

    def node_pid(self, node):
        """The host's pid of a node's first process."""
        outer = self.processes.pid(f'{node}-init')
        if outer:
            with contextlib.suppress(FileNotFoundError):
                with open(f'/proc/{outer}/task/{outer}/children') as file:
                    children = file.read().split()
                return int(children[0]) if children else None
        return None

    def enter_node(self, node, argv):
        pid = self.node_pid(node)
        if not pid:
            raise ClusterError(f'node {node} is not running')
        return ['nsenter', '-t', str(pid), '-n', '-m', '-p', '-u', '--', *map(str, argv)]

    def node_run(self, node, argv, **more):
        return netns.run(self.enter_node(node, argv), **more)

    # --- Kubernetes ----------------------------------------------------------------------------------------

    def kubectl(self, *words, **more):
        return self.plane.kubectl(*words, **more)

    def wait_rollout(self, what, namespace, patience=90):
        """Until a rollout ("deployment/shop") is complete; on failure tells what its pods wait for."""
        try:
            self.kubectl('-n', namespace, 'rollout', 'status', what, f'--timeout={patience}s', timeout=patience + 20)
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            raise ClusterError(f'{what} in {namespace}: {error}\n{self.pods_story(namespace)}') from None

    def pods_story(self, namespace):
        """Pods, their last events and their logs' ends: what a person asks first."""
        parts = []
        for words in (['get', 'pods', '-o', 'wide'], ['get', 'events', '--sort-by=.lastTimestamp']):
            text = self.kubectl('-n', namespace, *words, check=False)
            parts.append(f'$ kubectl -n {namespace} {" ".join(words)}\n' + '\n'.join(text.splitlines()[-40:]))
        for pod in self.plane.admin.list('Pod', namespace):
            name = pod['metadata']['name']
            for previous in ([], ['--previous']):
                text = self.kubectl('-n', namespace, 'logs', name, '--all-containers', '--tail=15', *previous, check=False)
                if text.strip():
                    parts.append(f'$ kubectl -n {namespace} logs {name} {" ".join(previous)}\n{text.rstrip()}')
        return '\n'.join(parts)

    def diagnosis(self):
        return '\n'.join([super().diagnosis(),
                          told('nodes and pods', lambda: self.kubectl('get', 'nodes,pods', '-A', '-o', 'wide', check=False)),
                          told('services', lambda: self.kubectl('get', 'svc', '-A', '-o', 'wide', check=False)),
                          told('Fairway', lambda: self.pods_story('fairway-system'))])
