# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the cluster tests. One of each for all tests of a pytest process: the lone control plane (etcd, kube-apiserver,
kube-controller-manager), and the cluster of several nodes. One for each file: lbcontroller. A test whose programs are missing is skipped with the cure."""
import os
import re
import signal
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from fwcluster import assets, fairway as fairway_module  # noqa: E402
from fwcluster.agent_voice import Agent  # noqa: E402
from fwcluster.asked import keeps_to_its_role  # noqa: E402
from fwcluster.cluster import Cluster  # noqa: E402
from fwcluster.control_plane import ControlPlane, missing  # noqa: E402
from fwcluster.install import Controller, install, wait_leader  # noqa: E402
from fwcluster.room import Room  # noqa: E402

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


@pytest.fixture(scope='session')
def fairway_plane(control_plane):
    """The control plane with Fairway's CRDs, service accounts and Roles as deploy/manifests has them; no program of it runs."""
    install(control_plane)
    return control_plane


@pytest.fixture(scope='module')
def controller(fairway_plane, request):
    """The lbcontroller of a file's tests; whatever they made it do, it kept to its Role."""
    controller = Controller(fairway_plane, f'lbcontroller-{request.module.__name__.removeprefix("test_controller_")}').start()
    try:
        wait_leader(fairway_plane, [controller])
        yield controller
    finally:
        controller.part.stop()
    keeps_to_its_role(fairway_plane)


@pytest.fixture
def room(fairway_plane, controller, request):
    if not controller.part.running():
        controller.start()
    room = Room(fairway_plane, re.sub('[^a-z]+', '-', request.node.name.removeprefix('test_')))
    yield room
    if not controller.part.running():
        controller.start()
    room.close()


@pytest.fixture
def agents(fairway_plane):
    """Two nodes that say what the test makes them say."""
    agents = [Agent(fairway_plane, f'walk-n{i}') for i in (1, 2)]
    yield agents
    for agent in agents:
        agent.close()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    cluster = getattr(item, 'funcargs', {}).get('cluster') or getattr(getattr(item, 'funcargs', {}).get('fairway'), 'cluster', None)
    if report.when in ('setup', 'call') and report.failed and cluster is not None and cluster.is_up:
        report.sections.append(('the cluster at the moment of the failure', cluster.diagnosis()))
    controller = getattr(item, 'funcargs', {}).get('controller')
    if report.failed and controller is not None:
        report.sections.append(('lbcontroller', controller.log()[-5000:]))


@pytest.fixture(scope='session')
def cluster():
    """Three nodes and a router. Fairway's images are there, nothing of it is installed."""
    problem = assets.obstacle(assets.find())
    if problem:
        pytest.skip(problem)
    cluster = Cluster(f'c{os.getpid()}')
    try:
        with_images = not fairway_module.missing(cluster.build)
        cluster.up(3, *(fairway_module.archives(cluster.build), fairway_module.next_tags()) if with_images else ())
        yield cluster
    finally:
        cluster.down()


@pytest.fixture(scope='session')
def fairway(cluster):
    """Fairway installed on the cluster, with a pool and a BGP session from each node to the router in each family."""
    absent = fairway_module.missing(cluster.build)
    assert not absent, f'{", ".join(absent)}: not there; cure: make images'
    fairway = fairway_module.Fairway(cluster)
    with fairway.watch:
        fairway.install()
        fairway.configure()
        yield fairway
