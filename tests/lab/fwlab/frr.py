# SPDX-License-Identifier: Apache-2.0
"""FRRouting in the laboratory: command lines, the router's configuration, questions to a running daemon."""
import json
import os
import shutil

from . import netns

DAEMONS = ('zebra', 'bfdd', 'bgpd')
ROUTER_ASN, NODE_ASN = 64512, 64513
# What the nodes' BFDProfile says too; the slower side decides.
BFD_INTERVAL_MSEC, BFD_MULTIPLIER = 300, 3


RUN_DIR = '/run/frr'


def make_run_dir():
    """The package makes it when it is installed and systemd at each boot; where neither was, we do."""
    if not os.path.isdir(RUN_DIR):
        os.makedirs(RUN_DIR, mode=0o755, exist_ok=True)  # another laboratory may do the same at this moment
        shutil.chown(RUN_DIR, 'frr', 'frr')


def vty_dir(instance):
    return f'{RUN_DIR}/{instance}'


def command(daemon, instance, config):
    """A daemon in the foreground. -N gives sockets of its own, -P 0 no TCP terminal; with -f /etc/frr is not read."""
    argv = [f'/usr/lib/frr/{daemon}', '-N', instance, '-P', '0', '-f', config, '--log', 'stdout', '--log-level', 'informational']
    if daemon == 'zebra':
        argv += ['-s', '90000000']  # netlink receive buffer: thousands of routes come in one burst
    return argv


def router_config(name, nodes):
    """bgpd of the top-of-rack switch: one session per node and family, all paths used, hashed over the whole flow.
    `nodes`: (address v4, address v6) each."""
    lines = [f'hostname {name}', f'router bgp {ROUTER_ASN}', ' bgp router-id 198.51.100.1', ' no bgp ebgp-requires-policy',
             ' no bgp default ipv4-unicast', ' bgp bestpath as-path multipath-relax', ' timers bgp 3 9']
    for pair in nodes:
        for address in pair:
            lines += [f' neighbor {address} remote-as {NODE_ASN}', f' neighbor {address} timers connect 1',
                      f' neighbor {address} bfd', f' neighbor {address} bfd profile lab']
    for family, index in (('ipv4', 0), ('ipv6', 1)):
        lines += [f' address-family {family} unicast', '  maximum-paths 64']
        lines += [f'  neighbor {pair[index]} activate' for pair in nodes]
        lines += [' exit-address-family']
    return '\n'.join(lines) + '\n'


def router_bfd_config(name):
    return (f'hostname {name}\nbfd\n profile lab\n  detect-multiplier {BFD_MULTIPLIER}\n'
            f'  receive-interval {BFD_INTERVAL_MSEC}\n  transmit-interval {BFD_INTERVAL_MSEC}\n exit\nexit\n')


def plain_node_config(name, router, pod_cidrs):
    """bgpd of a node without an agent (`lab up --no-agents`): announces the node's PodCIDRs, by itself."""
    lines = [f'hostname {name}', f'router bgp {NODE_ASN}', ' no bgp ebgp-requires-policy', ' no bgp default ipv4-unicast',
             ' no bgp network import-check', ' timers bgp 3 9']
    for address in router:
        lines += [f' neighbor {address} remote-as {ROUTER_ASN}', f' neighbor {address} timers connect 1',
                  f' neighbor {address} bfd']
    for family, address, cidr in zip(('ipv4', 'ipv6'), router, pod_cidrs):
        lines += [f' address-family {family} unicast', f'  network {cidr}', f'  neighbor {address} activate',
                  f'  neighbor {address} allowas-in 1', ' exit-address-family']
    return '\n'.join(lines) + '\n'


def vtysh(namespace, instance, line, check=True):
    return netns.run_in(namespace, ['vtysh', '-N', instance, '-c', line], check=check, timeout=20)


def vtysh_json(namespace, instance, line):
    text = vtysh(namespace, instance, line)
    return json.loads(text) if text.strip() else {}


def remove_vty_dir(instance):
    directory = vty_dir(instance)
    try:
        for entry in os.listdir(directory):
            os.unlink(f'{directory}/{entry}')
        os.rmdir(directory)
    except OSError:
        pass
