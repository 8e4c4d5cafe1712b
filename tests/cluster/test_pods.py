# SPDX-License-Identifier: Apache-2.0
"""The installed programs run under exactly what deploy/manifests gives them, as the kernel has it."""
from fwcluster.fairway import NAMESPACE
from fwcluster.install import shipped_capabilities

CAPABILITIES = {'NET_BIND_SERVICE': 10, 'NET_ADMIN': 12, 'NET_RAW': 13, 'SETGID': 6, 'SETUID': 7, 'SYS_ADMIN': 21, 'PERFMON': 38, 'BPF': 39}
PROGRAMS = {'lbagent.yaml': ('lbagent', True), 'frr.yaml': ('bgpd', False), 'lbcontroller.yaml': ('lbcontroller', True)}


def test_processes_have_what_the_manifests_say(fairway):
    seen = set()
    for manifest, (program, all_in_effect) in PROGRAMS.items():
        bits = sum(1 << CAPABILITIES[name] for name in shipped_capabilities(manifest))
        for node in fairway.cluster.nodes:
            inside = fairway.cluster.node_run(node, ['pgrep', '-x', program], check=False).split()
            for pid in inside:
                text = fairway.cluster.node_run(node, ['cat', f'/proc/{pid}/status', f'/proc/{pid}/mountinfo'])
                status = dict(line.split(':\t', 1) for line in text.splitlines() if ':\t' in line)
                root = next(line.split() for line in text.splitlines() if len(line.split()) > 6 and line.split()[4] == '/')
                assert int(status['CapBnd'], 16) == bits, (program, status['CapBnd'])
                assert int(status['CapEff'], 16) == (bits if all_in_effect else 0), (program, status['CapEff'])
                assert status['NoNewPrivs'] == '1' and status['Seccomp'] == '2', program
                assert 'ro' in root[5].split(','), f'{program}: its root can be written'
                assert status['Uid'].split()[0] == {'lbagent': '0', 'bgpd': '7900', 'lbcontroller': '65532'}[program]
                seen.add((program, node))
    assert {n for p, n in seen if p == 'lbagent'} == {n for p, n in seen if p == 'bgpd'} == set(fairway.cluster.nodes)
    assert [p for p, _ in seen if p == 'lbcontroller']


def test_nothing_was_refused(fairway):
    """As pods, under the shipped Roles and admission policy. Which rights are used: test_rights.py."""
    plane = fairway.cluster.plane
    for program in ('lbagent', 'lbcontroller'):
        user = f'system:serviceaccount:{NAMESPACE}:{program}'
        asked = [e for e in plane.audit() if e['user'].get('username') == user]
        assert len(asked) > 10, f'{program} hardly asked anything: does the audit log tell?'
        refused = [(e['verb'], e['requestURI'], e['responseStatus']) for e in plane.refusals(user)]
        assert not refused, refused[:5]
