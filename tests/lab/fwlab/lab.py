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
import fcntl
import ipaddress
import json
import os
import re
import shutil
import signal
import time

from . import frr, netns, world
from .load import Load, target
from .processes import Processes

ROOT = '/run/fairway-lab'
SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
CLUSTER_CIDRS = ('10.244.0.0/16', 'fd00:10:244::/48')
POOL = ('192.0.2.0/24', '2001:db8:1::/112')
N_CLIENT_ADDRESSES = 8
CLIENT_V4 = [f'198.51.100.{2 + i}' for i in range(N_CLIENT_ADDRESSES)]
CLIENT_V6 = [f'2001:db8:c::{2 + i:x}' for i in range(N_CLIENT_ADDRESSES)]
FORWARDING = {'net.ipv4.ip_forward': 1, 'net.ipv6.conf.all.forwarding': 1,
              'net.ipv4.conf.all.send_redirects': 0, 'net.ipv4.conf.default.send_redirects': 0}
QUIET_V6 = {'net.ipv6.conf.all.accept_dad': 0, 'net.ipv6.conf.default.accept_dad': 0,
            'net.ipv6.conf.default.accept_ra': 0}
# A Linux router takes the sender's own hash of a socket, which comes along over veth, for its ECMP choice, and a sender draws
# a new one after each time-out: one lost SYN then moves the connection to another node. Routers of metal hash the packet.
ONE_PATH = {'net.core.txrehash': 0} if os.path.exists('/proc/sys/net/core/txrehash') else {}
STRICT = {'net.ipv4.conf.all.rp_filter': 1, 'net.ipv4.conf.default.rp_filter': 1}


class LabError(Exception):
    pass


