# SPDX-License-Identifier: Apache-2.0
"""What a user of the cluster waits for: a Service's address, its route, its first answer; many Services at once; the memory that
a node gives for it; and what a rollout costs."""
import concurrent.futures
import contextlib
import glob
import ipaddress
import re
import threading
import time

from fwcluster import workload
from fwcluster.client import ApiError
from fwcluster.fairway import NAMESPACE, custom
from fwcluster.traffic import Traffic
from fwlab.waiting import eventually
from labcost.route_watch import RouteWatch, parse

from . import process
from .knock import Knock

POOL = '198.18.0.0/20'  # of the range for benchmarks (RFC 2544)
PATIENCE = 300.0
POSTERS = 16
PRE_STOP_SECONDS = 2
NOBODYS_CLASS = 'bench.example.com/nobody'


def deployment(namespace):
    obj = workload.deployment('shop', namespace, replicas=4, surge=2)
    for container in obj['spec']['template']['spec']['containers']:
        container['lifecycle'] = {'preStop': {'sleep': {'seconds': PRE_STOP_SECONDS}}}
    return obj


def service(name, namespace, load_balancer_class=''):
    obj = workload.service(name, namespace, app='shop')
    obj['metadata']['annotations'] = {'fairway.dev/pool': 'bench'}
    obj['spec'].update(ipFamilyPolicy='SingleStack', ports=obj['spec']['ports'][:1])
    if load_balancer_class:
        obj['spec']['loadBalancerClass'] = load_balancer_class
    return obj


class FirstSeen:
    """When something was first seen at objects of a kind in a namespace: {name: (what, time.time())}. pick(object): (name, what), what
    is falsy while it is not there yet."""

    def __init__(self, client, kind, namespace, pick):
        self.client, self.path, self.pick = client, client.path(kind, namespace=namespace), pick
        self.found, self.changed = {}, threading.Condition()
        version = client.request('GET', self.path)['metadata']['resourceVersion']
        self.path += f'?watch=1&timeoutSeconds=600&resourceVersion={version}'
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        with contextlib.suppress(OSError, ApiError, ValueError):
            for event in self.client.watch(self.path, timeout=600):
                now = time.time()
                name, what = self.pick(event['object'])
                if what and name not in self.found:
                    with self.changed:
                        self.found[name] = (what, now)
                        self.changed.notify_all()

    def wait(self, name):
        self.wait_all([name])
        return self.found[name]

    def wait_all(self, names):
        """When the last of them was seen."""
        with self.changed:
            if not self.changed.wait_for(lambda: all(name in self.found for name in names), PATIENCE):
                raise RuntimeError(f'{len(names)} of {self.path}: {sum(name in self.found for name in names)} within {PATIENCE:.0f} s')
            return max(self.found[name][1] for name in names)


def address_of(obj):
    """Of a Service, as its status tells it."""
    ingress = obj.get('status', {}).get('loadBalancer', {}).get('ingress')
    return obj.get('metadata', {}).get('name'), ingress and ingress[0].get('ip')


def endpoints_of(obj):
    """Of a Service, as one of its slices tells them."""
    return obj.get('metadata', {}).get('labels', {}).get('kubernetes.io/service-name'), obj.get('endpoints')


