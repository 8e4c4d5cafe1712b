# SPDX-License-Identifier: Apache-2.0
"""Throughput and connect rate from the client to one pod, over four nodes that are built alike:

    n1  Fairway: the VIP by a route from its FRR, DNAT in XDP, the reply's translation at TC egress; the backend is on the node
    n2  .routing: the pod's own address; a program that only passes stands on the hooks that the agent takes on n1
    n3  .nftables: the VIP by kube-proxy's rules; the same pass program
    n4  .routing.offload: the pod's own address; nothing is attached and the uplink's offloads are on

Each node has the router's link, FRR, the CNI's masquerade and the drop of invalid packets that every node of the laboratory
has: conntrack sees the traffic of each, and so does bfdd, whose packet socket (FRR 8.4) makes the stack clone each IPv4 packet
that is received and copy its head when it is forwarded. The client sends: a stream, datagrams of 1400 bytes, or connections of which each is new.
Rounds are interleaved (n1 n2 n3 n4 n1 …) and every round's ratio is taken within the round.
"""
import os
import sys

from fwlab import frr, netns
from fwlab.lab import CLIENT_V4, CLIENT_V6, CLUSTER_CIDRS, Lab

from . import kube_proxy, results

SERVICE = 'web/load'
# name, port of the VIP, port of the pod (bench/lab_traffic.h), protocol
PORTS = (('stream', 80, 9000, 'TCP'), ('datagrams', 5000, 9001, 'UDP'), ('connect', 81, 9002, 'TCP'))
MEASURES = (('throughput.tcp', 'tcp', 0, 'Mbit/s'), ('throughput.udp', 'udp', 1, 'Mbit/s'),
            ('connect-rate', 'connect', 2, 'connects/s'))
NFTABLES_VIPS = '192.0.2.250', '2001:db8:1::fa'  # of the pool, far from where it begins to give
VARIANTS = (('', 'n1'), ('.routing', 'n2'), ('.nftables', 'n3'), ('.routing.offload', 'n4'))
AGENT_NODE = 'n1'


class TrafficLab(Lab):
    """Only n1 has an agent, the others announce their PodCIDRs by FRR alone; the pods run the benchmark's sink."""

    def start_node_processes(self, node):
        if node == AGENT_NODE:
            super().start_node_processes(node)
            return
        bgpd = frr.plain_node_config(node, self.router_addresses(node), self.pod_cidrs(node))
        self.start_frr(node, self.write_frr_config(node, 'bfdd', f'hostname {node}\n'),
                       self.write_frr_config(node, 'bgpd', bgpd))

    def start_server(self, name):
        self.processes.start(f'pod-{name}', netns.enter(self.ns(name), [f'{self.build}/bench/lab_sink', cpus()[1]]))


def cpus():
    """Of the client and of the pods."""
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[-1]


