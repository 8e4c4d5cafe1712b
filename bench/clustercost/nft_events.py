# SPDX-License-Identifier: Apache-2.0
"""When the kernel's nftables rules of a network namespace changed: the kernel tells each commit over netlink, with all
objects that it made."""
import socket
import time

from fwcluster.client import in_netns

NETLINK_NETFILTER, NFNLGRP_NFTABLES = 12, 7
SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, SO_RCVBUFFORCE = 270, 1, 33
BUFFER = 64 << 20


class NftEvents:
    def __init__(self, netns):
        self.socket = in_netns(netns, lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER))
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
        self.socket.bind((0, 0))
        self.socket.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, NFNLGRP_NFTABLES)

    def wait_endpoint(self, address, port, patience):
        """The time (time.time()) at which a commit was told that has this element of a map; what came before is passed over."""
        element = socket.inet_aton(address) + port.to_bytes(2, 'big')
        end = time.monotonic() + patience
        while (left := end - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                message = self.socket.recv(1 << 20)
            except TimeoutError:
                break
            if element in message:
                return time.time()
        raise RuntimeError(f'no rule for {address} within {patience:.0f} s')

    def close(self):
        self.socket.close()
