# SPDX-License-Identifier: Apache-2.0
"""One node: what containerd, CNI and kubelet are told, and how the node's first process is started.

A node is a network namespace (the laboratory's: link to the router, the rules of a hostile host) and a mount, pid and uts
namespace whose first process is tests/cluster/node-init. hostNetwork pods take their host name from the uts namespace.
"""
import glob
import json
import os
import time

from . import images

INIT = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'node-init')
CLUSTER_DNS = '10.96.0.10'
CNI_BIN = '/usr/lib/cni'


def containerd_config(directory):
    """restrict_oom_score_adj: without CAP_SYS_RESOURCE a pod's first process could not be given a lower score."""
    return f'''version = 2
root = "{directory}/containerd"
state = "/run/containerd/state"
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "{directory}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{images.PAUSE}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{CNI_BIN}"
    conf_dir = "{directory}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
'''


def cni_config(pod_cidrs):
    """A veth pair per pod, routed; nothing masqueraded by it."""
    return {'cniVersion': '1.0.0', 'name': 'pods', 'plugins': [
        {'type': 'ptp', 'ipMasq': False, 'ipam': {'type': 'host-local', 'ranges': [[{'subnet': cidr}] for cidr in pod_cidrs],
                                                  'routes': [{'dst': '0.0.0.0/0'}, {'dst': '::/0'}], 'dataDir': '/run/cni'}},
        {'type': 'portmap', 'capabilities': {'portMappings': True}}]}


def kubelet_config(directory, cgroup, ca):
    return {'apiVersion': 'kubelet.config.k8s.io/v1beta1', 'kind': 'KubeletConfiguration',
            'authentication': {'anonymous': {'enabled': False}, 'webhook': {'enabled': False}, 'x509': {'clientCAFile': ca}},
            'authorization': {'mode': 'AlwaysAllow'}, 'cgroupDriver': 'cgroupfs', 'cgroupRoot': f'/{cgroup}',
            'cgroupsPerQOS': False, 'enforceNodeAllocatable': [], 'failCgroupV1': False, 'failSwapOn': False,
            'clusterDNS': [CLUSTER_DNS], 'clusterDomain': 'cluster.local', 'resolvConf': f'{directory}/resolv.conf',
            'containerRuntimeEndpoint': 'unix:///run/containerd/containerd.sock', 'evictionHard': {'memory.available': '1Mi'},
            'imageGCHighThresholdPercent': 100, 'localStorageCapacityIsolation': False, 'makeIPTablesUtilChains': False,
            'nodeStatusUpdateFrequency': '2s', 'syncFrequency': '10s', 'serializeImagePulls': False, 'registryPullQPS': 0,
            'eventRecordQPS': 0, 'volumePluginDir': f'{directory}/volume-plugins'}


def write(path, value):
    with open(path, 'w') as file:
        file.write(value if isinstance(value, str) else json.dumps(value, indent=1))


def prepare(directory, name, cgroup, addresses, pod_cidrs, kubelet, kubeconfig, ca):
    """Writes the node's files below `directory`; returns what is to be run in its network namespace."""
    for sub in ('kubelet', 'cni', 'certificates', 'volume-plugins', 'opt'):
        os.makedirs(f'{directory}/{sub}', exist_ok=True)
    write(f'{directory}/containerd.toml', containerd_config(directory))
    write(f'{directory}/cni/10-pods.conflist', cni_config(pod_cidrs))
    write(f'{directory}/kubelet.json', kubelet_config(directory, cgroup, ca))
    write(f'{directory}/resolv.conf', '')
    write(f'{directory}/node.json', {'name': name, 'directory': directory, 'cgroup': cgroup, 'commands': {
        'containerd': ['containerd', '-c', f'{directory}/containerd.toml'],
        'kubelet': [kubelet, f'--kubeconfig={kubeconfig}', f'--config={directory}/kubelet.json', f'--hostname-override={name}',
                    f'--node-ip={",".join(addresses)}', f'--cert-dir={directory}/certificates', '--v=1']}})
    return ['unshare', '--mount', '--pid', '--uts', '--fork', '--mount-proc', '--kill-child', INIT, f'{directory}/node.json']


def node_object(name, zone, pod_cidrs):
    """Made before the kubelet comes, so that PodCIDRs and zone are ours whatever the order of registration."""
    return {'apiVersion': 'v1', 'kind': 'Node', 'metadata': {'name': name, 'labels': {
        'topology.kubernetes.io/zone': zone, 'topology.kubernetes.io/region': 'lab'}},
            'spec': {'podCIDR': pod_cidrs[0], 'podCIDRs': list(pod_cidrs)}}


def remove_cgroups(cgroup, patience=5.0):
    """The node's processes are gone; the kernel may take a moment to know."""
    end = time.monotonic() + patience
    while True:
        left = glob.glob(f'/sys/fs/cgroup/{cgroup}') + glob.glob(f'/sys/fs/cgroup/*/{cgroup}')
        if not left or time.monotonic() > end:
            return
        for root in left:
            for directory, _, _ in os.walk(root, topdown=False):
                try:
                    os.rmdir(directory)
                except OSError:
                    time.sleep(0.01)
