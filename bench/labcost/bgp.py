# SPDX-License-Identifier: Apache-2.0
"""How long it takes from a change of the manifests until the router's kernel table has followed.

    bgp.announce.N      N Services with one IPv4 address each appear by one rename of a file: until the router's kernel has the
                        last route. On the way: inotify, reading, planning, the maps (an address is announced only after the
                        data path serves it), bgpd of the node, bgpd and zebra of the router.
    bgp.withdraw.1      the file is replaced by one without the Service: until the router's kernel has lost the route (a file
                        that is removed keeps its objects for half a second, in case an editor is at work: not measured)
    … .beside-10000     the same for one Service more and less, while 10,000 others stay
    bgp.silent-node     both directions of a node's link begin to drop everything (nothing is said, the link stays up): until
                        the router's kernel sends nothing there any more; BFD 50 ms x 3

The addresses stand in the manifests' statuses, so that no controller takes part: it would run elsewhere. The kernel tells its
changes itself (rtnetlink); afterwards the table is read and compared.
"""
import ipaddress
import json
import os
import subprocess
import sys
import time

from fwlab import frr, netns, world
from fwlab.lab import Lab, wait_for

from . import results
from .route_watch import RouteWatch

POOL = '198.18.0.0/16'  # of the range for benchmarks (RFC 2544)
RUNS = {1: 9, 100: 5, 10000: 3}
BESIDE_RUNS = 3  # in each run of 10000
SILENT_RUNS = 5
TABLE_REST = 1.5  # seconds; the agent gives a table's range again after one: 10,000 gone and 10,000 new do not fit at once
FAST_MSEC = 50
STEADY, SILENT = 'n1', 'n2'


class BgpLab(Lab):
    """n1 announces; n2 stays down until it is to fall silent, for two agents on one machine would only wait for each other."""

    def __init__(self, name, build):
        super().__init__(name, build)
        self.running = {STEADY}

    def start_node_processes(self, node):
        if node in self.running:
            super().start_node_processes(node)

    def wait_sessions(self, nodes=None, timeout=30):
        super().wait_sessions(nodes or sorted(self.running), timeout)

    def start_controller(self):
        pass

    def make_cluster_objects(self):
        """The router's BFD is fast for all, the slower side decides: n1 keeps the laboratory's, so that 10,000 routes on a
        busy machine are no reason for its session to go."""
        calm = {'receiveInterval': 300, 'transmitInterval': 300, 'detectMultiplier': 3}
        super().make_cluster_objects()
        self.world.pool('bench', [POOL])
        self.world.fairway('BFDProfile', 'lab', calm)
        self.world.fairway('BFDProfile', 'fast', {**calm, 'receiveInterval': FAST_MSEC, 'transmitInterval': FAST_MSEC})
        for family in ('v4', 'v6'):
            peer = {'kind': 'BGPPeer', 'metadata': {'name': f'tor-{SILENT}-{family}'}}
            with open(self.world.file_of(peer)) as file:
                peer = json.load(file)
            peer['spec']['bfdProfile'] = 'fast'
            self.world.put(peer)

    def start_node(self, node):
        self.running.add(node)
        self.start_node_processes(node)
        self.wait_sessions([node])


def services(numbers, pod):
    """A List of Services with their addresses, and of their slices; the prefixes beside."""
    items, prefixes = [], []
    created = world.now()
    for number in numbers:
        name, address = f'bench-{number}', str(ipaddress.ip_network(POOL)[number + 1])
        prefixes.append(f'{address}/32')
        items.append({
            'apiVersion': 'v1', 'kind': 'Service',
            'metadata': {'namespace': 'web', 'name': name, 'creationTimestamp': created, 'labels': {'app': name}},
            'spec': {'type': 'LoadBalancer', 'loadBalancerClass': world.CLASS, 'externalTrafficPolicy': 'Cluster',
                     'selector': {'app': name}, 'ipFamilies': ['IPv4'], 'ipFamilyPolicy': 'SingleStack',
                     'ports': [{'name': 'http', 'port': 80, 'targetPort': world.TCP_PORT, 'protocol': 'TCP'}]},
            'status': {'loadBalancer': {'ingress': [{'ip': address}]}}})
        items.append({
            'apiVersion': 'discovery.k8s.io/v1', 'kind': 'EndpointSlice',
            'metadata': {'namespace': 'web', 'name': f'{name}-ipv4', 'labels': {'kubernetes.io/service-name': name}},
            'addressType': 'IPv4',
            'endpoints': [{'addresses': [pod['ip4']], 'nodeName': pod['node'],
                           'conditions': {'ready': True, 'serving': True, 'terminating': False}}],
            'ports': [{'name': 'http', 'port': world.TCP_PORT, 'protocol': 'TCP'}]})
    return {'apiVersion': 'v1', 'kind': 'List', 'items': items}, prefixes


