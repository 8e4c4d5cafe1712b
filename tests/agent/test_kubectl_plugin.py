# SPDX-License-Identifier: Apache-2.0
"""kubectl-fairway with a kubectl of this test in $PATH: what is run, what is passed on, what is said when it cannot be."""
import json
import os
import subprocess

import pytest

from node import BUILD

KUBECTL = '''#!/bin/sh
printf '%s\\n' "$@" "<end>" >> "$CALLS"
case "$*" in
*" pods "*) cat "$PODS"; exit "${PODS_STATUS:-0}" ;;
*) echo from the pod; exit 1 ;;
esac
'''


@pytest.fixture
def plugin(tmp_path):
    (tmp_path / 'bin').mkdir()
    for name, text in (('bin/kubectl', KUBECTL), ('pods', 'n2 lbagent-b True\nn1 lbagent-a True\n')):
        (tmp_path / name).write_text(text)
    (tmp_path / 'bin/kubectl').chmod(0o755)
    os.symlink(os.path.abspath(f'{BUILD}/lbctl'), tmp_path / 'kubectl-fairway')
    environment = {'PATH': f'{tmp_path}/bin:/usr/bin:/bin', 'CALLS': f'{tmp_path}/calls', 'PODS': f'{tmp_path}/pods'}

    def run(*words, **more):
        (tmp_path / 'calls').write_text('')
        done = subprocess.run([tmp_path / 'kubectl-fairway', *words], capture_output=True, text=True, timeout=30,
                              env={**environment, **more})
        calls = (tmp_path / 'calls').read_text().split('<end>\n')[:-1]
        return done, [call.splitlines() for call in calls]

    run.path = tmp_path
    return run


def test_it_execs_lbctl_in_the_agents_pod(plugin):
    done, calls = plugin('--context', 'c', 'svc', 'ls', '-n', 'web', '--node', 'n2')
    assert (done.returncode, done.stdout, done.stderr) == (1, 'from the pod\n', '')  # the pod's exit code is ours
    assert calls[0][:5] == ['--context', 'c', 'get', 'pods', '--namespace']
    assert calls[1] == ['--context', 'c', 'exec', '--namespace', 'fairway-system', 'lbagent-b', '--container', 'lbagent', '--',
                        'lbctl', 'svc', 'ls', '-n', 'web']


def test_without_a_node_it_says_which(plugin):
    done, calls = plugin('why', '$(touch x)')
    assert done.stderr == 'node n1 (--node says another)\n' and calls[1][-2:] == ['why', '$(touch x)']


def test_what_cannot_be_is_said_in_one_line(plugin):
    done, calls = plugin('drops', '--node', 'n9')
    assert done.returncode == 3 and len(calls) == 1
    assert done.stderr == 'kubectl fairway: no pod of lbagent runs on node n9; there is one on: n2, n1\n'
    done, _ = plugin('drops', PODS_STATUS='1')
    assert done.returncode == 3 and 'the pods of lbagent cannot be listed' in done.stderr
    (plugin.path / 'pods').write_text('')
    done, _ = plugin('-n', 'elsewhere', 'drops')
    assert done.returncode == 3 and 'no pod of lbagent in namespace elsewhere' in done.stderr
    done, _ = plugin('drops', PATH='/nonexistent')
    assert (done.returncode, done.stderr) == (3, 'kubectl fairway: kubectl is not found in $PATH: it is what reaches the cluster\n')


def test_offline_commands_and_help_run_here(plugin):
    manifests = plugin.path / 'manifests'
    manifests.mkdir()
    (manifests / 'a.json').write_text(json.dumps({'apiVersion': 'v1', 'kind': 'Node', 'metadata': {'name': 'n1'}}))
    done, calls = plugin('plan', '--manifests', str(manifests), '--node', 'n1', '-o', 'json')
    assert json.loads(done.stdout)['node'] == 'n1' and not calls
    for words in (('help',), ('--help',), ('svc', 'ls', '--help'), ('svc', '--help')):
        done, calls = plugin(*words)
        assert done.returncode == 0 and 'kubectl fairway' in done.stdout and not calls, words
    for words in ((), ('svc',), ('nonsense',), ('--node',), ('--context', 'c', 'plan')):
        done, calls = plugin(*words)
        assert done.returncode == 2 and done.stderr and not calls, words
