# SPDX-License-Identifier: Apache-2.0
"""The CustomResourceDefinitions against a real API server: it takes what our own decoders take and refuses what they refuse, for
manifests mode has no API server in front, and an object may be older than the rule that forbids it."""
import glob
import json
import os
import re
import subprocess

import pytest
import yaml
from fwcluster.client import ApiError
from fwlab.waiting import eventually

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get('FAIRWAY_BUILD', f'{ROOT}/build')
API = 'fairway.dev/v1alpha1'
KINDS = ('ServiceIPPool', 'BGPPeer', 'BGPAdvertisement', 'BFDProfile', 'Community')
PEER = {'myASN': 64513, 'peerASN': 64512, 'peerAddress': '192.0.2.1'}
POOL = {'addresses': ['192.0.2.0/24']}


def selector(**words):
    return [words]


def expression(operator, *values, key='rack'):
    return selector(matchExpressions=[{'key': key, 'operator': operator, **({'values': list(values)} if values else {})}])


def peer(**fields):
    return 'BGPPeer', {name: value for name, value in {**PEER, **fields}.items() if value is not None}


def pool(*addresses, **fields):
    return 'ServiceIPPool', {'addresses': list(addresses), **fields} if addresses else {**POOL, **fields}


def advertisement(**fields):
    return 'BGPAdvertisement', fields


def toleration(**fields):
    return advertisement(drainOnTaints={'enabled': True, 'tolerations': [fields]})


def profile(**fields):
    return 'BFDProfile', fields


def community(value, name='customer'):
    return 'Community', {'communities': [{'name': name, 'value': value}]}


GOOD = [
    pool('192.0.2.0/24'), pool('2001:db8::/112'), pool('192.0.2.10-192.0.2.20'), pool('192.0.2.10 - 192.0.2.20'), pool('192.0.2.7/32'),
    pool('2001:db8::1-2001:db8::ff'), pool('198.51.100.9-198.51.100.9', '2001:DB8::/64'), pool('10.0.0.0/8', '::2-::ff'),
    pool(*[f'10.0.{i // 256}.{i % 256}/32' for i in range(1000)]), pool(autoAssign=False, avoidBuggyIPs=True, disabled=True),
    pool(serviceAllocation={}), pool(serviceAllocation={'priority': 0, 'namespaces': ['a', 'B c']}), pool(quota={'perNamespace': 0}),
    pool(serviceAllocation={'priority': 2147483647, 'namespaceSelectors': selector(matchLabels={'team': 'x'}),
                            'serviceSelectors': expression('In', 'a', 'b')}),
    pool(nodeSelectors=expression('Exists')), pool(nodeSelectors=expression('DoesNotExist', key='x' * 1024)), pool(nodeSelectors=[{}]),
    pool(nodeSelectors=selector(matchLabels={'x' * 317: ''})), pool(nodeSelectors=[{}] * 64), pool(nodeSelectors=[]),
    peer(), peer(peerASN=None, dynamicASN='internal'), peer(peerASN=0, dynamicASN='external'), peer(dynamicASN=''), peer(myASN=4294967295),
    peer(peerAddress=None, interface='eth0'), peer(peerAddress='', interface='e.1@x'), peer(peerAddress='2001:db8::1', interface=''),
    peer(peerAddress='fd00::1', sourceAddress='fd00::2'), peer(sourceAddress='192.0.2.2'), peer(sourceAddress=''), peer(peerAddress='127.0.0.1'),
    peer(peerAddress='169.254.1.1'), peer(peerPort=1), peer(peerPort=65535), peer(routerID='10.0.0.1'), peer(routerID=''),
    peer(holdTime='9s', keepaliveTime='3s'), peer(holdTime='0s'), peer(holdTime='0'), peer(holdTime='1m30s', keepaliveTime='90s'), peer(holdTime='3s'),
    peer(holdTime='90'), peer(holdTime='3000ms'), peer(holdTime='1000000000us'), peer(holdTime='65535000ms'), peer(holdTime='1.5m'),
    peer(holdTime='', keepaliveTime='5s'), peer(holdTime='18h12m15s'),
    peer(keepaliveTime='65535s'), peer(holdTime='0s', keepaliveTime='0s'), peer(connectTime='1s'), peer(gracefulRestartTime='4095s', enableGracefulRestart=True),
    peer(allowASIn=0), peer(allowASIn=10), peer(ebgpMultiHop=True, ebgpMultiHopTTL=255), peer(ttlSecurity=254), peer(ebgpMultiHop=True, ttlSecurity=0),
    peer(vrf='red'), peer(addressFamilies=['ipv4', 'ipv6']), peer(addressFamilies=[]), peer(addressFamilies=['ipv6'] * 8),
    peer(maxPrefixesReceived=4294967295), peer(localASN=0), peer(passwordSecret={'name': ''}), peer(password=''), peer(bfdProfile=''), peer(passwordSecret={}),
    peer(nodeSelectors=expression('NotIn', 'a')), peer(unheardOf=1), ('BGPPeer', {**PEER, 'localASN': None, 'peerPort': None}),
    advertisement(), ('BGPAdvertisement', None), advertisement(advertisementType=''), advertisement(advertisementType='PodCIDR'),
    advertisement(serviceIPPools=['public'] * 256, peers=['tor']), advertisement(aggregationLength=1, aggregationLengthV6=128),
    advertisement(localPref=4294967295, maxNextHops=2147483647, onlyNodesWithEndpoints=True), advertisement(communities=['65535:65281', 'no such one']),
    advertisement(communities=['1:1'] * 64), toleration(operator='Exists'), toleration(key='a', value='b', effect='NoExecute'), toleration(key='a', operator=''),
    toleration(key='a', operator='Exists', effect=''), advertisement(drainOnTaints={}), advertisement(serviceIPPoolSelectors=expression('In', '')),
    profile(), ('BFDProfile', None), profile(receiveInterval=10, transmitInterval=60000, detectMultiplier=255, echoInterval=10, echoMode=True,
                                             passiveMode=True, minimumTtl=1),
    community('64512:100'), community('0:65535'), community('large:4294967295:0:1'), community('no-export'), community('local-AS'), community('00001:1'),
    community('1:1', name='not ours'), ('Community', {}), ('Community', {'communities': []}), ('Community', None),
]

