# SPDX-License-Identifier: Apache-2.0
"""One laboratory.

        client (198.51.100.2…9, outside the cluster)
          |
         tor  (FRR, ECMP over all paths, BFD)            control: lbcontroller
        / | \\      point-to-point links, one per node
      n1  n2  n3   (lbagent, FRR; one uplink eth0)
      ||  ||  ||   pods, each a namespace behind a veth pair

Names are all derived from the laboratory's name, which contains no '-': namespaces fw-NAME-HOST and fw-NAME-pod-POD, FRR
instances the same, files below /run/fairway-lab/NAME. So a half-made laboratory, or one whose maker was killed, is found
and taken down by its name alone. The same addresses are used in each: nothing leaves the namespaces.
"""
import contextlib
import ipaddress
import json
import os
import shutil
import signal
import time

from . import frr, netns, world
# What others take from here, too.
from .network import (CLIENT_V4, CLIENT_V6, CLUSTER_CIDRS, ONE_PATH, POOL, QUIET_V6, ROOT, SOURCE, LabError, Network, told,  # noqa: F401
                      wait_for)


class Lab(Network):
    EMPTY = {'nodes': [], 'agents': True}

    def __init__(self, name, build=None):
        super().__init__(name, build)
        self.status_file = f'{self.directory}/status/services.yaml'
        self.pins = f'{self.directory}/bpf'

    @property
    def manifests(self):
        return f'{self.directory}/manifests'

    def load_state(self):
        super().load_state()
        self.world = world.World(self.manifests, self.state)

    def require_up(self):
        if not self.is_up:
            raise LabError(f"laboratory '{self.name}' is not up: tests/lab/lab up --name {self.name}")

    def ns(self, host):
        return super().ns(host if host in ('client', 'tor', 'control', *self.nodes) else f'pod-{host}')

    def pin_dir(self, node):
        return f'{self.pins}/{node}'

    def run_dir(self, node):
        return f'{self.directory}/run/{node}'

    # --- up and down ---------------------------------------------------------------------------------------

    def up(self, n_nodes=3, agents=True):
        """Builds the laboratory; whatever stops it halfway takes it down again."""
        self.check_machine(agents)
        self.make_directory()
        try:
            self.state.clear()
            self.state.update(nodes=[f'n{i + 1}' for i in range(n_nodes)], agents=agents, ordinal=0)
            self.world = world.World(self.manifests, self.state)
            self.make_directories()
            self.processes.start_supervisor()
            self.make_router_and_client()
            for node in self.nodes:
                self.make_node(node)
            if agents:
                self.make_cluster_objects()
                self.start_controller()
            for node in self.nodes:
                self.start_node_processes(node)
            self.wait_sessions()
            self.state['up'] = True
            self.save_state()
        except BaseException:
            self.down()
            raise

    def check_machine(self, agents):
        if os.geteuid() != 0:
            raise LabError('the laboratory makes network namespaces: run it as root')
        wanted = ['lab-server', 'lab-load', 'tests/lab/xdp_pass.bpf.o']
        wanted += ['lbagent', 'lbcontroller', 'lbctl'] if agents else []
        missing = [f for f in wanted if not os.path.exists(f'{self.build}/{f}')]
        if missing:
            raise LabError(f'{self.build} has no {", ".join(missing)}: run make first')
        if not os.path.exists('/usr/lib/frr/bgpd'):
            raise LabError('FRR is not installed: make deps')

    def make_directories(self):
        self.make_subdirectories('manifests', 'status', 'bpf')
        netns.run(['mount', '-t', 'bpf', f'fw-{self.name}', self.pins])
        self.save_state()

    def remove_own(self):
        if os.path.ismount(self.pins):
            netns.run(['umount', self.pins], check=False)
            if os.path.ismount(self.pins):
                netns.run(['umount', '-l', self.pins])

    def down(self):
        super().down()
        self.world = world.World(self.manifests, self.state)

    def make_node(self, node):
        super().make_node(node)
        os.makedirs(self.run_dir(node), mode=0o755, exist_ok=True)

    # --- objects and programs ------------------------------------------------------------------------------

    def make_cluster_objects(self):
        w = self.world
        for name in ('default', 'web'):
            w.namespace(name)
        w.pool('public', POOL)
        w.fairway('BFDProfile', 'lab', {'receiveInterval': frr.BFD_INTERVAL_MSEC, 'transmitInterval': frr.BFD_INTERVAL_MSEC,
                                        'detectMultiplier': frr.BFD_MULTIPLIER})
        for node in self.nodes:
            self.put_node(node)
            self.put_peers(node)
        self.save_state()

    def put_node(self, node, **more):
        self.world.node(node, self.node_addresses(node), self.pod_cidrs(node), **more)

    def put_peers(self, node):
        for family, address in zip(('v4', 'v6'), self.router_addresses(node)):
            self.world.fairway('BGPPeer', f'tor-{node}-{family}',
                               {'myASN': frr.NODE_ASN, 'peerASN': frr.ROUTER_ASN, 'peerAddress': address, 'holdTime': '9s',
                                'keepaliveTime': '3s', 'connectTime': '1s', 'bfdProfile': 'lab',
                                'nodeSelectors': [{'matchLabels': {'kubernetes.io/hostname': node}}]})

    def start_controller(self):
        self.processes.start('lbcontroller', netns.enter(self.ns('control'), [
            f'{self.build}/lbcontroller', '--manifests', self.manifests, '--status', self.status_file]), restart=0.5)

    def agent_command(self, node, *more):
        argv = [f'{self.build}/lbagent', '--node', node, '--manifests', self.manifests, '--status', self.status_file,
                '--pin-dir', self.pin_dir(node), '--run-dir', self.run_dir(node), '--frr-vty-dir', frr.vty_dir(self.ns(node)),
                '--frr-config', self.frr_config(node)]
        for cidr in CLUSTER_CIDRS:
            argv += ['--cluster-cidr', cidr]
        return netns.enter(self.ns(node), argv + list(more))

    def frr_config(self, node):
        return f'{self.run_dir(node)}/bgpd.conf'

    def start_agent(self, node):
        self.processes.start(f'{node}-lbagent', self.agent_command(node), restart=0.5)

    def start_node_processes(self, node):
        if self.state['agents']:
            config = self.frr_config(node)
            if not os.path.exists(config):  # the agent fills it
                open(config, 'w').close()
        else:
            config = self.write_frr_config(node, 'bgpd', frr.plain_node_config(node, self.router_addresses(node),
                                                                               self.pod_cidrs(node)))
        self.start_frr(node, self.write_frr_config(node, 'bfdd', f'hostname {node}\n'), config)
        if self.state['agents']:
            self.start_agent(node)

    # --- pods ----------------------------------------------------------------------------------------------

    def pod_create(self, name, node, services):
        """The namespace, the network and the server; not yet in any slice (not listed)."""
        if name in self.state['pods']:
            raise LabError(f"pod '{name}' is there already")
        self.state['ordinal'] += 1
        number = self.state['ordinal']
        host = 1 + self.pod_number(node)
        host_v4, host_v6 = (ipaddress.ip_network(cidr)[host] for cidr in self.pod_cidrs(node))
        pod = {'node': node, 'ip4': str(host_v4), 'ip6': str(host_v6), 'services': list(services), 'device': f'pod{number}',
               'listed': False}
        self.world.pod_set(name, **pod)
        self.save_state()
        ns, node_ns, device = self.ns(name), self.ns(node), pod['device']
        gateway_v4, gateway_v6 = self.gateway(node)
        netns.add(ns, {**QUIET_V6, **ONE_PATH})
        netns.veth(node_ns, device, ns, 'eth0')
        netns.ip_batch(node_ns, [f'addr add {gateway_v4}/32 dev {device}', f'addr add {gateway_v6}/128 dev {device} nodad',
                                 f'link set {device} up', f'route add {pod["ip4"]}/32 dev {device}',
                                 f'route add {pod["ip6"]}/128 dev {device}'])
        netns.ip_batch(ns, [f'addr add {pod["ip4"]}/32 dev eth0', f'addr add {pod["ip6"]}/128 dev eth0 nodad', 'link set eth0 up',
                            f'route add {gateway_v4} dev eth0', f'route add {gateway_v6} dev eth0',
                            f'route add default via {gateway_v4}', f'route add default via {gateway_v6}'])
        self.start_server(name)
        return pod

    def pod_number(self, node):
        """A number for the next pod of a node. Counts up and wraps: an address rests before another pod gets it."""
        used = {p['ip4'] for p in self.state['pods'].values()}
        counters = self.state.setdefault('pod_numbers', {})
        while True:
            counters[node] = counters.get(node, 0) % 250 + 1
            if str(ipaddress.ip_network(self.pod_cidrs(node)[0])[1 + counters[node]]) not in used:
                return counters[node]

    def start_server(self, name):
        self.processes.start(f'pod-{name}', netns.enter(self.ns(name), [
            f'{self.build}/lab-server', '--name', name, '--tcp', world.TCP_PORT, '--udp', world.UDP_PORT]))
        wait_for(f'the server of pod {name} listens',
                 lambda: f':{world.TCP_PORT:04X} ' in netns.run_in(self.ns(name), ['cat', '/proc/net/tcp6']))

    def pod_add(self, name, node, services):
        """A pod that is running and ready when this returns."""
        with self.changing():
            self.pod_create(name, node, [services] if isinstance(services, str) else services)
            self.world.pod_set(name, ready=True, listed=True)

    def pods_add(self, service, count_by_node):
        """Pods SERVICE-NODE-NUMBER, so many per node, in one change of the slices."""
        base = world.split_key(service)[1]
        with self.changing():
            made = []
            for node, count in count_by_node.items():
                for _ in range(count):
                    self.state['serial'] = self.state.get('serial', 0) + 1
                    made.append(f'{base}-{node}-{self.state["serial"]}')
                    self.pod_create(made[-1], node, [service])
            for name in made:
                self.state['pods'][name].update(ready=True, listed=True)
            self.world.slices(service)
        return made

    def pod_terminating(self, name):
        """Deletion has begun: the pod leaves the ready ones and goes on serving (its preStop hook sleeps)."""
        with self.changing():
            self.world.pod_set(name, terminating=True)

    def pod_delete(self, name):
        """SIGTERM, the server ends when its requests are done, then the endpoint is gone."""
        with self.changing():
            self.processes.stop(f'pod-{name}', patience=10)
            self.world.pod_remove(name)
            netns.delete(self.ns(name))

    def pod_remove(self, name, grace=1.0):
        """As kubelet removes a pod whose preStop hook sleeps `grace` seconds."""
        self.pod_terminating(name)
        time.sleep(grace)
        self.pod_delete(name)

    def scale(self, service, nodes, grace=1.0):
        """Brings the pods of a service to `nodes`, a list of node names, one pod each."""
        have = self.world.pods_of(service)
        wanted = list(nodes)
        surplus = []
        for pod in have:
            if pod['node'] in wanted:
                wanted.remove(pod['node'])
            else:
                surplus.append(pod['name'])
        if wanted:
            self.pods_add(service, {n: wanted.count(n) for n in sorted(set(wanted))})
        for name in surplus:
            self.pod_terminating(name)
        if surplus:
            time.sleep(grace)
        for name in surplus:
            self.pod_delete(name)

    def roll(self, service, grace=1.0, pause=0.3):
        """Replaces every pod as a Deployment with maxSurge 1 and maxUnavailable 0 does: a new one is ready, then the old
        one terminates."""
        rolled = []
        for old in [p['name'] for p in self.world.pods_of(service)]:
            rolled += self.pods_add(service, {self.state['pods'][old]['node']: 1})
            self.pod_remove(old, grace)
            time.sleep(pause)
        return rolled

    # --- services ------------------------------------------------------------------------------------------

    def service(self, key, **options):
        with self.changing():
            self.world.service(key, **options)

    def service_remove(self, key):
        with self.changing():
            self.world.service_remove(key)

    def vips(self, key, node=None):
        """The addresses of a service as an agent serves them; [] while it does not."""
        return self.served(key, node or self.alive()[0]).get('addresses', [])

    def served(self, key, node):
        """The line of a service in a node's `lbctl svc ls`; {} if it is not there."""
        namespace, name = world.split_key(key)
        for service in self.lbctl_json(node, 'svc', 'ls', '-A').get('services', []):
            if (service['namespace'], service['name']) == (namespace, name):
                return service
        return {}

    def wait_programmed(self, key, n_ready, nodes=None):
        """Until these nodes' kernels hold so many ready endpoints of a service, both families counted as one."""
        for node in nodes or self.alive():
            wait_for(f'{node} serves {key} by {n_ready} endpoints', lambda: (
                lambda s: s.get('programmed') and s['backendsReady'] == n_ready)(self.served(key, node)))

    def wait_vips(self, key, count=2, timeout=20):
        return wait_for(f'addresses of {key}', lambda: (lambda v: v if len(v) == count else None)(self.vips(key)), timeout)

    # --- nodes ---------------------------------------------------------------------------------------------

    def alive(self):
        return [n for n in self.nodes if n not in self.state.get('dead', [])]

    def node_kill(self, node, notice_after=1.0):
        """Pulls the plug: nothing comes from the node any more, its link stays up, its programs and its memory are gone.
        After `notice_after` seconds the control plane marks it and its pods not ready (Kubernetes takes some 40 s).
        Returns the moment of the cut."""
        rule = (f'table netdev dead {{\n chain {node} {{\n  type filter hook ingress device "{node}" priority 0; policy drop;\n'
                ' }\n}\n')
        names = [n for n in self.processes.list() if n.startswith(f'{node}-')]
        names += [f'pod-{p["name"]}' for p in self.state['pods'].values() if p['node'] == node]
        netns.run_in(self.ns('tor'), ['nft', '-f', '-'], stdin=rule)
        cut = time.time()
        for name in names:
            self.processes.stop(name, signal.SIGKILL)
        # What lies in memory only: pinned maps, and /run with FRR's generated configuration (a bgpd that had kept it would
        # announce before the new agent has programmed anything).
        shutil.rmtree(self.pin_dir(node), ignore_errors=True)
        shutil.rmtree(self.run_dir(node), ignore_errors=True)
        os.makedirs(self.run_dir(node), mode=0o755)
        with self.changing() as state:
            state.setdefault('dead', []).append(node)
        time.sleep(max(0.0, cut + notice_after - time.time()))
        with self.changing():
            if self.state['agents']:
                self.put_node(node, ready=False)
            for pod in self.state['pods'].values():
                if pod['node'] == node:
                    self.world.pod_set(pod['name'], ready=False)
        return cut

    def node_start(self, node):
        """Boots a killed node. As kubelet does with a CNI that is not up yet, its pods are ready only when its network is:
        here, when the router has the routes to them."""
        with self.changing() as state:
            if node not in state.get('dead', []):
                raise LabError(f'node {node} is running')
            netns.run_in(self.ns('tor'), ['nft', 'delete', 'chain', 'netdev', 'dead', node])
            self.start_node_processes(node)
            for pod in state['pods'].values():
                if pod['node'] == node:
                    self.start_server(pod['name'])
            state['dead'].remove(node)
        self.wait_sessions([node])
        with self.changing() as state:
            if state['agents']:
                self.put_node(node)
            for pod in state['pods'].values():
                if pod['node'] == node:
                    self.world.pod_set(pod['name'], ready=True)

    # --- questions -----------------------------------------------------------------------------------------

    def lbctl(self, node, *arguments, check=False):
        return netns.run_in(self.ns(node), [f'{self.build}/lbctl', *arguments, '--run-dir', self.run_dir(node)],
                            check=check, timeout=20)

    def lbctl_json(self, node, *arguments):
        text = self.lbctl(node, *arguments, '-o', 'json')
        try:
            return json.loads(text)
        except ValueError:
            return {}

    def bad_checksums(self, more=()):
        return super().bad_checksums([*self.state['pods'], *more])

    def diagnosis(self):
        parts = [super().diagnosis()]
        for node in self.alive() if self.state['agents'] else []:
            for arguments in (('svc', 'ls', '-A', '-o', 'wide'), ('bgp', 'peers'), ('drops',)):
                parts.append(told(f'{node}: lbctl {" ".join(arguments)}', lambda: self.lbctl(node, *arguments)))
            parts.append(told(f'{node}: lbagent, last lines', lambda: self.processes.log_tail(f'{node}-lbagent')))
        parts.append(told('lbcontroller, last lines', lambda: self.processes.log_tail('lbcontroller')))
        return '\n'.join(parts)
