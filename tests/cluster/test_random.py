# SPDX-License-Identifier: Apache-2.0
"""Random edits, deletions, controller crashes and changes of leader on the real API server, checked after each step.

200 steps, and further ones until every rule had its case; always the same walk in the check, a new one of 2,000 in soak, that of
FAIRWAY_SEED=N and FAIRWAY_STEPS=N if given. After each step that came to rest:
no address twice but for allowed sharing, none moved without a cause, none leaked (what pools count is what statuses hold), and
everything as `lbctl allocate` says of the same objects: whatever was killed meanwhile.
"""
import os
import random
import signal
import time

import pytest

from fwcluster import rules
from fwcluster.client import ApiError
from fwcluster.install import Controller, leader, wait_leader
from fwlab.waiting import eventually

NAMESPACES = ['a', 'b', 'c']
N_SERVICES, N_POOLS = 14, 5
# The first row of each pool is disjoint from the others' first rows; the rest overlaps or moves away.
RANGES = [
    [['192.0.2.0/30', '2001:db8::/126'], ['192.0.2.0/29', '2001:db8::/126'], ['192.0.2.2/31']],
    [['198.51.100.252-198.51.101.3', '2001:db8:1::/64'], ['198.51.100.0/24'], ['192.0.2.3-192.0.2.9'], ['2001:db8:1::/64']],
    [['192.0.2.4-192.0.2.9'], ['192.0.2.6-192.0.2.9', '2001:db8:2::/125'], ['2001:db8::2/127']],
    [['2001:db8:3::/125'], ['203.0.113.0/29', '2001:db8:3::7/128'], ['2001:db8:3::/126']],
    [['203.0.113.7/32', '2001:db8:4::7/128'], ['203.0.113.6/31', '2001:db8:4::6/127'], ['203.0.113.0/24']],
]
WISHES = ['192.0.2.1', '192.0.2.6', '198.51.100.255', '2001:db8::1', '192.0.2.2,2001:db8::2', '203.0.113.7', '2001:db8:1::9', 'bad']
FAMILIES = [('SingleStack', ['IPv4']), ('SingleStack', ['IPv6']), ('RequireDualStack', ['IPv4', 'IPv6']),
            ('PreferDualStack', ['IPv6', 'IPv4']), ('PreferDualStack', ['IPv4', 'IPv6'])]