class Bgp:
    def __init__(self, lab, quick=False):
        self.lab, self.quick = lab, quick
        self.watch = None
        self.announced = set()

    def prepare(self):
        lab = self.lab
        lab.up(n_nodes=2)
        with lab.changing():
            self.pod = lab.pod_create('only', STEADY, [])
        self.watch = RouteWatch(lab.ns('tor'))

    def times(self, runs):
        return 1 if self.quick else runs

    def close(self):
        if self.watch:
            self.watch.close()

    def replace(self, name, numbers):
        """One file with these Services, by one rename; when that was, and their prefixes."""
        listed, prefixes = services(numbers, self.pod)
        with open(f'{self.lab.manifests}/.{name}.json.new', 'w') as file:
            json.dump(listed, file)
        self.watch.forget()
        begin = time.monotonic()
        os.rename(file.name, f'{self.lab.manifests}/{name}.json')
        return begin, prefixes

    def appear(self, name, numbers):
        """Milliseconds of an announcement, and what was announced."""
        begin, prefixes = self.replace(name, numbers)
        took = self.watch.wait(prefixes, True, 60) - begin
        self.announced |= set(prefixes)
        self.compare()
        return took * 1e3, prefixes

    def vanish(self, name, prefixes):
        """Milliseconds of a withdrawal."""
        begin, _ = self.replace(name, [])
        took = self.watch.wait(prefixes, False, 60) - begin
        self.announced -= set(prefixes)
        self.compare()
        wait_for('the agent has dropped the Services',
                 lambda: len(self.lab.lbctl_json(STEADY, 'svc', 'ls', '-A')['services']) == len(self.announced))
        return took * 1e3

    def settled(self):
        """Nothing is left to do: the frontends of withdrawn Services go a second after their routes."""
        node = self.lab.lbctl_json(STEADY, 'node', 'show')
        return node.get('converged') and node.get('frontends') == len(self.announced)

    def compare(self):
        """The router's table is exact."""
        pool = ipaddress.IPv4Network(POOL)
        have = {p for p in self.lab.routes() if ':' not in p and ipaddress.IPv4Network(p).subnet_of(pool)}
        if have != self.announced:
            raise RuntimeError(f'the router has {len(have)} routes to Services, {len(self.announced)} were announced')

    def announce(self):
        flaps = self.flaps()
        self.once('warm', [0])
        for count, runs in RUNS.items():
            samples = [self.once('bench', range(count), count == 10000) for _ in range(self.times(runs))]
            results.report(f'bgp.announce.{count}', 'ms', [s['announce'] for s in samples], 'lower')
            if count == 1:
                results.report('bgp.withdraw.1', 'ms', [s['withdraw'] for s in samples], 'lower')
        for what in ('announce', 'withdraw'):
            results.report(f'bgp.{what}.1.beside-10000', 'ms', [o[what] for s in samples for o in s['beside']], 'lower')
        if self.flaps() != flaps:
            raise RuntimeError(f'a BGP session went while routes were announced: {self.lab.sessions()}')

    def once(self, name, numbers, beside=False):
        """There and gone again; in between one more and gone again, a few times."""
        sample = {'beside': []}
        if beside:  # thousands that are still being taken away would be measured, too, and so would the rest of their tables
            wait_for('the agent has nothing left to do', self.settled)
            time.sleep(TABLE_REST)
        sample['announce'], prefixes = self.appear(name, numbers)
        if beside:
            sample['beside'] = [self.once('beside', [len(numbers)]) for _ in range(self.times(BESIDE_RUNS))]
        sample['withdraw'] = self.vanish(name, prefixes)
        return sample

    def flaps(self):
        return {a: s['flaps'] for a, s in self.lab.sessions().items() if a in self.lab.node_addresses(STEADY)}

    def cut(self):
        """Both directions of the node's link drop everything from now on; the moment at which that began. nft(8) waits for
        the end of its input, so that its start takes no part."""
        drop = 'table netdev cut {{\n chain cut {{\n type filter hook ingress device "{}" priority 0; policy drop;\n }}\n}}\n'
        ends = []
        for namespace, device in ((self.lab.ns('tor'), SILENT), (self.lab.ns(SILENT), 'eth0')):
            process = subprocess.Popen(netns.enter(namespace, ['nft', '-f', '-']), stdin=subprocess.PIPE, text=True)
            process.stdin.write(drop.format(device))
            process.stdin.flush()
            ends.append(process)
        time.sleep(0.1)
        begin = time.monotonic()
        for process in ends:
            process.stdin.close()
        for process in ends:
            if process.wait():
                raise RuntimeError('nft failed to cut the link')
        return begin

    def mend(self):
        for host in ('tor', SILENT):
            netns.run_in(self.lab.ns(host), ['nft', 'delete', 'table', 'netdev', 'cut'])

    def silent_node(self):
        self.lab.start_node(SILENT)
        samples = [self.fall_silent() for _ in range(self.times(SILENT_RUNS))]
        results.report('bgp.silent-node', 'ms', samples, 'lower')

    def fall_silent(self, attempts=3):
        lab = self.lab
        lab.wait_sessions([SILENT])
        self.watch.forget()
        begin = self.cut()
        took = self.watch.wait(lab.pod_cidrs(SILENT), False, 20) - begin
        left = [prefix for prefix, hops in lab.routes().items() if SILENT in hops]
        self.mend()
        if took < 0 and attempts:  # 150 ms without a BFD packet happen by themselves on a busy machine
            return self.fall_silent(attempts - 1)
        if left or took < 0:
            raise RuntimeError(f'routes over {SILENT} went {took * 1e3:.0f} ms after the cut; left: {left}')
        return took * 1e3


def run(lab_name, build, quick):
    before, frr.BFD_INTERVAL_MSEC = frr.BFD_INTERVAL_MSEC, FAST_MSEC
    lab = BgpLab(lab_name, build)
    bgp = Bgp(lab, quick)
    try:
        bgp.prepare()
        bgp.announce()
        bgp.silent_node()
    except Exception:
        if lab.is_up:
            print(lab.diagnosis(), file=sys.stderr)
        raise
    finally:
        bgp.close()
        frr.BFD_INTERVAL_MSEC = before
        lab.down()