BAD = [
    pool(''), pool('192.0.2.1'), pool('192.0.2.0/33'), pool('192.0.2.0/24 '), pool(' 192.0.2.1-192.0.2.2'), pool('192.0.2.1/24'), pool('2001:db8::1/64'),
    pool('192.0.2.1-2001:db8::1'), pool('192.0.2.1-192.0.2.2-192.0.2.3'), pool('192.0.2.1-'), pool('-192.0.2.1'), pool('192.0.2.300/24'),
    pool('192.0.02.0/24'), pool('192.0.2/24'), pool('0.0.0.0/0'), pool('::/0'), pool('127.0.0.0/8'), pool('169.254.0.0/24'), pool('224.0.0.0/8'),
    pool('240.0.0.0/4'), pool('fe80::/64'), pool('ff02::/64'), pool('::1/128'), pool('::ffff:192.0.2.0/120'), pool('0.0.0.1-0.0.0.9'),
    pool('::1-::9'), pool('fe80::1-fe80::2'), pool('192.0.2.1%eth0-192.0.2.2'), pool('fe80::1%eth0/128'), pool('192.0.2.0/+24'), pool('example.net'),
    ('ServiceIPPool', {}), ('ServiceIPPool', {'addresses': []}), ('ServiceIPPool', {'addresses': '192.0.2.0/24'}), ('ServiceIPPool', None), pool(7),
    pool(*['192.0.2.0/32'] * 1001), pool(autoAssign='yes'), pool(serviceAllocation={'priority': -1}), pool(serviceAllocation={'priority': 2147483648}),
    pool(serviceAllocation={'priority': 1.5}), pool(serviceAllocation={'namespaces': ['a'] * 257}), pool(serviceAllocation={'namespaces': ['a' * 1025]}),
    pool(serviceAllocation=[]), pool(quota={'perNamespace': -1}), pool(quota=5), pool(nodeSelectors=[{}] * 65), pool(nodeSelectors={}),
    pool(nodeSelectors=expression('In')), pool(nodeSelectors=expression('Exists', 'a')), pool(nodeSelectors=expression('Near', 'a')),
    pool(nodeSelectors=expression('In', 'a', key='')), pool(nodeSelectors=expression('In', *'a' * 257)), pool(nodeSelectors=['rack']),
    pool(nodeSelectors=selector(matchLabels={'': 'a'})), pool(nodeSelectors=selector(matchLabels={'x' * 318: 'a'})),
    pool(nodeSelectors=selector(matchLabels={'a': 7})), pool(nodeSelectors=selector(matchExpressions=[{'key': 'rack'}])),
    pool(nodeSelectors=selector(matchExpressions=[{'operator': 'Exists'}])), pool(nodeSelectors=selector(matchLabels={f'l{i}': '' for i in range(65)})),
    ('BGPPeer', None), ('BGPPeer', {}), peer(myASN=None), peer(myASN=0), peer(myASN=4294967296), peer(myASN='64513'), peer(peerASN=None), peer(peerASN=0),
    peer(dynamicASN='external'), peer(peerASN=None, dynamicASN='any'), peer(localASN=-1), peer(peerAddress=None), peer(peerAddress=''),
    peer(interface='eth0'), peer(peerAddress='192.0.2.300'), peer(peerAddress='tor.example.net'), peer(peerAddress='192.0.2.1/32'),
    peer(peerAddress='0.0.0.0'), peer(peerAddress='::'), peer(peerAddress='224.0.0.5'), peer(peerAddress='ff02::1'), peer(peerAddress='fe80::1'),
    peer(peerAddress='fe80::1%eth0'), peer(peerAddress='::ffff:192.0.2.1'), peer(peerAddress=' 192.0.2.1'), peer(peerAddress='192.0.2.01'),
    peer(peerAddress=None, interface='a b'), peer(peerAddress=None, interface='.'), peer(peerAddress=None, interface='..'),
    peer(peerAddress=None, interface='-x'), peer(peerAddress=None, interface='a/b'), peer(peerAddress=None, interface='a:b'),
    peer(peerAddress=None, interface='e' * 16), peer(peerAddress=None, interface='eth0\n'), peer(peerAddress=None, interface='\u00e9'),
    peer(peerPort=0), peer(peerPort=65536), peer(sourceAddress='fd00::1'), peer(sourceAddress='x'), peer(routerID='::1'), peer(routerID='0.0.0.0'),
    peer(routerID='1'), peer(holdTime='2s'), peer(holdTime='1500ms'), peer(holdTime='soon'), peer(holdTime='-3s'), peer(holdTime='1000h'),
    peer(holdTime='65536'), peer(holdTime='9s', keepaliveTime='10s'), peer(holdTime='0', keepaliveTime='10s'), peer(holdTime='9 s'), peer(holdTime='+9s'),
    peer(holdTime='99999999999999999999'), peer(keepaliveTime='.s'), peer(connectTime='0s'), peer(gracefulRestartTime='4096s'), peer(allowASIn=11),
    peer(allowASIn=-1), peer(ebgpMultiHop=True, ttlSecurity=1), peer(ebgpMultiHop=True, peerASN=64513), peer(ebgpMultiHopTTL=256), peer(ttlSecurity=255),
    peer(ebgpMultiHop=True, peerASN=None, dynamicASN='internal'), peer(vrf='a b'), peer(vrf='r' * 16), peer(addressFamilies=['ipv5']),
    peer(addressFamilies=['ipv4'] * 9), peer(addressFamilies='ipv4'), peer(maxPrefixesReceived=4294967296), peer(password='secret'), peer(bfdProfile='A'),
    peer(passwordSecret={'name': 'A B'}), peer(passwordSecret={'name': 'a' * 254}), peer(passwordSecret={'name': 'a..b'}),
    advertisement(advertisementType='PodCidr'), advertisement(serviceIPPools=['a'] * 257), advertisement(peers='tor'), advertisement(aggregationLength=0),
    advertisement(aggregationLength=33), advertisement(aggregationLengthV6=129), advertisement(localPref=4294967296), advertisement(localPref=-1),
    advertisement(communities=['1:1'] * 65), advertisement(maxNextHops=-1), advertisement(onlyNodesWithEndpoints='true'), advertisement(drainOnTaints=True),
    toleration(), toleration(value='a'), toleration(key='a', operator='Exists', value='b'), toleration(key='a', operator='Like'),
    toleration(key='a', effect='Never'), toleration(key=7),
    profile(receiveInterval=9), profile(receiveInterval=60001), profile(transmitInterval=0), profile(detectMultiplier=1), profile(detectMultiplier=256),
    profile(echoInterval=5), profile(minimumTtl=0), profile(minimumTtl=255), profile(echoMode=1), profile(receiveInterval='300'),
    community('65536:1'), community('1:65536'), community('1'), community('1:2:3'), community('large:1:2'), community('large:4294967296:0:0'),
    community('no-such'), community(''), community('1:1', name=''), community('-1:1'), community(' 1:1'), community(1),
    ('Community', {'communities': [{'name': 'a'}]}), ('Community', {'communities': ['a']}), ('Community', {'communities': [{'name': 'a', 'value': '1:1'}] * 257}),
]

