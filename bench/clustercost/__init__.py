# SPDX-License-Identifier: Apache-2.0
"""The parts of bench/api_cost and bench/user_cost, which need a real Kubernetes API; bench/agent_cost takes many.py, too.

    many.py         10,000 Services of 10 endpoints: the objects, and how they get into an API server quickly
    place.py        control plane and nodes in network namespaces
    process.py      what a process holds of the memory
    fairway.py      lbagent and lbcontroller on the API server
    kube_proxy.py   kube-proxy beside them
    nft_events.py   when the kernel's nftables rules changed, told by the kernel
    waits.py        Services, rollouts and memory on the cluster of several nodes
    knock.py        when an address first answers
"""
