# SPDX-License-Identifier: Apache-2.0
"""The laboratory's part of the benchmark works: all of its figures, each once. How large they are is not looked at."""
import json
import subprocess
import sys

import pytest

from fwlab import netns
from fwlab.lab import SOURCE

sys.path.insert(0, f'{SOURCE}/bench')
from labcost.route_watch import RouteWatch  # noqa: E402

MEASURES = [f'lab.{measure}.{family}{variant}' for measure in ('throughput.tcp', 'throughput.udp', 'connect-rate')
            for family in ('v4', 'v6') for variant in ('', '.routing', '.nftables', '.routing.offload')]
TIMES = ['bgp.announce.1', 'bgp.announce.100', 'bgp.announce.10000', 'bgp.withdraw.1', 'bgp.silent-node',
         'bgp.announce.1.beside-10000', 'bgp.withdraw.1.beside-10000']


def test_all_figures_of_the_benchmark(lab):
    """It checks itself that the router's table is exact with 10,000 routes and without, and that no session went."""
    done = subprocess.run([f'{SOURCE}/bench/lab_cost', '--build', lab.build, '--quick'], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    results = {r['name']: r for r in map(json.loads, done.stdout.splitlines())}
    assert sorted(results) == sorted(MEASURES + TIMES)
    for result in results.values():
        assert result['min'] > 0 and result['runs'] >= 1, result
        assert result['baseline'] in ('', *results), result
        assert result['better'] == ('lower' if result['unit'] == 'ms' else 'higher'), result


@pytest.mark.parametrize('prefix, via', [('203.0.113.7/32', '198.51.100.2'), ('2001:db8:f::7/128', '2001:db8:c::2')])
def test_route_watch_tells_what_the_kernel_does(lab, prefix, via):
    watch = RouteWatch(lab.ns('tor'))
    try:
        netns.run(['ip', '-n', lab.ns('tor'), 'route', 'add', prefix, 'via', via, 'proto', 'bgp'])
        watch.wait([prefix], True, 20)
        with pytest.raises(RuntimeError, match='1 of 1 routes not gone'):
            watch.wait([prefix], False, 0.1)
        netns.run(['ip', '-n', lab.ns('tor'), 'route', 'del', prefix])
        watch.wait([prefix], False, 20)
    finally:
        watch.close()
        netns.run(['ip', '-n', lab.ns('tor'), 'route', 'del', prefix], check=False)