# Every difference that we know of, with its reason. An order of addresses, or what lies between two of them, cannot be told within the
# cost that an API server allows for 1,000 entries: such a pool is taken, and its status says Invalid.
ONLY_THE_SERVER_TAKES = [
    pool('192.0.2.20-192.0.2.10'), pool('2001:db8::2-2001:db8::1'), pool('126.255.255.0-128.0.0.9'), pool('fe00::1-fec0::1'),
    pool('192.0.2.1\n-192.0.2.2'),  # other blanks than ours around the dash
    peer(holdTime='9s1us'),  # whole seconds are told by milliseconds
    advertisement(communities=['a\u0000b']),  # U+0000 in a text that is only compared
    ('Community', {'communities': [{'name': 'a\u0000b', 'value': '64512:1'}]}),
]
# The schema has one type for each field.
ONLY_OUR_DECODERS_TAKE = [peer(holdTime=9), peer(passwordSecret='tor')]


def name(index):
    return f'c{index:04}'


def build_object(index, kind, spec):
    return {'apiVersion': API, 'kind': kind, 'metadata': {'name': name(index)}, **({} if spec is None else {'spec': spec})}


@pytest.fixture(scope='module')
def admin(control_plane):
    control_plane.kubectl('apply', '-k', f'{ROOT}/deploy/crds')
    for kind in (*KINDS, 'LBNode'):
        eventually(lambda: known(control_plane.admin, kind), f'the API server knows {kind}')
    return control_plane.admin


