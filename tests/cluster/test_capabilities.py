# SPDX-License-Identifier: Apache-2.0
"""lbagent with the capabilities of its DaemonSet, less one: it names the missing one and ends; and if it did not, the kernel would
refuse what it does. The node is that of tests/agent, its root is read-only as in a container; FRR's capabilities: test_manifests.py.
lbcontroller has none."""
import os
import re
import subprocess
import sys

import pytest

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), '../agent'))
from fwcluster.install import shipped_capabilities  # noqa: E402
from fwlab.waiting import eventually  # noqa: E402
from node import BUILD, VIP4, VIP6, Bench  # noqa: E402

SHIPPED = shipped_capabilities('lbagent.yaml')
# The test's own directory stays writable, as the pod's host paths do.
READ_ONLY_ROOT = 'mount --rbind "$1" "$1" && mount -o remount,bind,ro / && shift && exec "$@"'
# Not below build/san: it is no program of Fairway's.
CLAIM = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), 'build/tests/claim_capability.so')


class Contained(Bench):
    """The node's agent as a container has it."""
    claimed = None  # the capability that the agent believes to have

    def agent_command(self, *more, capabilities=None):
        command = super().agent_command(*more, capabilities=capabilities)
        if self.claimed:
            at = command.index(f'{BUILD}/lbagent')
            command[at:at] = ['env', f'CLAIM_CAPABILITY=cap_{self.claimed.lower()}', f'LD_PRELOAD={CLAIM}',
                              'ASAN_OPTIONS=verify_asan_link_order=0']
        return ['unshare', '--mount', '--propagation', 'private', '--', 'sh', '-c', READ_ONLY_ROOT, 'contained', self.directory, *command]

    def start(self, capabilities, claimed=None):
        """Returns None once it serves, or its output once it has ended."""
        self.claimed = claimed
        with open(self.log_path, 'wb') as log:
            self.agent = subprocess.Popen(self.agent_command(capabilities=[c.lower() for c in capabilities]), stdin=subprocess.DEVNULL,
                                          stdout=log, stderr=log)
        eventually(lambda: self.agent.poll() is not None or self.serves(), lambda: f'it serves or ends\n{self.log()}', 60)
        return None if self.agent.poll() is None else self.log()

    def serves(self):
        return self.services().get('web/shop', {}).get('programmed') and self.curl(VIP4) and self.curl(VIP6)


@pytest.fixture
def node():
    if os.geteuid() != 0:
        pytest.skip('needs root; cure: run as root')
    bench = Contained()
    try:
        bench.up()
        yield bench
    finally:
        bench.down()


def test_what_is_shipped_suffices(node):
    """Also with the claim of one that is there: it breaks nothing by itself."""
    for claimed in (None, SHIPPED[0]):
        assert node.start(SHIPPED, claimed) is None
        node.kill_agent()


@pytest.mark.soak
@pytest.mark.parametrize('capability', SHIPPED)
def test_lbagent_needs_each_capability(node, capability):
    left = [c for c in SHIPPED if c != capability]
    ended = node.start(left)
    assert node.agent.returncode == 1 and f'error CAP_{capability} missing: run lbagent as root' in ended
    assert not os.path.exists(node.pins)
    ended = node.start(left, claimed=capability)
    assert ended is not None, f'everything works without CAP_{capability}: take it out of deploy/manifests/lbagent.yaml and privileges.c'
    assert re.search(r' error data path: (Operation not permitted|Permission denied)$', ended, re.M), ended
