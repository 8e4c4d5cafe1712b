# SPDX-License-Identifier: Apache-2.0
"""The cluster's objects, as manifests in a directory: plays the API server, kubelet's status and the EndpointSlice
controller. Each object is one file, replaced by rename; a Service's slices (one per family) follow from its pods, as the
controller makes them: ready = ready and not terminating, terminating pods stay listed while they serve.

Everything it knows is one plain dict (`data`), so that the laboratory's state file can carry it from one command to the
next.
"""
import datetime
import json
import os
import re

TCP_PORT, UDP_PORT = 8080, 8081  # where pods listen
DEFAULT_PORTS = (('http', 80, TCP_PORT, 'TCP'), ('echo', 5000, UDP_PORT, 'UDP'))
CLASS = 'fairway.dev/lb'


def now():
    return datetime.datetime.now(datetime.timezone.utc).strftime('%Y-%m-%dT%H:%M:%SZ')


def split_key(key):
    namespace, _, name = key.rpartition('/')
    return namespace or 'default', name


class World:
    def __init__(self, directory, data):
        self.directory = directory
        self.data = data
        data.setdefault('services', {})
        data.setdefault('pods', {})

    # --- files ---------------------------------------------------------------------------------------------

    def file_of(self, obj):
        meta = obj['metadata']
        words = [obj['kind'], meta.get('namespace', ''), meta['name']]
        return f'{self.directory}/' + re.sub(r'[^a-z0-9.-]', '_', '-'.join(w for w in words if w).lower()) + '.json'

    def put(self, *objects):
        for obj in objects:
            path = self.file_of(obj)
            temporary = f'{self.directory}/.{os.path.basename(path)}.new'
            with open(temporary, 'w') as file:
                json.dump(obj, file, indent=1)
                file.write('\n')
            os.rename(temporary, path)

    def remove(self, kind, name, namespace=None):
        meta = {'name': name, **({'namespace': namespace} if namespace else {})}
        try:
            os.unlink(self.file_of({'kind': kind, 'metadata': meta}))
        except FileNotFoundError:
            pass

    # --- the cluster ---------------------------------------------------------------------------------------

    def namespace(self, name, labels=None):
        self.put({'apiVersion': 'v1', 'kind': 'Namespace',
                  'metadata': {'name': name, 'labels': {'kubernetes.io/metadata.name': name, **(labels or {})}}})

    def node(self, name, addresses, pod_cidrs, ready=True, labels=None, taints=(), conditions=()):
        self.put({
            'apiVersion': 'v1', 'kind': 'Node',
            'metadata': {'name': name, 'creationTimestamp': now(),
                         'labels': {'kubernetes.io/hostname': name, **(labels or {})}},
            'spec': {'podCIDR': pod_cidrs[0], 'podCIDRs': list(pod_cidrs), 'taints': list(taints)},
            'status': {'addresses': [{'type': 'InternalIP', 'address': a} for a in addresses] +
                                    [{'type': 'Hostname', 'address': name}],
                       'conditions': [{'type': 'Ready', 'status': 'True' if ready else 'Unknown'}, *conditions]}})

    def pool(self, name, addresses, **spec):
        self.put({'apiVersion': 'fairway.dev/v1alpha1', 'kind': 'ServiceIPPool',
                  'metadata': {'name': name, 'creationTimestamp': now()}, 'spec': {'addresses': list(addresses), **spec}})

    def fairway(self, kind, name, spec, namespace=None):
        """A Fairway object: BGPPeer, BGPAdvertisement, BFDProfile, Community."""
        meta = {'name': name, **({'namespace': namespace} if namespace else {})}
        self.put({'apiVersion': 'fairway.dev/v1alpha1', 'kind': kind, 'metadata': meta, 'spec': spec})

    # --- services ------------------------------------------------------------------------------------------

    def service(self, key, policy='Cluster', ports=DEFAULT_PORTS, families=('IPv4', 'IPv6'), annotations=None,
                labels=None, spec=None):
        """Creates or changes a LoadBalancer Service; ports are (name, port, target port, protocol)."""
        namespace, name = split_key(key)
        known = self.data['services'].get(key, {})
        stored = {'ports': [list(p) for p in ports], 'families': list(families), 'created': known.get('created') or now()}
        self.data['services'][key] = stored
        self.put({
            'apiVersion': 'v1', 'kind': 'Service',
            'metadata': {'namespace': namespace, 'name': name, 'creationTimestamp': stored['created'],
                         'labels': labels or {}, 'annotations': annotations or {}},
            'spec': {'type': 'LoadBalancer', 'loadBalancerClass': CLASS, 'externalTrafficPolicy': policy,
                     'selector': {'app': name}, 'ipFamilies': list(families),
                     'ipFamilyPolicy': 'RequireDualStack' if len(families) == 2 else 'SingleStack',
                     'ports': [{'name': n, 'port': port, 'targetPort': target, 'protocol': protocol}
                               for n, port, target, protocol in ports], **(spec or {})}})
        self.slices(key)

    def service_remove(self, key):
        namespace, name = split_key(key)
        self.data['services'].pop(key, None)
        self.remove('Service', name, namespace)
        for family in ('ipv4', 'ipv6'):
            self.remove('EndpointSlice', f'{name}-{family}', namespace)

    def slices(self, key):
        """Writes the Service's slices from its pods."""
        namespace, name = split_key(key)
        service = self.data['services'].get(key)
        if not service:
            return
        pods = [p for p in self.data['pods'].values() if key in p['services'] and p['listed']]
        for family in service['families']:
            address = 'ip4' if family == 'IPv4' else 'ip6'
            endpoints = [{
                'addresses': [pod[address]],
                'conditions': {'ready': pod['ready'] and not pod['terminating'], 'serving': pod['ready'],
                               'terminating': pod['terminating']},
                'nodeName': pod['node'],
                'targetRef': {'kind': 'Pod', 'namespace': namespace, 'name': pod['name']}} for pod in pods]
            self.put({
                'apiVersion': 'discovery.k8s.io/v1', 'kind': 'EndpointSlice',
                'metadata': {'namespace': namespace, 'name': f'{name}-{family.lower()}',
                             'labels': {'kubernetes.io/service-name': name}},
                'addressType': family, 'endpoints': endpoints,
                'ports': [{'name': n, 'port': target, 'protocol': protocol}
                          for n, _, target, protocol in service['ports']]})

    # --- pods ----------------------------------------------------------------------------------------------

    def pod_set(self, name, **change):
        """Creates or changes a pod (ready, terminating, listed, …) and lets the slices follow."""
        pod = self.data['pods'].setdefault(name, {'name': name, 'services': [], 'ready': False, 'terminating': False,
                                                  'listed': True})
        pod.update(change)
        for key in pod['services']:
            self.slices(key)
        return pod

    def pod_remove(self, name):
        pod = self.data['pods'].pop(name)
        for key in pod['services']:
            self.slices(key)

    def pods_of(self, key, node=None):
        return [p for p in self.data['pods'].values()
                if key in p['services'] and not p['terminating'] and node in (None, p['node'])]