def known(client, kind):
    try:
        client.resources.clear()
        client.list(kind)
    except ApiError as error:
        assert error.status in (404, 429), error  # 429: the storage of a new kind is not ready yet
        return False
    return True


def what_the_server_refuses(admin, cases):
    """{name: message}"""
    refused = {}
    for index, case in enumerate(cases):
        try:
            admin.create(build_object(index, *case), dryRun='All')
        except ApiError as error:
            assert error.status in (400, 422), error
            refused[name(index)] = error.message
    return refused


def run(program, *words):
    """A program's output; 1 says that something was found to be wrong."""
    done = subprocess.run([f'{BUILD}/{program}', *words], capture_output=True, text=True, timeout=60)
    assert done.returncode in (0, 1), done.stderr
    return done


def what_we_refuse(directory, cases):
    """{name: message}: by the decoders, Communities whose values are none, and pools that lbcontroller calls Invalid."""
    for index, case in enumerate(cases):
        with open(f'{directory}/{name(index)}.json', 'w') as file:
            json.dump(build_object(index, *case), file)
    refused = {}
    for line in run('lbagent', '--check-config', '--manifests', directory).stderr.splitlines():
        if ' error ' in line:
            refused.setdefault(*re.search(r' error \w+/(c\d{4}): (.*)', line).groups())
    for problem in json.loads(run('lbctl', 'plan', '--manifests', directory, '--node', 'n1', '-o', 'json').stdout)['problems']:
        if problem['object'].startswith('Community/') and ': not a community: ' in problem['message']:
            refused.setdefault(problem['object'].split('/')[1], problem['message'])
    for entry in json.loads(run('lbctl', 'allocate', '--manifests', directory, '-o', 'json').stdout)['pools']:
        if entry['reason'] == 'Invalid':
            refused.setdefault(entry['name'], entry['message'])
    return refused