class Waits:
    def __init__(self, fairway):
        self.fairway, self.cluster, self.admin = fairway, fairway.cluster, fairway.admin

    def prepare(self):
        """Four pods behind all Services, and a pool with room for many."""
        self.admin.apply_all([workload.namespace('bench'), workload.namespace('rolled'), custom('ServiceIPPool', 'bench', {'addresses': [POOL]}),
                              *(deployment(n) for n in ('bench', 'rolled'))])
        for namespace in ('bench', 'rolled'):
            self.cluster.wait_rollout('deployment/shop', namespace)

    def clean(self):
        for namespace in ('bench', 'rolled'):
            self.admin.gone('Namespace', namespace, patience=PATIENCE)
        self.admin.delete('ServiceIPPool', 'bench')

    # --- Services --------------------------------------------------------------------------------------------

    def one_service(self, name):
        """Milliseconds from the POST to the status, the router's route, the first answer at the client."""
        status = FirstSeen(self.cluster.plane.client('admin'), 'Service', 'bench', address_of)
        routes, knock = RouteWatch(self.cluster.ns('tor')), Knock(self.cluster.ns('client'), 0.003)
        try:
            time.sleep(0.3)  # what watches is there and asleep
            sent, sent_monotonic = time.time(), time.monotonic()
            self.admin.create(service(name, 'bench'))
            address, seen = status.wait(name)
            knock.add(address)
            route = routes.wait([f'{address}/32'], True, PATIENCE) - sent_monotonic
            answer = knock.wait(1, PATIENCE) - sent
        finally:
            knock.close()
            routes.close()
        self.remove([name])
        return {'status': (seen - sent) * 1e3, 'route': route * 1e3, 'http': answer * 1e3}

    def many_services(self, count):
        """Seconds from the first POST until the last of them has answered at the client."""
        pool = ipaddress.ip_network(POOL)
        routes, knock = RouteWatch(self.cluster.ns('tor')), Knock(self.cluster.ns('client'), 0.02)
        names = [f'many-{i}' for i in range(count)]
        with concurrent.futures.ThreadPoolExecutor(POSTERS) as posters:
            try:
                sent = time.time()
                posts = [posters.submit(self.admin.create, service(name, 'bench')) for name in names]
                self.knock_at_routes(routes, knock, pool, count)
                last = knock.wait(count, PATIENCE)
                for post in posts:
                    post.result()
            finally:
                knock.close()
                routes.close()
        return last - sent, names

    def many_services_floor(self, count):
        """Seconds from the first POST until the last has its EndpointSlice, of Services of a class that nobody serves: what the API
        server, etcd and Kubernetes' own controllers take alone."""
        slices = FirstSeen(self.cluster.plane.client('admin'), 'EndpointSlice', 'bench', endpoints_of)
        names = [f'nobodys-{i}' for i in range(count)]
        with concurrent.futures.ThreadPoolExecutor(POSTERS) as posters:
            sent = time.time()
            for post in [posters.submit(self.admin.create, service(name, 'bench', NOBODYS_CLASS)) for name in names]:
                post.result()
        return slices.wait_all(names) - sent, names

    @staticmethod
    def knock_at_routes(routes, knock, pool, count):
        """An address is tried from when the router has its first route."""
        seen = set()
        end = time.monotonic() + PATIENCE
        while len(seen) < count:
            routes.socket.settimeout(max(0.01, end - time.monotonic()))
            try:
                message = routes.socket.recv(1 << 16)
            except TimeoutError:
                raise RuntimeError(f'the router got {len(seen)} of {count} routes within {PATIENCE:.0f} s') from None
            for is_there, _, raw, _ in parse(message):
                address = ipaddress.ip_address(raw)
                if is_there and address.version == pool.version and address in pool and address not in seen:
                    seen.add(address)
                    knock.add(str(address))

    def remove(self, names):
        """Until the Services are gone, and their routes too."""
        with concurrent.futures.ThreadPoolExecutor(POSTERS) as deleters:
            list(deleters.map(lambda name: self.admin.delete('Service', name, 'bench'), names))
        eventually(lambda: not self.admin.list('Service', 'bench'), 'the Services are gone', PATIENCE)
        pool = ipaddress.ip_network(POOL)
        eventually(lambda: not [p for p in self.cluster.routes() if ipaddress.ip_network(p).version == 4 and
                                ipaddress.ip_network(p).subnet_of(pool)], 'their routes are gone', PATIENCE, 0.2)

    # --- memory ----------------------------------------------------------------------------------------------

    def memory(self):
        """MiB of each node: proportional set size of all processes of the agent's and FRR's pods. Maps that the agent has
        mapped are kernel memory, which agent.maps counts."""
        nodes = {}  # by container
        for pod in self.admin.list('Pod', NAMESPACE):
            if pod['metadata']['labels'].get('app.kubernetes.io/name') in ('lbagent', 'frr'):
                for container in pod['status']['containerStatuses']:
                    nodes[container['containerID'].rpartition('/')[2]] = pod['spec']['nodeName']
        sums = dict.fromkeys(self.cluster.nodes, 0.0)
        for path in glob.glob('/proc/[0-9]*/cgroup'):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                with open(path) as file:
                    found = re.search('[0-9a-f]{64}', file.read())
                if found and found.group() in nodes:
                    sums[nodes[found.group()]] += process.pss(path.split('/')[2])
        return list(sums.values())

    # --- rollouts --------------------------------------------------------------------------------------------

    def rollouts(self, policy, count):
        """(requests sent, lost) over that many rollouts of the application, one after the other."""
        name = f'rolled-{policy.lower()}'
        self.admin.apply(workload.service(name, 'rolled', policy, 'shop'))
        addresses = self.fairway.wait_served(name, 'rolled')
        with Traffic(self.cluster, addresses) as traffic:
            for _ in range(count):
                self.cluster.kubectl('-n', 'rolled', 'rollout', 'restart', 'deployment/shop')
                self.cluster.wait_rollout('deployment/shop', 'rolled')
            eventually(lambda: len(self.admin.list('Pod', 'rolled')) == 4, 'the old pods are gone', PATIENCE, 0.2)
        self.admin.gone('Service', name, 'rolled', patience=PATIENCE)
        return traffic.sent, traffic.failed
