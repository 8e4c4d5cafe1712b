# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the cluster tests: the lone control plane (etcd, kube-apiserver, kube-controller-manager), one for all tests of
a pytest process. A test whose programs are missing is skipped with the cure."""
import os
import signal
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from fwcluster.control_plane import ControlPlane, missing  # noqa: E402

# The runner stops a process by signal; everything must be taken down then, too.
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.default_int_handler)


@pytest.fixture(scope='session')
def control_plane():
    if missing():
        pytest.skip(missing())
    with ControlPlane() as plane:
        yield plane
