# SPDX-License-Identifier: Apache-2.0
"""The test cluster: real control plane, real nodes, on one machine.

    assets.py         Kubernetes' and etcd's binaries: found, or built
    pki.py, part.py, control_plane.py, client.py, fault_proxy.py      the control plane alone
    images.py, node.py, cluster.py      nodes with containerd and kubelet, in the laboratory's network
    fairway.py        Fairway on it
    workload.py, traffic.py      the application and its clients
"""
import os
import sys

# The network, the load generator and the router come from the laboratory.
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), 'lab'))