def differences(cases, expected, ours, servers):
    """Lines about cases whose verdict is not as expected: (ours, the server's), true is refused."""
    return [f'{kind} {json.dumps(spec)[:200]}: ours: {ours.get(name(index), "taken")}; the server: {servers.get(name(index), "taken")}'
            for index, (kind, spec) in enumerate(cases) if (name(index) in ours, name(index) in servers) != expected]


@pytest.mark.parametrize('cases, expected', [(GOOD, (False, False)), (BAD, (True, True)), (ONLY_THE_SERVER_TAKES, (True, False)),
                                             (ONLY_OUR_DECODERS_TAKE, (False, True))], ids=['good', 'bad', 'server-only', 'decoders-only'])
def test_verdicts(admin, tmp_path, cases, expected):
    wrong = differences(cases, expected, what_we_refuse(tmp_path, cases), what_the_server_refuses(admin, cases))
    assert not wrong, '\n'.join(wrong)


def golden_objects():
    """(kind, spec) of every object of ours in the golden cases."""
    found = []
    for path in sorted(glob.glob(f'{ROOT}/tests/golden/*/**/*.yaml', recursive=True)):
        try:
            with open(path) as file:
                documents = list(yaml.safe_load_all(file))
        except (yaml.YAMLError, UnicodeDecodeError):  # a case of broken files
            continue
        for document in documents:
            items = document.get('items', [document]) if isinstance(document, dict) else []
            found += [(item['kind'], item.get('spec')) for item in items if isinstance(item, dict) and item.get('kind') in KINDS and
                      item.get('apiVersion') == API]
    return found


def test_golden_objects(admin, tmp_path):
    """What the golden cases are made of is taken, but for what they show to be refused."""
    cases = golden_objects()
    ours, servers = what_we_refuse(tmp_path, cases), what_the_server_refuses(admin, cases)
    wrong = differences(cases, (False, False), ours, servers)
    unequal = [line for line in wrong if ('ours: taken' in line or 'the server: taken' in line) and 'runs backwards' not in line]
    assert len(cases) > 50 and len(wrong) < len(cases) / 2
    assert not unequal, '\n'.join(unequal)


@pytest.mark.parametrize('case, said', [
    (pool('192.0.2.1/24'), 'spec.addresses[0]: Invalid value: "192.0.2.1/24": a CIDR with host bits: write the first address of the network'),
    (pool('192.0.2.1'), 'neither a CIDR nor FIRST-LAST: write for example'),
    (peer(password='secret'), 'spec.password: Invalid value: plain passwords are not taken: put it into a Secret'),
    (peer(peerASN=None), 'spec.peerASN: Invalid value: one of peerASN and dynamicASN is needed'),
    (peer(interface='eth0'), 'spec.interface: Invalid value: peerAddress and interface exclude each other: leave one of them out'),
    (peer(holdTime='2s'), 'spec.holdTime: Invalid value: too short: write 0s for no hold timer, or at least 3s'),
    (peer(holdTime='9 s'), 'spec.holdTime: Invalid value: "9 s": not a duration: write for example 90s or 1m30s'),
    (peer(keepaliveTime='.s', holdTime='soon'), 'spec.keepaliveTime: Invalid value: ".s": not a duration: write for example 90s or 1m30s'),
    (peer(holdTime='2562048h'), 'spec.holdTime: Invalid value: "2562048h": not a duration: write for example 90s or 1m30s'),  # more than CEL reckons with
    (peer(holdTime='99999h' * 5), f'spec.holdTime: Invalid value: "{"99999h" * 5}": out of range: write at most 65535s'),
    (peer(holdTime='999999999s' * 3), f'spec.holdTime: Invalid value: "{"999999999s" * 3}": out of range: write at most 65535s'),
    (peer(vrf='a b'), 'spec.vrf: Invalid value: "a b": not an interface\'s name: write for example eth0'),
    (peer(bfdProfile='A'), 'spec.bfdProfile: Invalid value: "A": not the name of a BFDProfile: write lower-case letters'),
    (peer(passwordSecret={'name': 'a..b'}), 'spec.passwordSecret.name: Invalid value: "a..b": not the name of a Secret: write'),
    (community('x'), 'not a community: write for example 64512:100'),
], ids=['host-bits', 'no-range', 'password', 'no-asn', 'two-ways', 'hold-time', 'no-time', 'no-times', 'huge-time', 'sum-of-hours', 'sum-of-seconds', 'vrf', 'profile', 'secret', 'community'])
def test_messages_say_what_to_write(admin, case, said):
    (message,) = what_the_server_refuses(admin, [case]).values()
    assert said in message
    assert 'secret"' not in message and 'evaluating rule' not in message and 'should match' not in message


