# SPDX-License-Identifier: Apache-2.0
"""The allocator's rules written a second time, on the objects as the API server has them (DESIGN section 5), and lbctl as the oracle.

`World` is one consistent enough picture of a cluster: its Services, pools and namespaces. Nothing here looks at the allocator's code.
"""
import ipaddress
import json
import os
import shutil
import subprocess
import tempfile

from fwcluster.install import BUILD

CLASS = 'fairway.dev/lb'
FINALIZER = 'service.kubernetes.io/load-balancer-cleanup'


def key_of(obj):
    return f'{obj["metadata"].get("namespace", "")}/{obj["metadata"]["name"]}'


def is_load_balancer(service):
    return service['spec'].get('type') == 'LoadBalancer'


def is_ours(service):
    return is_load_balancer(service) and service['spec'].get('loadBalancerClass') == CLASS


def addresses(service):
    return [i['ip'] for i in service.get('status', {}).get('loadBalancer', {}).get('ingress') or [] if i.get('ip')]


def condition(obj, kind):
    return next((c for c in obj.get('status', {}).get('conditions') or [] if c['type'] == kind), None)


def annotation(service, name):
    return (service['metadata'].get('annotations') or {}).get(name, '')


def ports(service):
    return {(p['protocol'], p['port']) for p in service['spec'].get('ports', [])}


def families(service):
    return set(service['spec'].get('ipFamilies') or [])


def family(address):
    return f'IPv{ipaddress.ip_address(address).version}'


def age(service):
    """Sorts the older first."""
    return (service['metadata']['creationTimestamp'], service['metadata'].get('namespace', ''), service['metadata']['name'])


def permits(service, namespace):
    wanted = [w.strip() for w in annotation(service, 'fairway.dev/shared-ip-namespaces').split(',')]
    return '*' in wanted or namespace in wanted


def may_share(a, b):
    key = annotation(a, 'fairway.dev/shared-ip')
    policies = [s['spec'].get('externalTrafficPolicy', 'Cluster') for s in (a, b)]
    selectors = [s['spec'].get('selector') or {} for s in (a, b)]
    here, there = (s['metadata']['namespace'] for s in (a, b))
    return bool(is_ours(a) and is_ours(b) and key and key == annotation(b, 'fairway.dev/shared-ip') and not ports(a) & ports(b) and
                (policies == ['Cluster', 'Cluster'] or (policies == ['Local', 'Local'] and selectors[0] and selectors[0] == selectors[1])) and
                (here == there or (permits(a, there) and permits(b, here))))


def pool_contains(pool, address):
    address = ipaddress.ip_address(address)
    for text in pool['spec']['addresses']:
        if '-' in text:
            first, last = (ipaddress.ip_address(t.strip()) for t in text.split('-'))
            if first.version == address.version and first <= address <= last:
                return True
        elif address in ipaddress.ip_network(text, strict=False):
            return True
    return False


class World:
    def __init__(self, services, pools, namespaces):
        self.services = {key_of(s): s for s in services}
        self.pools = {p['metadata']['name']: p for p in pools}
        self.namespaces = namespaces

    @classmethod
    def read(cls, client):
        def items(kind):
            return [{'apiVersion': client.resource(kind)[0], 'kind': kind, **item} for item in client.list(kind)]

        return cls([s for s in items('Service') if s['metadata']['namespace'] != 'default' or s['metadata']['name'] != 'kubernetes'],
                   items('ServiceIPPool'), items('Namespace'))

    def statuses(self):
        """{key: addresses} of all Services of ours."""
        return {k: addresses(s) for k, s in sorted(self.services.items()) if is_ours(s)}

    def in_any_pool(self, address):
        return any(pool_contains(p, address) for p in self.pools.values())

    def in_pool(self, name, address):
        return name in self.pools and pool_contains(self.pools[name], address)


# --- the oracle ----------------------------------------------------------------------------------------------


