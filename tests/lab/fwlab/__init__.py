# SPDX-License-Identifier: Apache-2.0
"""The laboratory: Fairway's nodes, a router and a client in network namespaces of one machine.

    netns.py      namespaces, links, sysctls: the only place that calls ip(8)
    processes.py  the supervisor's client side
    frr.py        configuration text for the router, questions to FRR's daemons
    world.py      manifests: plays the API server, kubelet and the EndpointSlice controller
    network.py    client, router, links to the nodes: what the test cluster shares
    lab.py        puts them together: up, down, nodes, pods
    load.py       the load generator
    steps.py      how a demonstration speaks
"""