def test_defaults_are_those_of_the_decoders(admin):
    spec = {kind: admin.create(build_object(0, kind, spec), dryRun='All').get('spec')
            for kind, spec in (peer(), pool(), advertisement(), ('BFDProfile', None))}
    assert {k: v for k, v in spec['BGPPeer'].items() if k not in PEER} == {
        'peerPort': 179, 'enableGracefulRestart': False, 'ebgpMultiHop': False}
    assert {k: v for k, v in spec['ServiceIPPool'].items() if k != 'addresses'} == {'autoAssign': True, 'avoidBuggyIPs': False, 'disabled': False}
    assert spec['BGPAdvertisement'] == {'advertisementType': 'Service', 'aggregationLength': 32, 'aggregationLengthV6': 128, 'onlyNodesWithEndpoints': False}
    assert spec['BFDProfile'] == {'receiveInterval': 300, 'transmitInterval': 300, 'detectMultiplier': 3, 'echoInterval': 50, 'echoMode': False,
                                  'passiveMode': False, 'minimumTtl': 254}


def test_kubectl_get_tells_the_state(admin, control_plane):
    now = '2026-01-01T00:00:00Z'
    ready = {'type': 'Ready', 'status': 'True', 'reason': 'Ready', 'message': '', 'lastTransitionTime': now}
    statuses = {
        'ServiceIPPool': {'assignedIPv4': 3, 'availableIPv4': 253, 'assignedIPv6': 0, 'availableIPv6': 9223372036854775807, 'conditions': [ready]},
        'BGPPeer': {'summary': '2/3', 'nodesSelected': 3, 'nodesEstablished': 2, 'conditions': [{**ready, 'status': 'False', 'reason': 'NotEstablished'},
                                                                                                         {**ready, 'type': 'Valid', 'reason': 'Valid'}],
                    'nodes': [{'name': 'n1', 'state': 'Active', 'since': now, 'prefixesSent': 0, 'prefixesReceived': 0, 'lastError': 'x'}]},
        'BGPAdvertisement': {'observedGeneration': 1, 'conditions': [{**ready, 'type': 'Valid', 'reason': 'Valid'},
                                                                     {**ready, 'type': 'Selecting', 'status': 'False', 'reason': 'NoServices'}]},
        'BFDProfile': {'observedGeneration': 1, 'conditions': [{**ready, 'type': 'Valid', 'reason': 'Valid'}]},
        'Community': {'observedGeneration': 1, 'conditions': [{**ready, 'type': 'Valid', 'status': 'False', 'reason': 'Refused'}]},
        'LBNode': {'agentVersion': '0.1.0', 'services': {'total': 12, 'programmed': 11, 'announced': 10}, 'conditions': [ready],
                   'groups': [{'programmed': True, 'announcedTo': ['tor'], 'unannouncedFamilies': ['IPv6'], 'reason': '', 'message': '',
                               'services': ['web/shop=192.0.2.10,2001:db8::a']}],
                   'peers': [{'name': 'tor', 'address': '192.0.2.1', 'state': 'Established', 'since': now, 'prefixesSent': 1, 'prefixesReceived': 0,
                              'lastError': ''}], 'interfaces': [{'name': 'eth0', 'hook': 'xdp', 'message': ''}]}}
    rows = {}
    for kind, spec in (pool(), peer(), advertisement(peers=['tor']), profile(), community('64512:100'), ('LBNode', None)):
        obj = {**build_object(0, kind, spec), 'metadata': {'name': 'shown'}}
        admin.apply(obj)
        admin.apply({**{k: v for k, v in obj.items() if k != 'spec'}, 'status': statuses[kind]}, subresource='status')
        head, row = control_plane.kubectl('get', kind.lower(), 'shown').splitlines()
        assert len(head.split()) >= len(row.split())
        rows[kind] = row.split()[:-1]  # without its age
        admin.delete(kind, 'shown')
    assert rows == {'ServiceIPPool': ['shown', '["192.0.2.0/24"]', 'true', '3', '253', '0', '9223372036854775807', 'True', 'Ready'],
                    'BGPPeer': ['shown', '192.0.2.1', '64512', '64513', '2/3', 'False', 'True'],
                    'BGPAdvertisement': ['shown', 'Service', '["tor"]', '32', '128', 'True', 'False'],
                    'BFDProfile': ['shown', '300', '300', '3', 'false', 'True'],
                    'Community': ['shown', 'customer', '64512:100', 'False'],
                    'LBNode': ['shown', 'True', '12', '11', '10', '0.1.0']}
    assert 'serviceippools.fairway.dev' in control_plane.kubectl('api-resources', '--categories=fairway', '-o', 'name')


