# SPDX-License-Identifier: Apache-2.0
"""The status that lbcontroller writes into the objects of BGP."""
import json

from fwcluster.asked import asked
from fwlab.waiting import eventually, stays


def test_peers_have_a_status(room, agents, fairway_plane):
    admin = fairway_plane.admin
    admin.apply({'apiVersion': 'fairway.dev/v1alpha1', 'kind': 'BGPPeer', 'metadata': {'name': 'walk-tor'},
                 'spec': {'myASN': 64513, 'peerASN': 64512, 'peerAddress': '10.0.0.1'}})
    try:
        one = agents[0]
        one.client.apply({'apiVersion': 'fairway.dev/v1alpha1', 'kind': 'LBNode', 'metadata': {'name': one.node}, 'status': {
            'agentVersion': 'test', 'peers': [{'name': 'walk-tor', 'address': '10.0.0.1', 'state': 'Established',
                                               'since': '2026-01-01T00:00:00Z', 'prefixesSent': 3, 'prefixesReceived': 1, 'lastError': ''}]}},
            'lbagent', subresource='status')

        def nodes():
            return {n['name']: n for n in admin.get('BGPPeer', 'walk-tor').get('status', {}).get('nodes', [])}

        eventually(lambda: nodes().get('walk-n1', {}).get('state') == 'Established' and 'walk-n2' in nodes(), nodes)
        assert nodes() == {'walk-n1': {'name': 'walk-n1', 'state': 'Established', 'since': '2026-01-01T00:00:00Z', 'prefixesSent': 3,
                                       'prefixesReceived': 1}, 'walk-n2': {'name': 'walk-n2', 'state': 'Unknown'}}
        assert 'state: Established' in fairway_plane.kubectl('get', 'bgppeers', '-o', 'yaml')
    finally:
        admin.delete('BGPPeer', 'walk-tor')


def test_a_peers_refused_edit(controller, agents, fairway_plane):
    """Past the CRD, and refused by whoever reads it: sessions stay as they were, the status says why, and goes on telling of them"""
    admin, one = fairway_plane.admin, agents[0]

    def apply(**fields):
        return admin.apply({'apiVersion': 'fairway.dev/v1alpha1', 'kind': 'BGPPeer', 'metadata': {'name': 'walk-edit'}, 'spec': {
            'myASN': 64513, 'peerASN': 64512, 'peerAddress': '10.0.0.1',
            'nodeSelectors': [{'matchLabels': {'kubernetes.io/hostname': one.node}}], **fields}})['metadata']['generation']

    def session(state):
        one.client.apply({'apiVersion': 'fairway.dev/v1alpha1', 'kind': 'LBNode', 'metadata': {'name': one.node}, 'status': {
            'agentVersion': 'test', 'peers': [{'name': 'walk-edit', 'address': '10.0.0.1', 'state': state, 'prefixesSent': 3, 'prefixesReceived': 1,
                                               'lastError': ''}]}}, 'lbagent', subresource='status')

    def says(generation, summary, *expected):
        """Returns Valid's message"""
        def found():
            status = admin.get('BGPPeer', 'walk-edit').get('status', {})
            told = [(c['type'], c['status'], c['reason']) for c in status.get('conditions', [])]
            if told == list(expected) and (status['summary'], status['observedGeneration']) == (summary, generation):
                return status['conditions'][1]['message'] or 'fine'

        return eventually(found, lambda: f'{summary} {expected} of {generation}: {admin.get("BGPPeer", "walk-edit").get("status")}')

    up, down = ('Ready', 'True', 'Established'), ('Ready', 'False', 'NotEstablished')
    valid, refused = ('Valid', 'True', 'Valid'), ('Valid', 'False', 'Refused')
    admin.patch('Node', one.node, {'metadata': {'labels': {'kubernetes.io/hostname': one.node}}})
    try:
        good = apply()
        session('Established')
        says(good, '1/1', up, valid)
        since = fairway_plane.audit_size()
        bad = apply(holdTime='9s1us')
        assert 'spec.holdTime' in says(bad, '1/1', up, refused)
        session('Active')
        says(bad, '0/1', down, refused)
        assert 'spec.holdTime' in fairway_plane.kubectl('get', 'bgppeer', 'walk-edit', '-o', 'wide')
        written = admin.get('BGPPeer', 'walk-edit')['metadata']['resourceVersion']
        stays(lambda: admin.get('BGPPeer', 'walk-edit')['metadata']['resourceVersion'] == written, 'said once')
        patches = asked(fairway_plane, since, ['patch'], 'walk-edit')
        assert patches and not [e for e in patches if e['responseStatus']['code'] == 409], patches
        session('Established')
        says(apply(holdTime='9s'), '1/1', up, valid)
        # From the start: nobody knows which nodes it selects; one says that it has a session.
        admin.gone('BGPPeer', 'walk-edit')
        assert 'spec.holdTime' in says(apply(holdTime='9s1us'), '1/1', ('Ready', 'Unknown', 'Refused'), refused)
        says(apply(), '1/1', up, valid)
    finally:
        admin.gone('BGPPeer', 'walk-edit')


