# SPDX-License-Identifier: Apache-2.0
"""lbcontroller as a process: restart, health, metrics, its end, its rights."""
import re
import signal
import urllib.error
import urllib.request

from fwcluster.asked import keeps_to_its_role
from fwcluster.install import NAMESPACE, wait_leader
from fwcluster.rules import addresses
from fwlab.waiting import eventually


def test_restart_imports_before_it_allocates(room, controller):
    """Two-phase start: whoever has an address keeps it, whatever the order of names and ages"""
    room.pool(v4=4)
    for name, wish in (('zz', room.ip4(0)), ('mm', room.ip4(1))):
        room.service(name, ips=wish)
        assert room.addresses(name) == [wish]
    controller.part.kill()
    for name in ('zz', 'mm'):
        room.edit(name, annotations={'ips': None})
    room.service('aa')
    controller.start()
    room.wait_addresses('aa', [room.ip4(2)], 30)
    assert addresses(room.get('zz')) == [room.ip4(0)] and addresses(room.get('mm')) == [room.ip4(1)]


def test_health_and_metrics(fairway_plane, controller):
    def get(path):
        with urllib.request.urlopen(f'http://127.0.0.1:{controller.port}{path}', timeout=5) as reply:
            return reply.status, reply.read().decode()

    def is_ready():
        try:
            return get('/readyz')[0] == 200
        except urllib.error.HTTPError as error:  # it leads, and its first lists are not complete
            assert error.code == 503
            return False

    assert get('/healthz')[0] == 200
    eventually(is_ready, controller.log)
    status, text = get('/metrics')
    assert status == 200 and re.search(r'^fairway_\S+ [0-9.e+]+$', text, re.M)
    for line in text.splitlines():
        assert line.startswith('#') or re.fullmatch(r'[a-z_:][a-z0-9_:]*(\{.*\})? [-+0-9.eInfNa]+', line), line


def test_sigterm_ends_it_cleanly(room, controller, fairway_plane):
    assert controller.part.stop(signal.SIGTERM) == 0, controller.log()[-2000:]
    lease = fairway_plane.admin.get('Lease', 'lbcontroller', NAMESPACE)
    assert not lease['spec'].get('holderIdentity'), 'the Lease is given up'
    controller.start()
    wait_leader(fairway_plane, [controller])


def test_it_was_never_refused(fairway_plane, controller):
    """Here, and at the end of each test_controller_*.py (the fixture says it there, too)"""
    keeps_to_its_role(fairway_plane)