def test_an_agent_writes_the_lbnode_of_its_own_node_alone(admin, control_plane):
    """RBAC cannot say it, so a policy does (deploy/manifests/own-node.yaml). The token is as kubelet would ask for it: it bears the node."""
    control_plane.kubectl('apply', '-k', f'{ROOT}/deploy/manifests')
    node = admin.create({'apiVersion': 'v1', 'kind': 'Node', 'metadata': {'name': 'mine'}})
    agent = control_plane.client(token=control_plane.token('fairway-system', 'lbagent', bound_to=node))
    nameless = control_plane.client(token=control_plane.token('fairway-system', 'lbagent'))
    for other in ('mine', 'others'):
        admin.delete('LBNode', other)

    def verdict(client, of):
        obj = {'apiVersion': API, 'kind': 'LBNode', 'metadata': {'name': of}}
        try:
            client.create(obj, dryRun='All')
        except ApiError as error:
            return error.message
        return ''
    # The policy itself takes a moment to be in force.
    eventually(lambda: 'its own node alone' in verdict(agent, 'others'), lambda: f'refused: {verdict(agent, "others")}')
    assert 'its own node alone' in verdict(nameless, 'mine')
    assert verdict(agent, 'mine') == '' and verdict(admin, 'others') == ''
    agent.create({'apiVersion': API, 'kind': 'LBNode', 'metadata': {'name': 'mine'}})
    admin.create({'apiVersion': API, 'kind': 'LBNode', 'metadata': {'name': 'others'}})
    for of, allowed in (('mine', True), ('others', False)):
        status = {'apiVersion': API, 'kind': 'LBNode', 'metadata': {'name': of}, 'status': {'agentVersion': '0.1.0'}}
        try:
            agent.apply(status, manager='lbagent', subresource='status')
            assert allowed
        except ApiError as error:
            assert not allowed and error.status in (403, 422) and 'its own node alone' in error.message
    admin.delete('Node', 'mine')


def test_the_largest_report_of_a_node_is_taken(admin):
    """As large as userspace/agent/node_report.h lets it become: a refused report would tell nothing at all."""
    longest = f'{"n" * 63}/{"s" * 63}=' + ','.join(f'2001:db8:ffff:ffff:ffff:ffff:ffff:{i:04x}' for i in range(16))
    groups = [{'programmed': False, 'announcedTo': ['p' * 253], 'reason': 'NoRoomInMaps', 'message': f'{i:0200}', 'services': [longest]}
              for i in range(800)]
    peers = [{'name': 'p' * 253, 'address': '2001:db8:ffff:ffff:ffff:ffff:ffff:ffff', 'state': 'Established', 'since': '2026-01-01T00:00:00Z',
              'prefixesSent': 4294967295, 'prefixesReceived': 4294967295, 'lastError': 'e' * 200}] * 64
    services = {'total': 10000, 'programmed': 10000, 'announced': 10000, 'omitted': 99200, 'sampled': True, 'omittedReleasing': 99200}
    obj = {'apiVersion': API, 'kind': 'LBNode', 'metadata': {'name': 'large'}}
    admin.create(obj)
    admin.apply({**obj, 'status': {'agentVersion': '0.1.0', 'services': services, 'groups': groups, 'peers': peers}}, subresource='status')
    status = admin.get('LBNode', 'large')['status']
    assert len(status['groups']) == 800 and status['services'] == services
    admin.delete('LBNode', 'large')
