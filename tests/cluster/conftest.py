# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the cluster tests, one of each for all tests of a pytest process: the lone control plane (etcd, kube-apiserver,
kube-controller-manager), and the cluster of several nodes. A test whose programs are missing is skipped with the cure."""
import os
import signal
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from fwcluster import assets  # noqa: E402
from fwcluster.cluster import Cluster  # noqa: E402
from fwcluster.control_plane import ControlPlane, missing  # noqa: E402

# The runner stops a process by signal; everything must be taken down then, too.
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.default_int_handler)


def pytest_configure(config):
    config.addinivalue_line('markers', 'soak: a long repetition, run by `make soak` only')


@pytest.fixture(scope='session')
def control_plane():
    if missing():
        pytest.skip(missing())
    with ControlPlane() as plane:
        yield plane


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    cluster = getattr(item, 'funcargs', {}).get('cluster')
    if report.when in ('setup', 'call') and report.failed and cluster is not None and cluster.is_up:
        report.sections.append(('the cluster at the moment of the failure', cluster.diagnosis()))


@pytest.fixture(scope='session')
def cluster():
    """Three nodes and a router, nothing of Fairway installed."""
    if assets.obstacle(assets.find()):
        pytest.skip(assets.obstacle(assets.find()))
    cluster = Cluster(f'c{os.getpid()}')
    try:
        cluster.up(3)
        yield cluster
    finally:
        cluster.down()