def test_advertisements_have_a_status(room, agents, fairway_plane):
    """A mistyped community or selector withdraws what was selected: who has only kubectl sees it"""
    admin, name = fairway_plane.admin, f'{room.namespace}-adv'

    def custom(kind, name, spec):
        return {'apiVersion': 'fairway.dev/v1alpha1', 'kind': kind, 'metadata': {'name': name}, 'spec': spec}

    def says(spec, *expected):
        """Applied, its conditions are (type, status, reason), of this generation; returns the messages."""
        generation = admin.apply(custom('BGPAdvertisement', name, spec))['metadata']['generation']

        def found():
            status = admin.get('BGPAdvertisement', name).get('status', {})
            told = [(c['type'], c['status'], c['reason']) for c in status.get('conditions', [])]
            return ' '.join(c['message'] for c in status['conditions']) or ' ' if told == list(expected) and status['observedGeneration'] == generation else None

        return eventually(found, lambda: f'{expected} of generation {generation}: {admin.get("BGPAdvertisement", name).get("status")}')

    valid, selecting = ('Valid', 'True', 'Valid'), ('Selecting', 'True', 'Selecting')
    pool = room.pool()
    made = [('BGPPeer', 'walk-adv'), ('BGPAdvertisement', name), ('Community', 'walk-adv')]
    try:
        admin.apply(custom('BGPPeer', 'walk-adv', {'myASN': 64513, 'peerASN': 64512, 'peerAddress': '10.0.0.1'}))
        says({'serviceIPPools': [pool]}, valid, ('Selecting', 'False', 'NoServices'))
        room.service('shop', metadata={'labels': {'tier': 'front'}})
        room.addresses('shop')
        says({'serviceIPPools': [pool]}, valid, selecting)
        says({'serviceIPPools': [pool], 'serviceSelectors': [{'matchLabels': {'tier': 'frnt'}}]}, valid, ('Selecting', 'False', 'NoServices'))
        assert 'walk-gone' in says({'serviceIPPools': [pool], 'peers': ['walk-gone']}, ('Valid', 'False', 'PeerNotFound'), ('Selecting', 'False', 'NoPeers'))
        assert 'custmer' in says({'communities': ['custmer'], 'serviceIPPools': [pool]}, ('Valid', 'False', 'UnknownCommunity'), selecting)
        head, row = fairway_plane.kubectl('get', 'bgpadv', name).splitlines()
        assert row[head.index('VALID'):].split()[:2] == ['False', 'True'], head + row
        assert 'custmer' in fairway_plane.kubectl('get', 'bgpadv', name, '-o', 'wide')
        alias = {'name': 'custmer', 'value': '64512:7'}
        admin.apply(custom('Community', 'walk-adv', {'communities': [alias, {**alias, 'name': 'a\0b'}]}))
        eventually(lambda: 'custmer is not known: Community/walk-adv, which gives it, was refused' in json.dumps(admin.get('BGPAdvertisement', name)['status']), lambda: admin.get('BGPAdvertisement', name)['status'])
        admin.apply(custom('Community', 'walk-adv', {'communities': [alias]}))
        eventually(lambda: 'UnknownCommunity' not in json.dumps(admin.get('BGPAdvertisement', name)['status']), 'the alias is known now')
        # Past the CRD, and refused by whoever reads it: the verdict is of the version that stands there.
        assert 'spec.communities' in says({'communities': ['a\0b']}, ('Valid', 'False', 'Refused'), ('Selecting', 'Unknown', 'Refused'))
        written = admin.get('BGPAdvertisement', name)['metadata']['resourceVersion']
        stays(lambda: admin.get('BGPAdvertisement', name)['metadata']['resourceVersion'] == written, 'said once')
        says({'serviceIPPools': [pool]}, valid, selecting)
    finally:
        for kind, name in made:
            admin.gone(kind, name)