class Oracle:
    """`lbctl allocate` on the objects of a World, round by round until nothing changes: what a controller must come to."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix=f'fairway-oracle-{os.getpid()}-')

    def close(self):
        shutil.rmtree(self.directory, ignore_errors=True)

    def round(self, objects):
        with open(f'{self.directory}/world.json', 'w') as file:
            json.dump({'apiVersion': 'v1', 'kind': 'List', 'items': objects}, file)
        done = subprocess.run([f'{BUILD}/lbctl', 'allocate', '--manifests', self.directory, '-o', 'json'], capture_output=True, text=True,
                              timeout=60)
        assert done.returncode in (0, 1) and done.stdout, done.stderr
        return json.loads(done.stdout)

    def outcome(self, world, most=40):
        """The last round's answer, and {key: addresses}."""
        objects = json.loads(json.dumps([*world.services.values(), *world.pools.values(), *world.namespaces]))
        services = {key_of(o): o for o in objects if o['kind'] == 'Service'}
        for _ in range(most):
            answer = self.round(objects)
            changed = False
            for entry in answer['services']:
                service = services[f'{entry["namespace"]}/{entry["name"]}']
                changed |= addresses(service) != entry['addresses']
                service.setdefault('status', {})['loadBalancer'] = {'ingress': [{'ip': a} for a in entry['addresses']]}
            if not changed:
                return answer, {f'{e["namespace"]}/{e["name"]}': e['addresses'] for e in answer['services']}
        raise AssertionError('lbctl allocate never comes to rest')


# --- what must hold ------------------------------------------------------------------------------------------


def twice(world):
    """Pairs that hold one address and must not."""
    bad = []
    holders = [(k, s) for k, s in sorted(world.services.items()) if is_load_balancer(s)]
    for i, (left, a) in enumerate(holders):
        for right, b in holders[i + 1:]:
            common = set(addresses(a)) & set(addresses(b))
            if common and (is_ours(a) or is_ours(b)) and not may_share(a, b):
                bad.append((left, right, sorted(common)))
    return bad


def asks_for_something_else(world, service, before, address):
    pool = annotation(service, 'fairway.dev/pool')
    wishes = [w.strip() for w in annotation(service, 'fairway.dev/ips').split(',') if w.strip()]
    wishes += [service['spec']['loadBalancerIP']] if service['spec'].get('loadBalancerIP') else []
    held = addresses(before)
    return bool((pool and any(not world.in_pool(pool, a) for a in held)) or any(w != address and w not in held for w in wishes))


def lost_to_older(before, after, service, address):
    return any(address in addresses(was) and key in after.services and is_load_balancer(after.services[key]) and
               age(after.services[key]) < age(service) and not may_share(after.services[key], service)
               for key, was in before.services.items() if key != key_of(service))


def moved_without_cause(before, after):
    """Addresses that a Service lost for no reason that the rules know."""
    bad = []
    for key, was in before.services.items():
        now = after.services.get(key)
        if not now or not is_ours(was) or not is_ours(now) or was['metadata']['uid'] != now['metadata']['uid']:
            continue
        for address in set(addresses(was)) - set(addresses(now)):
            if not (not after.in_any_pool(address) or family(address) not in families(now) or
                    asks_for_something_else(after, now, was, address) or lost_to_older(before, after, now, address)):
                bad.append((key, address, addresses(now)))
    return bad


def counted_wrong(world):
    """Pools whose status counts other addresses than the statuses of Services hold; finalizers that are there without need or not."""
    bad = []
    held = {a for s in world.services.values() if is_load_balancer(s) for a in addresses(s)}
    for name, pool in world.pools.items():
        status = pool.get('status', {})
        for version, field in ((4, 'assignedIPv4'), (6, 'assignedIPv6')):
            n = len([a for a in held if ipaddress.ip_address(a).version == version and pool_contains(pool, a)])
            if status.get(field) != n and not overlaps(world, name):
                bad.append(f'pool {name}: {field} {status.get(field)}, in statuses {n}')
    for key, service in world.services.items():
        has = FINALIZER in (service['metadata'].get('finalizers') or [])
        if has and not is_ours(service):
            bad.append(f'service {key}: not ours, with our finalizer')
        if addresses(service) and is_ours(service) and not has:
            bad.append(f'service {key}: {addresses(service)} without a finalizer')
    return bad


def overlaps(world, name):
    """Of an address in two pools only one counts it."""
    mine = [ipaddress_range(t) for t in world.pools[name]['spec']['addresses']]
    return any(a[0].version == b[0].version and a[0] <= b[1] and b[0] <= a[1] for other, pool in world.pools.items() if other != name
               for a in mine for b in map(ipaddress_range, pool['spec']['addresses']))


def ipaddress_range(text):
    if '-' in text:
        return tuple(ipaddress.ip_address(t.strip()) for t in text.split('-'))
    network = ipaddress.ip_network(text, strict=False)
    return network[0], network[-1]