class Traffic:
    def __init__(self, lab, seconds):
        self.lab, self.seconds = lab, seconds
        self.targets = {}  # node: (address v4, address v6, True if it is a VIP)

    def prepare(self):
        lab = self.lab
        lab.up(n_nodes=len(VARIANTS))
        lab.service(SERVICE, ports=PORTS)
        pods = {}
        for _, node in VARIANTS:
            with lab.changing():
                pods[node] = lab.pod_create(f'sink-{node}', node, [SERVICE])
        with lab.changing():
            lab.world.pod_set(f'sink-{AGENT_NODE}', ready=True, listed=True)
        # Every new connection comes from an address and port of its own, for the length of the run.
        netns.run_in(lab.ns('client'), ['sysctl', '-qw', 'net.ipv4.ip_local_port_range=1024 65535'])
        vips = lab.wait_vips(SERVICE)
        lab.wait_announced(vips, [AGENT_NODE])
        self.targets['n1'] = (*vips, True)
        for node in ('n2', 'n4'):
            self.targets[node] = (pods[node]['ip4'], pods[node]['ip6'], False)
        self.targets['n3'] = (*NFTABLES_VIPS, True)
        netns.ip_batch(lab.ns('tor'), [f'route add {vip} via {gateway}'
                                       for vip, gateway in zip(NFTABLES_VIPS, lab.node_addresses('n3'))])
        for family, pod, cidr, vip in zip(('ip', 'ip6'), (pods['n3']['ip4'], pods['n3']['ip6']), CLUSTER_CIDRS, NFTABLES_VIPS):
            services = [(vip, protocol.lower(), port, target) for _, port, target, protocol in PORTS]
            netns.run_in(lab.ns('n3'), ['nft', '-f', '-'], stdin=kube_proxy.rules(family, pod, cidr, services))
        for node in ('n2', 'n3'):
            self.pass_programs(node)
        self.nothing_attached('n4')

    def pass_programs(self, node):
        """On the hook that the agent took on its node, or the comparison would not be one."""
        lab = self.lab
        links = lab.pin_dir(node)
        os.makedirs(links, exist_ok=True)
        hook = netns.run_in(lab.ns(node), [f'{lab.build}/bench/lab_pass', f'{lab.build}/bench/pass.bpf.o', links, 'eth0']).strip()
        agent = {i['name']: i['hook'] for i in lab.lbctl_json(AGENT_NODE, 'node', 'show').get('interfaces', [])}
        if agent != {'eth0': hook}:
            raise RuntimeError(f'hooks differ: the agent of {AGENT_NODE} has {agent}, {node} has {hook} on eth0')

    def nothing_attached(self, node):
        netns.run(['ip', '-n', self.lab.ns('tor'), 'link', 'set', 'dev', node, 'xdpdrv', 'off'])
        for namespace, device in ((self.lab.ns(node), 'eth0'), (self.lab.ns('tor'), node)):
            netns.offload(namespace, device, tx='on')

    def measure(self, mode, port_index, node, family):
        """One round. Raises if any of it failed: a figure of a broken path is none."""
        is_vip = self.targets[node][2]
        port = PORTS[port_index][1 if is_vip else 2]
        argv = [f'{self.lab.build}/bench/lab_traffic', mode, cpus()[0], self.seconds, self.targets[node][family], port,
                *(CLIENT_V6 if family else CLIENT_V4)]
        return float(netns.run_in(self.lab.ns('client'), argv, timeout=self.seconds + 20))

    def run(self, rounds, name_filter=None):
        for name, mode, port_index, unit in MEASURES:
            for family in (0, 1):
                full_name = f'lab.{name}.{"v6" if family else "v4"}'
                if name_filter and name_filter not in full_name:
                    continue
                samples = {suffix: [] for suffix, _ in VARIANTS}
                for _ in range(rounds):
                    for suffix, node in VARIANTS:
                        samples[suffix].append(self.measure(mode, port_index, node, family))
                for suffix, _ in VARIANTS:
                    baseline = '' if suffix == '.routing' else f'{full_name}.routing'
                    results.report(full_name + suffix, unit, samples[suffix], 'higher', baseline, samples['.routing'])

    def check(self):
        """That what was measured is what the names say."""
        lab = self.lab
        service = next(s for s in lab.lbctl_json(AGENT_NODE, 'svc', 'ls', '-A')['services'] if s['name'] == 'load')
        if not service['packets']:
            raise RuntimeError('no packet of the VIP was seen by the data path')
        bad = lab.bad_checksums()
        if bad:
            raise RuntimeError(f'packets with a wrong checksum: {bad}')


def run(lab_name, build, rounds, seconds, name_filter):
    lab = TrafficLab(lab_name, build)
    try:
        traffic = Traffic(lab, seconds)
        traffic.prepare()
        traffic.run(rounds, name_filter)
        traffic.check()
    except Exception:
        if lab.is_up:
            print(lab.diagnosis(), file=sys.stderr)
        raise
    finally:
        lab.down()
