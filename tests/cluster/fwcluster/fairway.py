# SPDX-License-Identifier: Apache-2.0
"""Fairway on the cluster, as an operator installs it: `kubectl apply -k` of an overlay over deploy/manifests that says where the API
server is and which images to take, then a pool and the router as a peer of each node."""
import json
import os
import signal

from fwlab import frr
from fwlab.network import CLUSTER_CIDRS, POOL, SOURCE, LabError, wait_for

from fwlab.waiting import eventually

from .pod_watch import PodWatch

MANIFESTS = f'{SOURCE}/deploy/manifests'
NAMESPACE = 'fairway-system'
TAG, NEXT_TAG = 'dev', 'dev-next'
IMAGES = ('fairway', 'fairway-frr')


def archives(build):
    return [f'{build}/images/{image}-{TAG}.tar' for image in IMAGES]


def missing(build):
    return [path for path in archives(build) if not os.path.exists(path)]


def next_tags():
    """The same images once more under the tag that a rollout changes to."""
    return {f'docker.io/library/{image}:{NEXT_TAG}': f'docker.io/library/{image}:{TAG}' for image in IMAGES}


def custom(kind, name, spec):
    return {'apiVersion': 'fairway.dev/v1alpha1', 'kind': kind, 'metadata': {'name': name}, 'spec': spec}


class Fairway:
    def __init__(self, cluster):
        self.cluster, self.admin = cluster, cluster.plane.admin
        self.watch = PodWatch(cluster, NAMESPACE)  # runs in the tests
        self.killed = set()  # pods of which a test killed a program

    # --- installation ----------------------------------------------------------------------------------------

    def overlay(self, tag=TAG, frr_tag=TAG):
        """Writes the overlay; returns its directory."""
        directory = f'{self.cluster.home}/overlay'
        os.makedirs(directory, exist_ok=True)
        cidrs = [{'op': 'add', 'path': '/spec/template/spec/containers/0/args/-', 'value': f'--cluster-cidr={cidr}'} for cidr in CLUSTER_CIDRS]
        kustomization = {
            'apiVersion': 'kustomize.config.k8s.io/v1beta1', 'kind': 'Kustomization',
            'resources': [os.path.relpath(MANIFESTS, directory)],
            'images': [{'name': 'fairway', 'newTag': tag}, {'name': 'fairway-frr', 'newTag': frr_tag}],
            'configMapGenerator': [{'name': 'fairway', 'namespace': NAMESPACE, 'behavior': 'merge',
                                    'literals': [f'FAIRWAY_API_SERVERS={self.cluster.plane.url}']}],
            'patches': [{'target': {'kind': 'DaemonSet', 'name': 'lbagent'}, 'patch': json.dumps(cidrs)}]}
        with open(f'{directory}/kustomization.yaml', 'w') as file:
            json.dump(kustomization, file, indent=1)
        return directory

    def apply(self, **tags):
        return self.cluster.kubectl('apply', '-k', self.overlay(**tags))

    def other_tag(self):
        """The one of the two tags that the agents do not run."""
        image = self.admin.get('DaemonSet', 'lbagent', NAMESPACE)['spec']['template']['spec']['containers'][0]['image']
        return TAG if image.endswith(f':{NEXT_TAG}') else NEXT_TAG

    def wait_running(self, patience=120):
        for what in ('daemonset/frr', 'daemonset/lbagent', 'deployment/lbcontroller'):
            self.cluster.wait_rollout(what, NAMESPACE, patience)

    def install(self):
        self.apply()
        self.wait_running()

    def configure(self):
        """A pool, and the router as a peer of each node in both families. With graceful restart the router keeps a node's routes while
        its FRR is replaced; BFD, which would end them at once, has its tests in the laboratory."""
        objects = [custom('ServiceIPPool', 'public', {'addresses': list(POOL)})]
        for node in self.cluster.nodes:
            for family, address in zip(('v4', 'v6'), self.cluster.router_addresses(node)):
                objects.append(custom('BGPPeer', f'tor-{node}-{family}', {
                    'myASN': frr.NODE_ASN, 'peerASN': frr.ROUTER_ASN, 'peerAddress': address, 'holdTime': '9s', 'keepaliveTime': '3s',
                    'connectTime': '1s', 'enableGracefulRestart': True, 'gracefulRestartTime': '60s',
                    'nodeSelectors': [{'matchLabels': {'kubernetes.io/hostname': node}}]}))
        self.admin.apply_all(objects)
        self.cluster.wait_sessions(timeout=60, bfd=False)

    # --- questions -------------------------------------------------------------------------------------------

    def addresses(self, name, namespace='web'):
        """The addresses in a Service's status."""
        status = (self.admin.find('Service', name, namespace) or {}).get('status', {})
        return [entry['ip'] for entry in status.get('loadBalancer', {}).get('ingress', []) if 'ip' in entry]

    def condition(self, name, kind, namespace='web'):
        """A condition of a Service ("Announced"): its status, '' while it is not there."""
        status = (self.admin.find('Service', name, namespace) or {}).get('status', {})
        return next((c['status'] for c in status.get('conditions', []) if c['type'] == f'fairway.dev/{kind}'), '')

    def wait_served(self, name, namespace='web', nodes=None, patience=30):
        """Until a Service has its addresses and the router sends them to these nodes (all); returns the addresses."""
        found = eventually(lambda: self.addresses(name, namespace), lambda: self.cluster.kubectl('-n', namespace, 'describe', 'svc', name),
                           patience)
        self.cluster.wait_announced(found, self.cluster.nodes if nodes is None else nodes, patience)
        return found

    def pods(self, app):
        """{node: name} of the running pods of one of our programs."""
        found = {}
        for pod in self.admin.list('Pod', NAMESPACE, labelSelector=f'app.kubernetes.io/name={app}'):
            if not pod['metadata'].get('deletionTimestamp') and pod.get('status', {}).get('phase') == 'Running':
                found[pod['spec']['nodeName']] = pod['metadata']['name']
        return found

    def lbctl(self, node, *words, check=True):
        """lbctl in a node's agent pod."""
        return self.cluster.kubectl('-n', NAMESPACE, 'exec', self.pods('lbagent')[node], '-c', 'lbagent', '--', 'lbctl', *words, check=check)

    def program_pids(self, node, program):
        """Host pids of a program on a node (its command line's first word), found in the node's own pid namespace."""
        inside = self.cluster.node_pid(node)
        own = os.readlink(f'/proc/{inside}/ns/net')
        found = []
        for pid in filter(str.isdigit, os.listdir('/proc')):
            try:
                with open(f'/proc/{pid}/cmdline', 'rb') as file:
                    first = file.read().split(b'\0')[0].decode(errors='replace')
                if os.path.basename(first) == program and os.readlink(f'/proc/{pid}/ns/net') == own:
                    found.append(int(pid))
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
        return found

    def unclean_ends(self):
        """Of the containers that ended so far, those that crashed, leaked or gave up; a test's own kills apart."""
        return [end for end in self.watch.ends.values()
                if end['exitCode'] and not (end['exitCode'] == 128 + signal.SIGKILL and end['pod'] in self.killed)]

    def wait_reported(self, name, namespace='web', kinds=('Allocated', 'Programmed', 'Announced')):
        for kind in kinds:
            wait_for(f'{namespace}/{name} is {kind}', lambda: self.condition(name, kind, namespace) == 'True')


__all__ = ['CLUSTER_CIDRS', 'Fairway', 'LabError', 'NAMESPACE', 'NEXT_TAG', 'TAG', 'archives', 'missing', 'next_tags']