def test_a_refused_edit_of_what_is_named(controller, fairway_plane):
    """A BFDProfile or Community past the CRD, and refused by whoever reads it: its status says what is wrong and what is in force"""
    admin = fairway_plane.admin
    crowd = {f'l{i}': '' for i in range(257)}
    alias = {'name': 'walk-named', 'value': '64512:7'}
    versions = {  # a good one, and one that only the server takes: its merge patch, and the field that is named
        'BFDProfile': ({'detectMultiplier': 5}, {'metadata': {'labels': crowd}}, 'metadata.labels'),
        'Community': ({'communities': [alias]}, {'spec': {'communities': [alias, {**alias, 'name': 'a\0b'}]}}, 'spec.communities[1].name')}

    def says(kind, *expected):
        """Of the newest version; returns the message."""
        def found():
            obj = admin.get(kind, 'walk-named')
            told = obj.get('status', {})
            (valid,) = told.get('conditions', [{}])
            if (valid.get('type'), valid.get('status'), valid.get('reason')) == ('Valid', *expected) and \
                    told['observedGeneration'] == valid['observedGeneration'] == obj['metadata']['generation']:
                return valid['message'] or 'fine'
        return eventually(found, lambda: f'{expected}: {admin.get(kind, "walk-named")}')

    try:
        for kind, (spec, edit, field) in versions.items():
            good = {'apiVersion': 'fairway.dev/v1alpha1', 'kind': kind, 'metadata': {'name': 'walk-named', 'labels': {}}, 'spec': spec}
            admin.create(good)
            assert says(kind, 'True', 'Valid') == 'fine'
            since = fairway_plane.audit_size()
            admin.patch(kind, 'walk-named', edit)
            message = says(kind, 'False', 'Refused')
            assert message.startswith(f'{field}: ') and '; nodes that have read its last good version go on with that' in message
            head, row = fairway_plane.kubectl('get', kind.lower(), 'walk-named', '-o', 'wide').splitlines()
            assert row[head.index('VALID'):].split()[0] == 'False' and row[head.index('REFUSED'):].startswith(field), head + row
            written = admin.get(kind, 'walk-named')['metadata']['resourceVersion']
            stays(lambda: admin.get(kind, 'walk-named')['metadata']['resourceVersion'] == written, 'said once')
            made = asked(fairway_plane, since, name='walk-named')
            assert [(e['objectRef']['subresource'], e['responseStatus']['code']) for e in made] == [('status', 200)], made
            admin.patch(kind, 'walk-named', {'metadata': {'labels': None}, 'spec': spec})
            assert says(kind, 'True', 'Valid') == 'fine'
            admin.gone(kind, 'walk-named')
            admin.create({**good, 'metadata': {**good['metadata'], **edit.get('metadata', {})}, 'spec': edit.get('spec', spec)})  # from the start
            assert says(kind, 'False', 'Refused').startswith(f'{field}: ')
    finally:
        for kind in versions:
            admin.gone(kind, 'walk-named')
