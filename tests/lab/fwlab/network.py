# SPDX-License-Identifier: Apache-2.0
"""The network that laboratory and test cluster share: client, router, nodes' links, in namespaces of one machine.

        client (198.51.100.2…9, outside the cluster)
          |
         tor  (FRR, ECMP over all paths, BFD)            control
        / | \\      point-to-point links, one per node

Names are all derived from the network's name, which contains no '-': namespaces fw-NAME-HOST, FRR instances the same, files
below /run/fairway-lab/NAME. So a half-made network, or one whose maker was killed, is found and taken down by its name alone.
The same addresses are used in each: nothing leaves the namespaces.
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

from . import frr, netns
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


class Network:
    """Subclasses say what a node is and bring it up; `state` is what one command leaves for the next."""

    EMPTY = {'nodes': []}

    def __init__(self, name, build=None):
        if not re.fullmatch(r'[a-z][a-z0-9]{0,11}', name):
            raise LabError(f"name '{name}': a letter, then letters and digits, at most 12")
        self.name = name
        self.build = os.path.abspath(build or os.environ.get('FAIRWAY_BUILD') or f'{SOURCE}/build')
        self.directory = f'{ROOT}/{name}'
        self.state_path = f'{self.directory}/state.json'
        self.processes = Processes(self.directory)
        self.state = dict(self.EMPTY)
        self.load_state()

    # --- state, shared by commands -------------------------------------------------------------------------

    def load_state(self):
        with contextlib.suppress(FileNotFoundError):
            with open(self.state_path) as file:
                self.state = json.load(file)

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
            raise LabError(f"'{self.name}' is not up")

    # --- names and addresses -------------------------------------------------------------------------------

    def ns(self, host):
        return f'fw-{self.name}-{host}'

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

    # --- up and down ---------------------------------------------------------------------------------------

    def make_directory(self):
        """The first step of up(): it fails if there is one of this name."""
        while True:
            os.makedirs(ROOT, exist_ok=True)
            try:
                return os.mkdir(self.directory)
            except FileExistsError:
                raise LabError(f"'{self.name}' is there already: take it down first") from None
            except FileNotFoundError:  # another one was the last, and went down just now
                continue

    def make_subdirectories(self, *more):
        os.chmod(self.directory, 0o755)  # FRR's daemons run as user frr
        for sub in ('log', 'run', 'frr', *more):
            os.makedirs(f'{self.directory}/{sub}', mode=0o755)
        frr.make_run_dir()

    def down(self):
        """Takes down everything that bears the name; may be called at any time, also when nothing is up."""
        previous = {n: signal.signal(n, signal.SIG_IGN) for n in (signal.SIGINT, signal.SIGTERM)}
        try:
            self.end_own()
            self.processes.end()
            for namespace in netns.names(self.prefix()):
                netns.delete(namespace)
                frr.remove_vty_dir(namespace)
            self.remove_own()
            shutil.rmtree(self.directory, ignore_errors=True)
            with contextlib.suppress(OSError):
                os.rmdir(ROOT)
            self.state.clear()
            self.state.update(self.EMPTY)
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def end_own(self):
        """What a subclass ends before the processes of all end."""

    def remove_own(self):
        """What a subclass has left when no process is there any more."""

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

    def wait_link_known(self, host, interface):
        """Before it gets addresses: zebra 8.4 hears of links and of addresses on two sockets, and forgets an address whose link it has not
        read yet. bgpd then resets each session over it ("nexthop_set failed")."""
        def known():
            return any(line.split()[:1] == [interface] for line in
                       frr.vtysh(self.ns(host), self.ns(host), 'show interface brief', check=False).splitlines())

        wait_for(f"{host}'s zebra knows {interface}", known, pause=0.01)

    def make_node(self, node):
        ns, tor = self.ns(node), self.ns('tor')
        (v4, v6), (router_v4, router_v6) = self.node_addresses(node), self.router_addresses(node)
        cidr_v4, cidr_v6 = self.pod_cidrs(node)
        netns.add(ns, {**QUIET_V6, **FORWARDING, **STRICT})
        netns.veth(tor, node, ns, 'eth0')
        self.wait_link_known('tor', node)
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

    def flapped(self, before):
        """The neighbours whose session is not the one of `before`, an earlier sessions(). FRR computes the second in which a session
        came up from how long it is up, so it comes out one off at times."""
        after = self.sessions()
        return [address for address, old in before.items()
                if (new := after.get(address)) is None or new['flaps'] != old['flaps'] or abs(new['established'] - old['established']) > 1]

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

    # --- the client, and questions -------------------------------------------------------------------------

    def http_get(self, host, address, port=80, path='/', timeout=10):
        return json.loads(netns.run_in(self.ns(host), ['curl', '-sS', '-g', '--max-time', str(timeout),
                                                       f'http://{target(address, port)}{path}']))

    def load(self, mode, to, host='client', **options):
        """A load that runs beside the caller; with hundreds of failures it has seen enough and ends."""
        return Load(f'{self.build}/lab-load', self.ns(host), mode, to, **{'give_up': 300, **options})

    def bad_checksums(self, more=()):
        """{host: count} of packets that a host's stack threw away for their checksum, only where there are any."""
        result = {}
        for host in ['client', 'tor', *self.nodes, *more]:
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
        return '\n'.join(told(title, produce) for title, produce in (
            ('processes', lambda: '\n'.join(
                f'{n}: {"pid " + str(p["pid"]) if p["running"] else "ended " + str(p["status"])}, {p["restarts"]} restarts'
                for n, p in sorted(self.processes.list().items()))),
            ('router: routes', lambda: '\n'.join(f'{p} -> {" ".join(h)}' for p, h in sorted(self.routes().items()))),
            ('router: sessions', lambda: '\n'.join(f'{a}: {s}' for a, s in self.sessions().items()))))


def told(title, produce):
    """One part of a diagnosis, which must not fail itself where everything is broken."""
    try:
        text = produce()
    except Exception as error:
        text = f'({type(error).__name__}: {error})'
    return f'--- {title}\n{text.rstrip()}'
