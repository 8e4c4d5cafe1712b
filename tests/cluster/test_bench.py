# SPDX-License-Identifier: Apache-2.0
"""The benchmark's parts that need a cluster work: each of their figures once, with few Services. How large they are is not looked at."""
import json
import os
import subprocess
import sys

from fwlab.lab import SOURCE

sys.path.insert(0, f'{SOURCE}/bench')

AGENT = ['start', 'sync', 'wire', 'rss', 'maps', 'endpoint-written.p50', 'endpoint-written.p99', 'endpoint-change.p50', 'endpoint-change.p99']
KUBE_PROXY = ['start', 'sync', 'wire', 'rss', 'endpoint-written.p50', 'endpoint-change.p50']


def test_all_figures_of_the_api_server(control_plane):
    done = subprocess.run([f'{SOURCE}/bench/api_cost', '--services', '60', '--rounds', '2', '--changes', '5', '--proxy-changes', '2',
                           '--fresh', '--build', os.environ.get('FAIRWAY_BUILD', f'{SOURCE}/build')], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    results = {r['name']: r for r in map(json.loads, done.stdout.splitlines())}
    names = [*(f'agent.{name}' for name in AGENT), *(f'kube-proxy.{name}' for name in KUBE_PROXY), 'controller.rss']
    assert sorted(results) == sorted(f'{name}.60x10' for name in names)
    for result in results.values():
        assert result['min'] > 0 and result['runs'] >= 1 and result['better'] == 'lower', result
    assert results['agent.start.60x10']['runs'] == 2


def test_all_figures_of_a_user(fairway):
    from clustercost.waits import Waits
    waits = Waits(fairway)
    waits.prepare()
    assert all(size > 1 for size in waits.memory())
    one = waits.one_service('one')
    assert 0 < one['status'] <= one['http'] and 0 < one['route'], one
    took, names = waits.many_services(8)
    assert took > 0 and len(names) == 8
    waits.remove(names)
    took, names = waits.many_services_floor(8)
    assert took > 0 and len(names) == 8
    waits.remove(names)
    sent, lost = waits.rollouts('Local', 1)
    assert lost == 0 and sent > 100
    waits.clean()
