# SPDX-License-Identifier: Apache-2.0
"""lbcontroller ahead of its CRDs and Roles, as an upgrade that changes the image first has it: addresses are given all the same, what
is missing is told once with the cure, and with `kubectl apply` all is well."""
import re

import pytest
from fwcluster.asked import asked
from fwcluster.control_plane import ControlPlane, missing
from fwcluster.install import WORKLOADS, Controller, manifests, wait_leader
from fwcluster.room import Room
from fwcluster.rules import condition
from fwlab.waiting import eventually, stays

NO_STATUS = 'CustomResourceDefinition/bfdprofiles.fairway.dev: has no status (HTTP 404 for that of BFDProfile/'
NO_LIST = 'API server: our role does not let us list and watch communities (HTTP 403; apply the Roles of this version)'


NO_RIGHT = ': status not written: HTTP 403 Forbidden: services '
GRANTED = 'services/status may be written again'


def without_status_of_services():
    objects = [obj for obj in manifests() if obj['kind'] not in WORKLOADS]
    for obj in objects:
        if obj['kind'] == 'ClusterRole' and obj['metadata']['name'] == 'fairway-lbcontroller':
            obj['rules'] = [rule for rule in obj['rules'] if 'services/status' not in rule['resources']]
    return objects


def former_installation():
    """bfdprofiles without status, lbcontroller's role without communities."""
    objects = [obj for obj in manifests() if obj['kind'] not in WORKLOADS]
    for obj in objects:
        if obj['metadata']['name'] == 'bfdprofiles.fairway.dev':
            for version in obj['spec']['versions']:
                del version['subresources'], version['additionalPrinterColumns']
        if obj['kind'] == 'ClusterRole' and obj['metadata']['name'] == 'fairway-lbcontroller':
            for rule in obj['rules']:
                rule['resources'] = [r for r in rule['resources'] if not r.startswith('communities')]
    return objects


def plane_with(objects):
    if missing():
        pytest.skip(missing())
    with ControlPlane() as plane:
        plane.admin.apply_all(objects)
        yield plane


@pytest.fixture
def old_plane():
    yield from plane_with(former_installation())


@pytest.fixture
def poor_plane():
    yield from plane_with(without_status_of_services())


def custom(kind, name, **spec):
    return {'apiVersion': 'fairway.dev/v1alpha1', 'kind': kind, 'metadata': {'name': name}, 'spec': spec}


def test_ahead_of_crds_and_roles(old_plane):
    admin = old_plane.admin
    controller = Controller(old_plane).start()

    def valid(kind, name):
        return condition(admin.get(kind, name), 'Valid')

    try:
        wait_leader(old_plane, [controller])
        admin.apply_all([custom('BFDProfile', 'one'), custom('BFDProfile', 'two'), custom('BGPPeer', 'tor', myASN=64513, peerASN=64512, peerAddress='192.0.2.1'),
                         custom('Community', 'ours', communities=[{'name': 'customer', 'value': '64512:7'}]),
                         custom('BGPAdvertisement', 'all', communities=['customer'])])
        room = Room(old_plane, 'upgrade')
        pool = room.pool()
        room.service('shop')
        assert room.addresses('shop') == [room.ip4(0)]
        room.pool_is(pool)
        eventually(lambda: condition(admin.get('BGPPeer', 'tor'), 'Ready'), lambda: admin.get('BGPPeer', 'tor'))
        # Told for the one that was answered first.
        name = eventually(lambda: re.search(f'{re.escape(NO_STATUS)}(\\w+)', controller.log()), controller.log, 60).group(1)
        tried = len(asked(old_plane, name=name))
        stays(lambda: len(asked(old_plane, name=name)) == tried, 'asked no more')
        assert controller.log().count(NO_STATUS) == controller.log().count(NO_LIST) == 1, controller.log()
        assert not admin.get('BGPAdvertisement', 'all').get('status'), 'its community is not unknown'
        room.gone('shop')
        admin.apply_all([obj for obj in manifests() if obj['kind'] not in WORKLOADS])
        eventually(lambda: valid('Community', 'ours'), controller.log, 60)
        assert eventually(lambda: valid('BGPAdvertisement', 'all'), controller.log)['status'] == 'True'
        admin.apply(custom('BFDProfile', 'one', detectMultiplier=5))
        assert eventually(lambda: valid('BFDProfile', 'one'), controller.log)['status'] == 'True'
        assert controller.log().count(NO_STATUS) == controller.log().count(NO_LIST) == 1, controller.log()
    finally:
        controller.part.stop()
        print(controller.log()[-5000:])


def test_a_status_that_the_role_lacks(poor_plane):
    """Told once, with the cure; not each Service is tried again and again; all at once when it is granted."""
    controller = Controller(poor_plane).start()
    names = [f's{i}' for i in range(12)]

    def refused():
        return len([e for e in asked(poor_plane, verbs=('patch',)) if e.get('objectRef', {}).get('resource') == 'services' and
                    e['responseStatus']['code'] == 403])

    try:
        wait_leader(poor_plane, [controller])
        room = Room(poor_plane, 'poor')
        room.pool(v4=16)
        for name in names:
            room.service(name)
        eventually(lambda: NO_RIGHT in controller.log(), controller.log, 60)
        stays(lambda: refused() < 2 * len(names), 'each once, and one now and then')
        poor_plane.admin.apply_all([obj for obj in manifests() if obj['kind'] == 'ClusterRole'])
        eventually(lambda: GRANTED in controller.log(), controller.log, 60)
        assert sorted(a for name in names for a in room.addresses(name)) == sorted(room.ip4(i) for i in range(12))
        assert controller.log().count(NO_RIGHT) == controller.log().count(GRANTED) == 1, controller.log()
    finally:
        controller.part.stop()
        print(controller.log()[-5000:])