def wait_for(what, condition, timeout=20.0, pause=0.05):
    """Waits until condition() is true and returns what it gave; the limit is generous, for the machine may be busy."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise LabError(f'{what}: not within {timeout:.0f} s (last: {value!r})')
        time.sleep(pause)


class Lab:
    def __init__(self, name, build=None):
        if not re.fullmatch(r'[a-z][a-z0-9]{0,11}', name):
            raise LabError(f"laboratory name '{name}': a letter, then letters and digits, at most 12")
        self.name = name
        self.build = os.path.abspath(build or os.environ.get('FAIRWAY_BUILD') or f'{SOURCE}/build')
        self.directory = f'{ROOT}/{name}'
        self.manifests = f'{self.directory}/manifests'
        self.status_file = f'{self.directory}/status/services.yaml'
        self.pins = f'{self.directory}/bpf'
        self.state_path = f'{self.directory}/state.json'
        self.processes = Processes(self.directory)
        self.state = {'nodes': [], 'agents': True}
        self.load_state()

    # --- state, shared by commands -------------------------------------------------------------------------

    def load_state(self):
        with contextlib.suppress(FileNotFoundError):
            with open(self.state_path) as file:
                self.state = json.load(file)
        self.world = world.World(self.manifests, self.state)

    def save_state(self):
        with open(self.state_path + '.new', 'w') as file:
            json.dump(self.state, file, indent=1)
        os.rename(self.state_path + '.new', self.state_path)

    @contextlib.contextmanager
    def changing(self):
        """One command changes the laboratory at a time; its changes are saved also if it fails halfway."""
        with open(f'{self.directory}/lock', 'w') as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.load_state()
            try:
                yield self.state
            finally:
                if os.path.isdir(self.directory):
                    self.save_state()

    @property
    def is_up(self):
        return bool(self.state.get('up'))

    @property
    def nodes(self):
        return list(self.state['nodes'])

    def require_up(self):
        if not self.is_up:
            raise LabError(f"laboratory '{self.name}' is not up: tests/lab/lab up --name {self.name}")

    # --- names and addresses -------------------------------------------------------------------------------

    def ns(self, host):
        return f'fw-{self.name}-{host}' if host in ('client', 'tor', 'control', *self.nodes) else f'fw-{self.name}-pod-{host}'

    def prefix(self):
        return f'fw-{self.name}-'

    @staticmethod
    def index(node):
        return int(node[1:])

    def node_addresses(self, node):
        return f'172.30.{self.index(node)}.2', f'fd00:30:{self.index(node)}::2'

    def router_addresses(self, node):
        return f'172.30.{self.index(node)}.1', f'fd00:30:{self.index(node)}::1'

    def pod_cidrs(self, node):
        return f'10.244.{self.index(node)}.0/24', f'fd00:10:244:{self.index(node)}::/64'

    def gateway(self, node):
        return f'10.244.{self.index(node)}.1', f'fd00:10:244:{self.index(node)}::1'

    def pin_dir(self, node):
        return f'{self.pins}/{node}'

    def run_dir(self, node):
        return f'{self.directory}/run/{node}'

    # --- up and down ---------------------------------------------------------------------------------------

    def up(self, n_nodes=3, agents=True):
        """Builds the laboratory; whatever stops it halfway takes it down again."""
        os.makedirs(ROOT, exist_ok=True)
        self.check_machine(agents)
        try:
            os.mkdir(self.directory)
        except FileExistsError:
            raise LabError(f"laboratory '{self.name}' is there already: tests/lab/lab down --name {self.name}") from None
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
        os.chmod(self.directory, 0o755)  # FRR's daemons run as user frr
        for sub in ('manifests', 'status', 'log', 'run', 'frr', 'bpf'):
            os.makedirs(f'{self.directory}/{sub}', mode=0o755)
        frr.make_run_dir()
        netns.run(['mount', '-t', 'bpf', f'fw-{self.name}', self.pins])
        self.save_state()

    def down(self):
        """Takes down everything that bears the laboratory's name; may be called at any time, also when nothing is up."""
        previous = {n: signal.signal(n, signal.SIG_IGN) for n in (signal.SIGINT, signal.SIGTERM)}
        try:
            self.processes.end()
            for namespace in netns.names(self.prefix()):
                netns.delete(namespace)
                frr.remove_vty_dir(namespace)
            if os.path.ismount(self.pins):
                netns.run(['umount', self.pins], check=False)
                if os.path.ismount(self.pins):
                    netns.run(['umount', '-l', self.pins])
            shutil.rmtree(self.directory, ignore_errors=True)
            with contextlib.suppress(OSError):
                os.rmdir(ROOT)
            self.state.clear()
            self.state.update(nodes=[], agents=True)
            self.world = world.World(self.manifests, self.state)
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def make_router_and_client(self):
        netns.add(self.ns('control'))
        # The kernel's choice of ports stays clear of those that tests fix.
        netns.add(self.ns('client'), {**QUIET_V6, **ONE_PATH, 'net.ipv4.ip_local_port_range': '1024 19999'})
        netns.add(self.ns('tor'), {**QUIET_V6, **FORWARDING, 'net.ipv4.fib_multipath_hash_policy': 1,
                                   'net.ipv6.fib_multipath_hash_policy': 1, 'net.ipv6.route.max_size': 1 << 20})
        netns.veth(self.ns('tor'), 'client', self.ns('client'), 'eth0')
        netns.ip_batch(self.ns('tor'), ['addr add 198.51.100.1/24 dev client', 'addr add 2001:db8:c::1/64 dev client nodad',
                                        'link set client up'])
        netns.ip_batch(self.ns('client'),
                       [f'addr add {a}/24 dev eth0' for a in CLIENT_V4] + [f'addr add {a}/64 dev eth0 nodad' for a in CLIENT_V6] +
                       ['link set eth0 up', 'route add default via 198.51.100.1 src 198.51.100.2',
                        'route add default via 2001:db8:c::1 src 2001:db8:c::2'])
        config = self.write_frr_config('tor', 'bgpd', frr.router_config('tor', [self.node_addresses(n) for n in self.nodes]))
        bfd = self.write_frr_config('tor', 'bfdd', frr.router_bfd_config('tor'))
        self.start_frr('tor', bfd, config)

    def write_frr_config(self, host, daemon, text):
        path = f'{self.directory}/frr/{host}-{daemon}.conf'
        with open(path, 'w') as file:
            file.write(text)
        return path

    def start_frr(self, host, bfdd_config, bgpd_config):
        """zebra first: a daemon that finds no zebra tries again after 10 s only."""
        zebra_config = self.write_frr_config(host, 'zebra', f'hostname {host}\n')
        zebra_socket = f'{frr.vty_dir(self.ns(host))}/zserv.api'
        with contextlib.suppress(FileNotFoundError):
            os.unlink(zebra_socket)
        for daemon, config in (('zebra', zebra_config), ('bfdd', bfdd_config), ('bgpd', bgpd_config)):
            self.processes.start(f'{host}-{daemon}',
                                 netns.enter(self.ns(host), frr.command(daemon, self.ns(host), config)), restart=0.5)
            if daemon == 'zebra':
                try:
                    wait_for(f'zebra of {host}', lambda: os.path.exists(zebra_socket), pause=0.01)
                except LabError as error:
                    raise LabError(f'{error}\n{self.processes.log_tail(f"{host}-zebra")}') from None

    def make_node(self, node):
        ns, tor = self.ns(node), self.ns('tor')
        (v4, v6), (router_v4, router_v6) = self.node_addresses(node), self.router_addresses(node)
        cidr_v4, cidr_v6 = self.pod_cidrs(node)
        netns.add(ns, {**QUIET_V6, **FORWARDING, **STRICT})
        netns.veth(tor, node, ns, 'eth0')
        netns.ip_batch(tor, [f'addr add {router_v4}/30 dev {node}', f'addr add {router_v6}/64 dev {node} nodad', f'link set {node} up'])
        # The blackholes: what is addressed to a pod that is not there must not travel back to the router.
        netns.ip_batch(ns, [f'addr add {v4}/30 dev eth0', f'addr add {v6}/64 dev eth0 nodad', 'link set eth0 up',
                            f'route add default via {router_v4}', f'route add default via {router_v6}',
                            f'route add blackhole {cidr_v4}', f'route add blackhole {cidr_v6}'])
        # veth never checks a sum: only what software wrote into the packet is ever seen wrong. So sums are written before
        # a packet can meet an XDP program, at both ends of the uplink.
        netns.offload(ns, 'eth0', tx='off')
        netns.offload(tor, node, tx='off', gro='on')
        netns.run(['ip', '-n', tor, 'link', 'set', 'dev', node, 'xdpdrv', 'obj', f'{self.build}/tests/lab/xdp_pass.bpf.o',
                   'sec', 'xdp'])
        netns.run_in(ns, ['nft', '-f', '-'], stdin=self.host_rules(node))
        os.makedirs(self.run_dir(node), mode=0o755, exist_ok=True)

    def host_rules(self, node):
        """What a CNI and kube-proxy have on every node: masquerade for pods that leave the cluster, and the drop of what
        conntrack calls invalid, which bites a load balancer that shows netfilter only half of a connection. Resets are
        counted apart: a client's answer to an ACK that came after its socket had gone is invalid on any path."""
        cidr_v4, cidr_v6 = self.pod_cidrs(node)
        cluster_v4, cluster_v6 = CLUSTER_CIDRS
        return f'''
table inet cni {{
    counter masqueraded {{}}
    chain postrouting {{
        type nat hook postrouting priority srcnat; policy accept;
        ip saddr {cidr_v4} ip daddr != {cluster_v4} ip daddr != 224.0.0.0/4 counter name masqueraded masquerade
        ip6 saddr {cidr_v6} ip6 daddr != {cluster_v6} ip6 daddr != ff00::/8 counter name masqueraded masquerade
    }}
}}
table inet kube {{
    counter invalid {{}}
    counter invalid_rst {{}}
    chain forward {{
        type filter hook forward priority filter; policy accept;
        ct state invalid tcp flags & rst == rst counter name invalid_rst drop
        ct state invalid counter name invalid drop
    }}
}}
'''

    def host_counter(self, node, table, name):
        """Packets that a node's own rules counted: ('cni', 'masqueraded') or ('kube', 'invalid')."""
        found = json.loads(netns.run_in(self.ns(node), ['nft', '-j', 'list', 'counter', 'inet', table, name]))
        return next(o['counter']['packets'] for o in found['nftables'] if 'counter' in o)

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
            for family, address in zip(('v4', 'v6'), self.router_addresses(node)):
                w.fairway('BGPPeer', f'tor-{node}-{family}',
                          {'myASN': frr.NODE_ASN, 'peerASN': frr.ROUTER_ASN, 'peerAddress': address, 'holdTime': '9s',
                           'keepaliveTime': '3s', 'connectTime': '1s', 'bfdProfile': 'lab',
                           'nodeSelectors': [{'matchLabels': {'kubernetes.io/hostname': node}}]})
        self.save_state()

    def put_node(self, node, **more):
        self.world.node(node, self.node_addresses(node), self.pod_cidrs(node), **more)

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

    def wait_sessions(self, nodes=None, timeout=30, bfd=True):
        """Until sessions are established, protected by BFD if there shall be any, and the nodes' PodCIDRs are at the router."""
        nodes = nodes or self.nodes
        wanted = {address for node in nodes for address in self.node_addresses(node)}

        def missing():
            sessions, routes = self.sessions(), self.routes()
            protected = self.bfd_up() if bfd else wanted
            return ([f'BGP with {a}' for a in wanted if sessions.get(a, {}).get('state') != 'Established'] +
                    [f'BFD with {a}' for a in wanted if a not in protected] +
                    [f'route to {c}' for n in nodes for c in self.pod_cidrs(n) if routes.get(c) != [n]])

        try:
            wait_for('the router', lambda: not missing(), timeout, 0.1)
        except LabError:
            raise LabError(f'not within {timeout} s at the router: {", ".join(missing())}\n{self.diagnosis()}') from None

    # --- the router ----------------------------------------------------------------------------------------

    def sessions(self):
        """{neighbour's address: {"state", "established": epoch second of the last change, "prefixes"}} at the router."""
        result = {}
        for family in ('ipv4', 'ipv6'):
            try:
                summary = frr.vtysh_json(self.ns('tor'), self.ns('tor'), f'show bgp {family} unicast summary json')
            except (RuntimeError, ValueError):
                continue
            for address, peer in summary.get('peers', {}).items():
                result[address] = {'state': peer['state'], 'established': peer.get('peerUptimeEstablishedEpoch', 0),
                                   'flaps': peer.get('connectionsDropped', 0), 'prefixes': peer.get('pfxRcd', 0)}
        return result

    def bfd_up(self):
        """Addresses of the nodes whose BFD session is up at the router."""
        try:
            peers = frr.vtysh_json(self.ns('tor'), self.ns('tor'), 'show bfd peers json')
        except (RuntimeError, ValueError):
            return []
        return [p['peer'] for p in peers if p.get('status') == 'up']

    def routes(self, protocol='bgp'):
        """{prefix: sorted next-hop nodes} of the router's kernel table, both families; '-' where it is not a node."""
        table = {}
        for family in ('-4', '-6'):
            text = netns.run(['ip', '-n', self.ns('tor'), '-j', family, 'route', 'show', 'proto', protocol])
            for route in json.loads(text or '[]'):
                hops = route.get('nexthops') or [route]
                table.setdefault(str(ipaddress.ip_network(route['dst'])), []).extend(hop.get('dev', '-') for hop in hops)
        return {prefix: sorted(set(hops)) for prefix, hops in table.items()}

    def announcers(self, address):
        """The nodes that the router sends an address to."""
        return self.routes().get(str(ipaddress.ip_network(address)), [])

    def wait_announced(self, addresses, nodes, timeout=20):
        for address in [addresses] if isinstance(addresses, str) else addresses:
            wait_for(f'the router sends {address} to {nodes or "nobody"}',
                     lambda: self.announcers(address) == sorted(nodes), timeout)

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

    def http_get(self, host, address, port=80, path='/', timeout=3):
        return json.loads(netns.run_in(self.ns(host), ['curl', '-sS', '-g', '--max-time', str(timeout),
                                                       f'http://{target(address, port)}{path}']))

    def load(self, mode, to, host='client', **options):
        """A load that runs beside the caller; with hundreds of failures it has seen enough and ends."""
        return Load(f'{self.build}/lab-load', self.ns(host), mode, to, **{'give_up': 300, **options})

    def bad_checksums(self):
        """{host: count} of packets that a host's stack threw away for their checksum, only where there are any."""
        result = {}
        for host in ['client', 'tor', *self.nodes, *self.state['pods']]:
            text = netns.run_in(self.ns(host), ['cat', '/proc/net/snmp', '/proc/net/snmp6'])
            lines = text.splitlines()
            count = 0
            for names, values in zip(lines, lines[1:]):
                if names.split(':')[0] == values.split(':')[0]:
                    count += sum(int(v) for n, v in zip(names.split(), values.split()) if n == 'InCsumErrors')
            count += sum(int(line.split()[1]) for line in lines if re.match(r'\w*6InCsumErrors\s', line))
            if count:
                result[host] = count
        return result

    def diagnosis(self):
        """What a person needs to see when something went wrong."""
        parts = []

        def show(title, produce):
            try:
                text = produce()
            except Exception as error:  # the diagnosis of a broken laboratory must not fail itself
                text = f'({type(error).__name__}: {error})'
            parts.append(f'--- {title}\n{text.rstrip()}')

        show('processes', lambda: '\n'.join(
            f'{n}: {"pid " + str(p["pid"]) if p["running"] else "ended " + str(p["status"])}, {p["restarts"]} restarts'
            for n, p in sorted(self.processes.list().items())))
        show('router: routes', lambda: '\n'.join(f'{p} -> {" ".join(h)}' for p, h in sorted(self.routes().items())))
        show('router: sessions', lambda: '\n'.join(f'{a}: {s}' for a, s in self.sessions().items()))
        for node in self.alive() if self.state['agents'] else []:
            for arguments in (('svc', 'ls', '-A', '-o', 'wide'), ('bgp', 'peers'), ('drops',)):
                show(f'{node}: lbctl {" ".join(arguments)}', lambda: self.lbctl(node, *arguments))
            show(f'{node}: lbagent, last lines', lambda: self.processes.log_tail(f'{node}-lbagent'))
        show('lbcontroller, last lines', lambda: self.processes.log_tail('lbcontroller'))
        return '\n'.join(parts)
