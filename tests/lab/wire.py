# SPDX-License-Identifier: Apache-2.0
"""One packet out of a namespace, and a count of what comes back: for tests that must see the wire, not a socket's opinion.
Runs itself inside the namespace; prints the answers as JSON."""
import contextlib
import json
import os
import select
import socket
import struct
import sys
import time

from fwlab.waiting import eventually

QUIET_SECONDS = 0.7


def send_one(namespace, kind, source, destination, port):
    """Sends one packet (tcp: a SYN, udp, other: protocol 253, fragment: a later fragment alone) and returns what came back
    from anyone for it, as words: rst, syn-ack, unreachable, udp, other."""
    from fwlab import netns
    return json.loads(netns.run_in(namespace, ['/usr/bin/python3', '-B', os.path.abspath(__file__), kind, source, destination,
                                               str(port)]))


@contextlib.contextmanager
def forwarded(lab, source, destination):
    """Counts how often the router forwards a packet from source to destination: a list, filled at the end."""
    from fwlab import netns
    family, count = 'ip6' if ':' in source else 'ip', []
    netns.run_in(lab.ns('tor'), ['nft', '-f', '-'], stdin=f'''
table inet watch {{
    counter seen {{}}
    chain forward {{
        type filter hook forward priority filter; policy accept;
        {family} saddr {source} {family} daddr {destination} counter name seen
    }}
}}
''')
    try:
        yield count
        found = json.loads(netns.run_in(lab.ns('tor'), ['nft', '-j', 'list', 'counter', 'inet', 'watch', 'seen']))
        count.append(next(o['counter']['packets'] for o in found['nftables'] if 'counter' in o))
    finally:
        netns.run_in(lab.ns('tor'), ['nft', 'delete', 'table', 'inet', 'watch'])


def checksum(data):
    if len(data) % 2:
        data += b'\0'
    total = sum(struct.unpack(f'!{len(data) // 2}H', data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def packet(kind, family, source, destination, port, own_port):
    """(protocol, payload with its checksum)"""
    src, dst = socket.inet_pton(family, source), socket.inet_pton(family, destination)
    if kind in ('other', 'fragment'):
        return (253 if kind == 'other' else socket.IPPROTO_UDP), b'whatever' * 2
    if kind == 'tcp':
        protocol, at = socket.IPPROTO_TCP, 16
        body = struct.pack('!HHIIBBHHH', own_port, port, 1000, 0, 5 << 4, 2, 64000, 0, 0)
    else:
        protocol, at = socket.IPPROTO_UDP, 6
        body = struct.pack('!HHHH', own_port, port, 8 + 5, 0) + b'hello'
    pseudo = src + dst + struct.pack('!IHBB', len(body), 0, 0, protocol)
    total = checksum(pseudo + body)
    return protocol, body[:at] + struct.pack('!H', total) + body[at + 2:]


def header(kind, family, source, destination, protocol, length):
    src, dst = socket.inet_pton(family, source), socket.inet_pton(family, destination)
    if family == socket.AF_INET:
        offset = 100 if kind == 'fragment' else 0
        head = struct.pack('!BBHHHBBH', 0x45, 0, 20 + length, 7, offset, 64, protocol, 0) + src + dst
        return head[:10] + struct.pack('!H', checksum(head)) + head[12:]
    if kind == 'fragment':
        extension = struct.pack('!BBHI', protocol, 0, 100 << 3, 7)
        return struct.pack('!IHBB', 6 << 28, 8 + length, 44, 64) + src + dst + extension
    return struct.pack('!IHBB', 6 << 28, length, protocol, 64) + src + dst


def describe(frame, family, port, own_port, destination):
    """What an incoming packet is to us; None if it has nothing to do with ours."""
    if family == socket.AF_INET:
        protocol, body, src = frame[9], frame[(frame[0] & 15) * 4:], frame[12:16]
    else:
        protocol, body, src = frame[6], frame[40:], frame[8:24]
    if protocol in (socket.IPPROTO_ICMP, socket.IPPROTO_ICMPV6):
        if body[0] in ((3,) if family == socket.AF_INET else (1,)):
            return 'unreachable'
        return None if protocol == socket.IPPROTO_ICMPV6 and 133 <= body[0] <= 137 else 'other'
    if src != socket.inet_pton(family, destination):
        return None
    if protocol == socket.IPPROTO_TCP:
        flags = body[13]
        return 'rst' if flags & 4 else 'syn-ack' if flags & 18 == 18 else 'other'
    return 'udp' if protocol == socket.IPPROTO_UDP else 'other'


def main():
    kind, source, destination, port = sys.argv[1:]
    port, own_port = int(port), 33333
    family = socket.AF_INET6 if ':' in destination else socket.AF_INET
    protocol, body = packet(kind, family, source, destination, port, own_port)
    frame = header(kind, family, source, destination, protocol, len(body)) + body
    ethertype = 0x86dd if family == socket.AF_INET6 else 0x0800
    # The next hop's hardware address is the kernel's business: ask it by a datagram to the router, then read its table.
    gateway = '2001:db8:c::1' if family == socket.AF_INET6 else '198.51.100.1'
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.sendto(b'', (gateway, 9))

    def asked():
        return [n['lladdr'] for n in json.loads(os.popen(f'ip -j neigh show {gateway} dev eth0').read()) if 'lladdr' in n]

    hardware = bytes.fromhex(eventually(asked, f'{gateway} is known')[0].replace(':', ''))
    own = bytes.fromhex(open('/proc/net/arp').read() and
                        json.loads(os.popen('ip -j link show eth0').read())[0]['address'].replace(':', ''))
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ethertype))
    wire.bind(('eth0', ethertype))
    while select.select([wire], [], [], 0.1)[0]:
        wire.recv(65536)
    wire.send(hardware + own + struct.pack('!H', ethertype) + frame)
    answers, end = [], time.monotonic() + QUIET_SECONDS
    while time.monotonic() < end:
        if select.select([wire], [], [], 0.05)[0]:
            got, address = wire.recvfrom(65536)
            if address[2] == socket.PACKET_OUTGOING:
                continue
            word = describe(got[14:], family, port, own_port, destination)
            if word:
                answers.append(word)
    print(json.dumps(answers))


if __name__ == '__main__':
    main()
