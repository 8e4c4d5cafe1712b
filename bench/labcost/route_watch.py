# SPDX-License-Identifier: Apache-2.0
"""A kernel's routing table as the kernel itself tells its changes (rtnetlink), with the moment each was read."""
import ctypes
import ipaddress
import os
import socket
import struct
import threading
import time

from fwlab import netns

CLONE_NEWNET = 0x40000000
SO_RCVBUFFORCE = 33
RTM_NEWROUTE, RTM_DELROUTE = 24, 25
GROUPS = 0x40 | 0x400  # RTMGRP_IPV4_ROUTE, RTMGRP_IPV6_ROUTE
PROTOCOL_BGP = 186     # what zebra writes for routes of bgpd
RTA_DST = 1
MAIN_TABLE = 254


def socket_in(namespace, *arguments):
    """A socket belongs to the namespace in which it was made, whoever reads it: only a thread of its own ever enters."""
    made = []

    def make():
        libc = ctypes.CDLL(None, use_errno=True)
        with open(netns.path(namespace)) as file:
            if libc.setns(file.fileno(), CLONE_NEWNET):
                made.append(OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno())))
                return
        made.append(socket.socket(*arguments))

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    if isinstance(made[0], OSError):
        raise made[0]
    return made[0]


def parse(message):
    """(is there, family, destination's bytes, length) of each BGP route of the main table in what one read gave."""
    offset = 0
    while offset + 28 <= len(message):
        size, kind = struct.unpack_from('=IH', message, offset)
        family, length, _, _, table, protocol = struct.unpack_from('=6B', message, offset + 16)
        if kind in (RTM_NEWROUTE, RTM_DELROUTE) and protocol == PROTOCOL_BGP and table == MAIN_TABLE:
            at, end = offset + 28, offset + size
            while at + 4 <= end:
                attribute_size, attribute = struct.unpack_from('=HH', message, at)
                if attribute == RTA_DST:
                    yield kind == RTM_NEWROUTE, family, message[at + 4:at + attribute_size], length
                    break
                at += max(4, (attribute_size + 3) & ~3)
        offset += max(16, (size + 3) & ~3)


def key(prefix):
    """A prefix as parse() has it."""
    network = ipaddress.ip_network(prefix)
    return socket.AF_INET if network.version == 4 else socket.AF_INET6, network.network_address.packed, network.prefixlen


class RouteWatch:
    def __init__(self, namespace):
        self.socket = socket_in(namespace, socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        # Ten thousand routes come faster than they are read; the kernel drops what finds no room (ENOBUFS, which raises).
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
        self.socket.bind((0, GROUPS))

    def close(self):
        self.socket.close()

    def forget(self):
        """Throws away what was told until now."""
        self.socket.setblocking(False)
        try:
            while True:
                self.socket.recv(1 << 16)
        except BlockingIOError:
            pass

    def wait(self, prefixes, there, timeout):
        """Until each of the prefixes was told to be there (or to be gone); when the last of them was. An ECMP route that
        only loses a next hop is told to be there."""
        missing = {key(p) for p in prefixes}
        end = time.monotonic() + timeout
        now = None
        while missing:
            left = end - time.monotonic()
            if left <= 0:
                raise RuntimeError(f'{len(missing)} of {len(prefixes)} routes not {"there" if there else "gone"} at the router '
                                   f'within {timeout} s')
            self.socket.settimeout(left)
            try:
                message = self.socket.recv(1 << 16)
            except TimeoutError:
                continue
            now = time.monotonic()
            for is_there, *route in parse(message):
                if is_there == there:
                    missing.discard(tuple(route))
        return now
