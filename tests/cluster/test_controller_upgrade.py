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


@pytest.fixture
def old_plane():
    if missing():
        pytest.skip(missing())
    with ControlPlane() as plane:
        plane.admin.apply_all(former_installation())
        yield plane


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
