# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the laboratory's tests: one laboratory for all tests of a pytest process, and what to print on failure."""
import os
import signal
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from fwlab.lab import Lab  # noqa: E402

# The runner stops a process by signal; the laboratory must be taken down then, too.
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.default_int_handler)


def pytest_configure(config):
    config.addinivalue_line('markers', 'soak: a long repetition, run by `make soak` only')


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    lab = getattr(item, 'funcargs', {}).get('lab')
    if report.when == 'call' and report.failed and lab is not None and lab.is_up:
        report.sections.append(('the laboratory at the moment of the failure', lab.diagnosis()))


def make_lab(name, **options):
    lab = Lab(name)
    lab.up(**options)
    return lab


@pytest.fixture(scope='session')
def lab():
    """The laboratory with agents on three nodes."""
    lab = make_lab(f't{os.getpid()}')
    yield lab
    lab.down()


@pytest.fixture(scope='module')
def plain_lab():
    """The same topology with plain FRR on the nodes: proves the laboratory itself."""
    lab = make_lab(f'p{os.getpid()}', agents=False)
    yield lab
    lab.down()


@pytest.fixture
def service(lab):
    """service('web/shop', {'n1': 2}, policy='Local') -> its addresses, once they are there; removed after the test."""
    made, addresses = [], set()

    def make(key, pods=None, **options):
        made.append(key)
        lab.service(key, **options)
        if pods:
            lab.pods_add(key, pods)
        found = lab.wait_vips(key, len(options.get('families', 'xx')))
        addresses.update(found)
        return found

    yield make
    for key in made:
        names = [p['name'] for p in lab.state['pods'].values() if key in p['services']]
        lab.service_remove(key)
        for name in names:
            lab.pod_delete(name)
    lab.wait_announced(sorted(addresses), [])
