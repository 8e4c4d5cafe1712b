# SPDX-License-Identifier: Apache-2.0
"""Many Services of ENDPOINTS endpoints each, all with their addresses, as objects; and a loader that puts them into an API
server as fast as that takes them.

The Services have no selector, so that no controller works on them, and their slices are written directly; without node
ports, of which there are only 2,768.
"""
import hashlib
import itertools
import json
import queue
import threading

ENDPOINTS, NODES, NAMESPACES = 10, 100, 50
POOL = '172.16.0.0/16'
PORT, TARGET_PORT = 80, 8080
CLASS = 'fairway.dev/lb'
LOADERS = 16  # connections


def digest():
    """Of this file: objects that another version of it has written are others."""
    with open(__file__, 'rb') as file:
        return hashlib.sha256(file.read()).hexdigest()[:12]


def namespace_of(i):
    return f'ns{i % NAMESPACES}'


def address_of(i):
    return f'172.16.{i // 250}.{i % 250 + 1}'


def endpoint_of(n):
    return f'10.{50 + n // 62500}.{n // 250 % 250}.{n % 250 + 1}'


def status(i):
    return {'loadBalancer': {'ingress': [{'ip': address_of(i)}]}}


def service(i):
    return {'apiVersion': 'v1', 'kind': 'Service', 'metadata': {'namespace': namespace_of(i), 'name': f's{i}'},
            'spec': {'type': 'LoadBalancer', 'loadBalancerClass': CLASS, 'ipFamilies': ['IPv4'],
                     'allocateLoadBalancerNodePorts': False,
                     'ports': [{'name': 'http', 'port': PORT, 'protocol': 'TCP', 'targetPort': TARGET_PORT}]},
            'status': status(i)}


def endpoint_slice(i, endpoints=ENDPOINTS, last=None):
    """`last`: the address of the last endpoint instead of its own."""
    numbers = range(i * ENDPOINTS, i * ENDPOINTS + endpoints)
    addresses = [endpoint_of(n) for n in numbers]
    if last:
        addresses[-1] = last
    return {'apiVersion': 'discovery.k8s.io/v1', 'kind': 'EndpointSlice', 'addressType': 'IPv4',
            'metadata': {'namespace': namespace_of(i), 'name': f's{i}-a', 'labels': {'kubernetes.io/service-name': f's{i}'}},
            'endpoints': [{'addresses': [address], 'nodeName': f'n{n % NODES}', 'conditions': {'ready': True}}
                          for n, address in zip(numbers, addresses)],
            'ports': [{'name': 'http', 'port': TARGET_PORT, 'protocol': 'TCP'}]}


def slice_path(i, name=''):
    return f'/apis/discovery.k8s.io/v1/namespaces/{namespace_of(i)}/endpointslices{name and "/" + name}'


def service_calls(i):
    """The requests that make Service i: (method, path, body) each, in their order."""
    path = f'/api/v1/namespaces/{namespace_of(i)}/services'
    obj = service(i)
    yield 'POST', path, obj
    yield 'PUT', f'{path}/s{i}/status', obj
    yield 'POST', slice_path(i), endpoint_slice(i)


def load(client, services):
    """Namespaces, Services, statuses, slices. The first refusal ends it and is raised."""
    for n in range(NAMESPACES):
        client.request('POST', '/api/v1/namespaces', {'apiVersion': 'v1', 'kind': 'Namespace', 'metadata': {'name': f'ns{n}'}})
    in_parallel(client, (list(service_calls(i)) for i in range(services)))


def in_parallel(client, work):
    """Each item of `work` is a list of calls that one connection makes in turn."""
    pending, failures = queue.SimpleQueue(), []
    for calls in itertools.chain(work, [None] * LOADERS):
        pending.put(calls)

    def run():
        try:
            while (calls := pending.get()) is not None and not failures:
                for method, path, body in calls:
                    client.request(method, path, json.dumps(body), timeout=60)
        except Exception as error:  # of any kind: it ends the others, too
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(LOADERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def change(client, i, address):
    """The last endpoint of Service i gives way to another."""
    client.request('PUT', slice_path(i, f's{i}-a'), endpoint_slice(i, last=address))
