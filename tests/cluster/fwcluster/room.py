# SPDX-License-Identifier: Apache-2.0
"""A namespace with ServiceIPPools of its own: tests beside each other on one control plane never meet.

    room.pool(v4=4)                          # room.net4[0:4]; more as the CRD has it: disabled=True, quota={…}
    room.service('shop', ips='…')            # a LoadBalancer Service of our class; **spec goes into its spec
    room.addresses('shop')                   # waits until it is answered: with addresses or with a refusal
"""
import contextlib
import ipaddress
import itertools

from fwcluster import rules
from fwcluster.rules import CLASS, FINALIZER
from fwlab.waiting import eventually

NUMBERS = itertools.count(1)
ANNOTATIONS = {'ips': 'fairway.dev/ips', 'pool': 'fairway.dev/pool', 'key': 'fairway.dev/shared-ip',
               'key_namespaces': 'fairway.dev/shared-ip-namespaces'}


class Room:
    def __init__(self, plane, name):
        self.plane, self.admin, self.number = plane, plane.admin, next(NUMBERS)
        self.namespace = f'{name[:40].strip("-")}-{self.number}'
        self.net4 = ipaddress.ip_network(f'100.{64 + self.number // 256}.{self.number % 256}.0/24')
        self.net6 = ipaddress.ip_network(f'2001:db8:{self.number:x}::/64')
        self.pools = []
        self.admin.create({'apiVersion': 'v1', 'kind': 'Namespace', 'metadata': {'name': self.namespace}})

    def ip4(self, i):
        return str(self.net4[i])

    def ip6(self, i):
        return str(self.net6[i])

    # --- pools -------------------------------------------------------------------------------------------------

    def pool(self, suffix='pool', v4=4, v6=0, first=0, addresses=None, **spec):
        """Created or changed; gives to this room's Services only, unless `serviceAllocation` says otherwise."""
        name = f'{self.namespace}-{suffix}'
        ranges = addresses or [*([f'{self.ip4(first)}-{self.ip4(first + v4 - 1)}'] if v4 else []),
                               *([f'{self.ip6(first)}-{self.ip6(first + v6 - 1)}'] if v6 else [])]
        spec.setdefault('serviceAllocation', {'namespaces': [self.namespace]})
        self.admin.apply({'apiVersion': 'fairway.dev/v1alpha1', 'kind': 'ServiceIPPool', 'metadata': {'name': name},
                          'spec': {'addresses': ranges, **{k: v for k, v in spec.items() if v is not None}}})
        if name not in self.pools:
            self.pools.append(name)
        return name

    def pool_is(self, name, kind='Ready', status='True', reason=None, patience=20.0):
        """Waits for a condition of the pool; returns it."""
        def found():
            pool = self.admin.get('ServiceIPPool', name)
            condition = rules.condition(pool, kind)
            return (condition if condition and condition['status'] == status and reason in (None, condition['reason']) and
                    pool['status'].get('observedGeneration', pool['metadata']['generation']) == pool['metadata']['generation'] else None)

        return eventually(found, lambda: f'{name} {kind}={status} {reason}: {self.admin.get("ServiceIPPool", name).get("status")}', patience)

    def counts(self, name):
        status = self.admin.get('ServiceIPPool', name).get('status', {})
        return tuple(status.get(k) for k in ('assignedIPv4', 'availableIPv4', 'assignedIPv6', 'availableIPv6'))

    # --- services ----------------------------------------------------------------------------------------------

    def manifest(self, name, port=80, annotations=None, namespace=None, metadata=None, **spec):
        annotations = {**(annotations or {}), **{ANNOTATIONS[k]: spec.pop(k) for k in list(spec) if k in ANNOTATIONS}}
        spec = {'type': 'LoadBalancer', 'loadBalancerClass': CLASS, 'selector': {'app': name}, 'ports': [{'port': port}], **spec}
        return {'apiVersion': 'v1', 'kind': 'Service', 'metadata': {'name': name, 'namespace': namespace or self.namespace,
                                                                   'annotations': annotations, **(metadata or {})},
                'spec': {k: v for k, v in spec.items() if v is not None}}

    def service(self, name, **more):
        return self.admin.create(self.manifest(name, **more))

    def get(self, name):
        return self.admin.get('Service', name, self.namespace)

    def edit(self, name, spec=None, annotations=None):
        """annotations by the short names of ANNOTATIONS, too; None takes one away."""
        patch = {**({'spec': spec} if spec is not None else {}),
                 **({'metadata': {'annotations': {ANNOTATIONS.get(k, k): v for k, v in annotations.items()}}} if annotations else {})}
        return self.admin.patch('Service', name, patch, self.namespace)

    def delete(self, name):
        self.admin.delete('Service', name, self.namespace)

    def gone(self, name, patience=20.0):
        self.admin.gone('Service', name, self.namespace, patience)

    def wait_condition(self, name, kind, status, reason=None, patience=20.0):
        """Waits for the condition fairway.dev/KIND of a Service, None: whatever it is; returns it."""
        def found():
            condition = rules.condition(self.get(name), f'fairway.dev/{kind}')
            return condition if condition and status in (None, condition['status']) and reason in (None, condition['reason']) else None

        return eventually(found, lambda: f'{self.namespace}/{name} {kind}={status} {reason or ""}: {self.get(name)["status"]}', patience)

    def allocated(self, name, status='True', reason=None, patience=20.0):
        return self.wait_condition(name, 'Allocated', status, reason, patience)

    def addresses(self, name, patience=20.0):
        self.allocated(name, patience=patience)
        return rules.addresses(self.get(name))

    def refused(self, name, reason, patience=20.0):
        """Waits until it is refused for this reason; returns the message. It has no address then, or keeps what it had."""
        return self.allocated(name, None, reason, patience)['message']

    def wait_addresses(self, name, wanted, patience=20.0):
        eventually(lambda: rules.addresses(self.get(name)) == wanted,
                   lambda: f'{self.namespace}/{name} has {wanted}: {self.get(name)["status"]}', patience)

    def has_finalizer(self, name):
        return FINALIZER in self.get(name)['metadata'].get('finalizers', [])

    def events(self, name, reason=None):
        """Without those of Kubernetes' own controllers: that of EndpointSlices warns of each conflict."""
        found = self.admin.list('Event', self.namespace, fieldSelector=f'involvedObject.name={name}')
        return [e for e in found if reason in (None, e['reason']) and
                (e.get('reportingComponent') or e.get('source', {}).get('component')) != 'endpoint-slice-controller']

    def close(self):
        """Deletes the Services, waits until they are gone, then the pools; the namespace goes when the controller gets to it."""
        with contextlib.suppress(AssertionError):
            for service in self.admin.list('Service', self.namespace):
                self.delete(service['metadata']['name'])
            eventually(lambda: not self.admin.list('Service', self.namespace), 'gone', 40)
        for pool in self.pools:
            self.admin.delete('ServiceIPPool', pool)
        self.admin.delete('Namespace', self.namespace)
