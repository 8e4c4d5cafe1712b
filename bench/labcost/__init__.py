# SPDX-License-Identifier: Apache-2.0
"""The parts of bench/lab_cost.

    results.py      result lines: medians, ratios of interleaved rounds
    traffic.py      throughput and connect rate through Fairway, plain routing and nftables, side by side
    kube_proxy.py   the nftables rules that stand for kube-proxy
    bgp.py          from a change of the manifests to the router's kernel table
    route_watch.py  the router's kernel table, told by the kernel as it changes
"""
