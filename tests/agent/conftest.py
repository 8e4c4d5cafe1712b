# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the agent's own tests: one node (node.py) for all of them, and what to print on failure."""
import os
import signal
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from node import Bench  # noqa: E402

# The runner stops a process by signal; the namespaces must be taken down then, too.
signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture(scope='session')
def session_bench():
    bench = Bench()
    try:
        bench.up()
        yield bench
    finally:
        bench.down()


@pytest.fixture
def bench(session_bench):
    """The node with a running agent and web/shop served; what a test changed is put back."""
    session_bench.put_shop()
    if not session_bench.agent:
        session_bench.start_agent()
    session_bench.wait_served()
    return session_bench


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    bench = getattr(item, 'funcargs', {}).get('bench')
    if report.when == 'call' and report.failed and bench is not None:
        report.sections.append(('lbagent', bench.log()[-6000:]))