class Walk:
    def __init__(self, plane, controllers, oracle, seed):
        self.plane, self.admin, self.controllers, self.oracle = plane, plane.admin, controllers, oracle
        self.random = random.Random(seed)
        self.story, self.refused = [], 0
        self.seen = dict.fromkeys(('given', 'lost', 'kept', 'pending', 'shared', 'kills', 'leaders', 'bursts'), 0)

    def chance(self, percent):
        return self.random.random() * 100 < percent

    def say(self, text):
        self.story.append(text)

    # --- objects -----------------------------------------------------------------------------------------------

    def wishes(self):
        r = self.random
        return {'fairway.dev/ips': r.choice(WISHES) if self.chance(15) else None,
                'fairway.dev/pool': f'p{r.randrange(N_POOLS)}' if self.chance(10) else None}

    def sharing(self):
        return {'fairway.dev/shared-ip': self.random.choice(['key1', 'key2']) if self.chance(70) else None,
                'fairway.dev/shared-ip-namespaces': self.random.choice([None, 'a,b', '*', 'b, c'])}

    def new_service(self, namespace, name):
        policy, families = self.random.choice(FAMILIES)
        annotations = {k: v for k, v in {**self.wishes(), **self.sharing()}.items() if v}
        return {'apiVersion': 'v1', 'kind': 'Service', 'metadata': {'namespace': namespace, 'name': name, 'annotations': annotations},
                'spec': {'type': 'LoadBalancer', 'loadBalancerClass': 'other.io/lb' if self.chance(10) else rules.CLASS,
                         'selector': {'app': 'x'}, 'allocateLoadBalancerNodePorts': self.chance(20), 'ipFamilyPolicy': policy,
                         'ipFamilies': families, 'externalTrafficPolicy': 'Local' if self.chance(15) else 'Cluster',
                         'ports': [{'port': self.random.randrange(80, 86), 'protocol': 'TCP'}]}}

    def new_pool(self, i):
        ranges = RANGES[i][0] if self.chance(65) else self.random.choice(RANGES[i])
        spec = {'addresses': ranges, 'disabled': self.chance(15), 'autoAssign': not self.chance(15), 'avoidBuggyIPs': self.chance(30),
                'quota': {'perNamespace': self.random.randrange(1, 4)} if self.chance(25) else None,
                'serviceAllocation': self.random.choice([{'namespaces': ['a']}, {'namespaceSelectors': [{'matchLabels': {'team': 'red'}}]}])
                if self.chance(12) else None}
        return {'apiVersion': 'fairway.dev/v1alpha1', 'kind': 'ServiceIPPool', 'metadata': {'name': f'p{i}'},
                'spec': {k: v for k, v in spec.items() if v is not None}}

    def try_to(self, what, call):
        """The API server refuses some random edits; that is its right."""
        try:
            call()
            self.say(what)
        except ApiError as error:
            assert error.status in (404, 409, 422), error
            self.refused += 1

    # --- steps ---------------------------------------------------------------------------------------------------

    def edit(self):
        """One random edit of the objects."""
        i = self.random.randrange(N_SERVICES)
        namespace, name = NAMESPACES[i % 3], f's{i}'
        service = self.admin.find('Service', name, namespace)
        edits = [self.come_or_go] * 3 + [self.edit_wishes] * 2 + [self.edit_sharing, self.edit_families, self.edit_type]
        if not service:
            edits = [self.come_or_go]
        if self.chance(25):
            self.random.choice([self.edit_pool, self.edit_pool, self.switch_pool, self.edit_namespace, self.foreign_status])()
        else:
            self.random.choice(edits)(namespace, name, service)

    def come_or_go(self, namespace, name, service):
        if not service:
            self.try_to(f'create {namespace}/{name}', lambda: self.admin.create(self.new_service(namespace, name)))
        elif self.chance(40):
            self.try_to(f'delete {namespace}/{name}', lambda: self.admin.delete('Service', name, namespace))

    def edit_annotations(self, namespace, name, values):
        self.try_to(f'annotate {namespace}/{name} {values}',
                    lambda: self.admin.patch('Service', name, {'metadata': {'annotations': values}}, namespace))

    def edit_wishes(self, namespace, name, _):
        self.edit_annotations(namespace, name, self.wishes())

    def edit_sharing(self, namespace, name, service):
        self.edit_annotations(namespace, name, self.sharing())
        port = {**service['spec']['ports'][0], 'port': self.random.randrange(80, 86)}
        self.try_to(f'port {namespace}/{name} {port["port"]}', lambda: self.admin.patch('Service', name, {'spec': {'ports': [port]}}, namespace))

    def edit_families(self, namespace, name, service):
        first = service['spec']['ipFamilies'][0]
        policy, families = self.random.choice([('SingleStack', [first]), ('RequireDualStack', None), ('PreferDualStack', None)])
        spec = {'ipFamilyPolicy': policy, **({'ipFamilies': families, 'clusterIPs': service['spec']['clusterIPs'][:1]} if families else {})}
        self.try_to(f'families {namespace}/{name} {policy} {families}', lambda: self.admin.patch('Service', name, {'spec': spec}, namespace))

    def edit_type(self, namespace, name, service):
        balanced = rules.is_load_balancer(service)
        spec = {'type': 'ClusterIP', 'loadBalancerClass': None} if balanced else {'type': 'LoadBalancer', 'loadBalancerClass': rules.CLASS}
        self.try_to(f'type {namespace}/{name} {spec["type"]}', lambda: self.admin.patch('Service', name, {'spec': spec}, namespace))

    def edit_pool(self):
        i = self.random.randrange(N_POOLS)
        pool = self.admin.find('ServiceIPPool', f'p{i}')
        new = self.new_pool(i)
        if not pool:
            self.try_to(f'create pool p{i} {new["spec"]}', lambda: self.admin.create(new))
        elif self.chance(20):
            self.try_to(f'delete pool p{i}', lambda: self.admin.delete('ServiceIPPool', f'p{i}'))
        elif not pool['metadata'].get('deletionTimestamp'):
            pool['spec'] = new['spec']
            self.try_to(f'edit pool p{i} {new["spec"]}',
                        lambda: self.admin.replace({**pool, 'apiVersion': new['apiVersion'], 'kind': new['kind']}))

    def switch_pool(self):
        name, off = f'p{self.random.randrange(N_POOLS)}', self.chance(25)
        self.try_to(f'pool {name} disabled {off}', lambda: self.admin.patch('ServiceIPPool', name, {'spec': {'disabled': off}}))

    def edit_namespace(self):
        name, team = self.random.choice(NAMESPACES), self.random.choice(['red', 'blue'])
        self.try_to(f'namespace {name} {team}', lambda: self.admin.patch('Namespace', name, {'metadata': {'labels': {'team': team}}}))

    def foreign_status(self):
        """Another class's controller gives an address that nobody holds."""
        world = rules.World.read(self.admin)
        held = {a for s in world.services.values() for a in rules.addresses(s)}
        for key, service in world.services.items():
            wish = self.random.choice(WISHES[:4])
            if rules.is_load_balancer(service) and not rules.is_ours(service) and wish not in held:
                self.try_to(f'foreign {key} {wish}', lambda key=key, wish=wish: self.admin.patch(
                    'Service', key.split('/')[1], {'status': {'loadBalancer': {'ingress': [{'ip': wish}]}}}, key.split('/')[0],
                    subresource='status'))
                return

    # --- controllers ---------------------------------------------------------------------------------------------

    def crash(self):
        """kill -9 of the leader, and its restart: a container that comes back has its pod's name, and the Lease with it."""
        victim = next((c for c in self.controllers if c.is_leader()), self.controllers[0])
        self.say(f'kill {victim.name}')
        victim.part.kill()
        victim.start()
        self.seen['kills'] += 1

    def hand_over(self):
        old = wait_leader(self.plane, self.controllers)
        self.say(f'SIGTERM {old.name}')
        assert old.part.stop(signal.SIGTERM) in (0, -signal.SIGTERM), old.log()[-2000:]  # just started: no handler yet
        others = [c for c in self.controllers if c is not old]
        wait_leader(self.plane, others)
        old.start()
        self.seen['leaders'] += 1

    # --- checks --------------------------------------------------------------------------------------------------

    def rest(self, world):
        """Is this what lbctl makes of it, in every word that a user reads?"""
        answer, outcome = self.oracle.outcome(world)
        if world.statuses() != outcome:
            return f'addresses {world.statuses()}, lbctl says {outcome}'
        for key, service in world.services.items():
            if service['metadata'].get('deletionTimestamp'):
                return f'{key} is still there'
            if not rules.is_load_balancer(service) and (rules.addresses(service) or rules.FINALIZER in service['metadata'].get('finalizers', [])):
                return f'{key} is no LoadBalancer any more'
        return self.words_differ(world, answer) or '; '.join(rules.counted_wrong(world))

    def words_differ(self, world, answer):
        for entry in answer['services']:
            service = world.services[f'{entry["namespace"]}/{entry["name"]}']
            allocated = rules.condition(service, 'fairway.dev/Allocated')
            if not allocated or (not entry['addresses'] and (allocated['status'], allocated['reason']) != ('False', entry['reason'])):
                return f'{rules.key_of(service)}: {allocated}, lbctl says {entry["reason"]}'
            if entry['addresses'] and not entry['reason'] and allocated['status'] != 'True':
                return f'{rules.key_of(service)}: {allocated}, lbctl has no objection'
        for entry in answer['pools']:
            status = world.pools[entry['name']].get('status', {})
            ready = rules.condition(world.pools[entry['name']], 'Ready')
            if (status.get('assignedIPv4'), status.get('availableIPv4')) != (entry['assignedIPv4'], entry['availableIPv4']):
                return f'pool {entry["name"]}: {status}, lbctl says {entry}'
            if (status.get('assignedIPv6'), status.get('availableIPv6')) != (int(entry['assignedIPv6']),
                                                                            min(int(entry['availableIPv6']), (1 << 63) - 1)):
                return f'pool {entry["name"]}: {status}, lbctl says {entry}'
            if not ready or (ready['status'] == 'False' and ready['reason'] != 'Exhausted') != (not entry['ready']):
                return f'pool {entry["name"]}: {ready}, lbctl says {entry}'
        return ''

    def settle(self):
        why = []

        def settled():
            world = rules.World.read(self.admin)
            why[:] = [self.rest(world)]
            return world if not why[0] else None

        return eventually(settled, lambda: why[0], 30.0, 0.02)

    def check(self, before, after):
        assert not rules.twice(after)
        assert not rules.moved_without_cause(before, after)
        for key, addresses in after.statuses().items():
            was = before.statuses().get(key, [])
            self.seen['given'] += len(set(addresses) - set(was))
            self.seen['lost'] += len(set(was) - set(addresses))
            self.seen['kept'] += len(set(was) & set(addresses))
            self.seen['pending'] += not addresses
        flat = [a for addresses in after.statuses().values() for a in addresses]
        self.seen['shared'] += len(flat) != len(set(flat))

    def step(self, before):
        """One step; returns the world after it."""
        burst, crash = self.chance(10), self.chance(10)
        for _ in range(self.random.randrange(2, 6) if burst else 1):
            self.edit()
            if crash and self.chance(50):
                self.crash()
                crash = False
        self.seen['bursts'] += burst
        if crash:
            self.crash()
        # What one edit must lead to is known before the controller has done it, whatever happens to the controller meanwhile.
        expected = None if burst else self.expected(before)
        after = self.settle()
        if expected is not None:
            assert after.statuses() == expected
        if burst:
            assert not rules.twice(after)
        else:
            self.check(before, after)
        if self.chance(4):
            self.hand_over()
            assert self.settle().statuses() == after.statuses()
        return after

    def expected(self, before):
        """From the statuses before the edit and the objects after it."""
        world = rules.World.read(self.admin)
        if any(s['metadata'].get('deletionTimestamp') for s in [*world.services.values(), *world.pools.values()]):
            return None  # how far it got with a deletion is not known
        for key, service in world.services.items():
            was = before.services.get(key)
            if rules.is_ours(service) and was and was['metadata']['uid'] == service['metadata']['uid'] and rules.is_ours(was):
                service.setdefault('status', {})['loadBalancer'] = was.get('status', {}).get('loadBalancer', {})
            elif rules.is_ours(service):
                service.get('status', {}).pop('loadBalancer', None)
        return self.oracle.outcome(world)[1]


@pytest.fixture(scope='module')
def pair(fairway_plane):
    """Two controllers, as the Deployment has them."""
    controllers = [Controller(fairway_plane, f'lbcontroller-random-{c}') for c in 'ab']
    for controller in controllers:
        controller.start()
    try:
        yield controllers
    finally:
        for controller in controllers:
            controller.part.stop()


def test_random_walk(fairway_plane, pair):
    walk_steps(fairway_plane, pair, 200, seed=4)


@pytest.mark.soak
def test_long_random_walk(fairway_plane, pair):
    walk_steps(fairway_plane, pair, 2000, seed=int(time.time()))


def walk_steps(fairway_plane, pair, steps, seed):
    steps = int(os.environ.get('FAIRWAY_STEPS') or steps)
    seed = int(os.environ.get('FAIRWAY_SEED') or seed)
    print(f'FAIRWAY_SEED={seed} FAIRWAY_STEPS={steps}')
    admin, oracle = fairway_plane.admin, rules.Oracle()
    walk = Walk(fairway_plane, pair, oracle, seed)
    for name in NAMESPACES:
        admin.apply({'apiVersion': 'v1', 'kind': 'Namespace', 'metadata': {'name': name, 'labels': {'team': 'red'}}})
    for i in range(N_POOLS):
        admin.create(walk.new_pool(i))
    number = 0
    try:
        wait_leader(fairway_plane, pair)
        world = walk.settle()
        # A rule that never had its case was not tested.
        while number < steps or (number < 3 * steps and not all(walk.seen.values())):
            walk.say(f'-- step {number}')
            world = walk.step(world)
            number += 1
        sweep(walk)
    except (AssertionError, ApiError, OSError) as error:
        raise AssertionError(f'FAIRWAY_SEED={seed}, step {number}: {error}\nwhat was done last:\n' + '\n'.join(walk.story[-25:]) +
                             f'\nleader {leader(fairway_plane)}\n' + '\n'.join(f'{c.name}:\n{c.log()[-2500:]}' for c in pair)) from error
    finally:
        oracle.close()
    print(f'{number} steps, {walk.seen}, {walk.refused} refused by the API server')
    if steps >= 200:
        assert all(walk.seen.values()), walk.seen


def sweep(walk):
    """Everything is deleted: nothing is held by anything."""
    admin = walk.admin
    for namespace in NAMESPACES:
        for service in admin.list('Service', namespace):
            admin.delete('Service', service['metadata']['name'], namespace)
    eventually(lambda: not any(admin.list('Service', n) for n in NAMESPACES), 'all Services are gone')
    world = walk.settle()
    for name, pool in world.pools.items():
        assert (pool['status']['assignedIPv4'], pool['status']['assignedIPv6']) == (0, 0), name
        admin.delete('ServiceIPPool', name)
    eventually(lambda: not admin.list('ServiceIPPool'), lambda: f'all pools are gone: {admin.list("ServiceIPPool")}')
