# SPDX-License-Identifier: Apache-2.0
"""lbagent and lbctl on one node, with the real kernel: what an operator does and sees."""
import json
import os
import re
import signal
import socket
import subprocess
import threading

from node import BUILD, POD4, POD6, REMOTE4, REMOTE6, VIP4, VIP6
from fwlab.waiting import eventually
from fwlab import netns

CONTRACT = ['namespace', 'name', 'addresses', 'ports', 'policy', 'mode', 'backendsReady', 'backendsTotal', 'localBackends',
            'programmed', 'announcedTo', 'flows', 'packets', 'bytes', 'drops', 'problem']
COMMANDS = [('svc', 'ls'), ('svc', 'ls', '-A'), ('svc', 'ls', '-n', 'web'), ('svc', 'show', 'web/shop'), ('pool', 'ls'),
            ('bgp', 'routes'), ('node', 'show'), ('flow', 'ls'), ('drops',)]


def test_a_client_reaches_the_pod(bench):
    for address in (VIP4, VIP6):
        answer = bench.curl(address)
        assert answer and answer['pod'] == 'pod-1', address
        assert answer['client'].startswith(('198.51.100.2', '[2001:db8:1::2]', '2001:db8:1::2'))


def test_svc_ls_is_the_contract(bench):
    bench.curl(VIP4)
    answer = bench.lbctl_json('svc', 'ls')
    assert list(answer) == ['node', 'generation', 'services'] and answer['node'] == 'n1'
    shop = bench.services()['web/shop']
    assert list(shop) == CONTRACT
    assert shop['addresses'] == [VIP4, VIP6] and shop['ports'] == ['80/TCP', '5000/UDP']
    assert shop['programmed'] is True and shop['policy'] == 'Cluster' and shop['problem'] == ''
    assert (shop['backendsReady'], shop['backendsTotal'], shop['localBackends']) == (1, 1, 1)
    assert shop['announcedTo'] == []
    eventually(lambda: bench.services()['web/shop']['packets'] > 0, 'packets are counted')
    assert bench.services()['web/shop']['bytes'] > 0


def test_every_command_prints_every_format(bench):
    for words in COMMANDS:
        for output in ('text', 'wide', 'json', 'yaml'):
            done = bench.lbctl(*words, '-o', output)
            assert done.returncode == 0 and done.stdout and '\033' not in done.stdout, (words, output, done)
        json.loads(bench.lbctl(*words, '-o', 'json').stdout)
    table = bench.lbctl('svc', 'ls').stdout.splitlines()
    assert table[0].split()[:4] == ['NAMESPACE', 'NAME', 'VIP', 'PORTS']
    assert table[1].split()[:4] == ['web', 'shop', f'{VIP4},{VIP6}', '80/TCP,5000/UDP']
    assert 'up0' in bench.lbctl('node', 'show').stdout


def test_colour_and_units_are_for_terminals(bench):
    lbctl = os.path.join(os.path.dirname(bench.agent_command()[3]), 'lbctl')
    command = f'{lbctl} svc show web/shop --run-dir {bench.run_dir}'

    def on_terminal(environment):
        return subprocess.run(['script', '-qec', command, '/dev/null'], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                              env={**os.environ, 'TERM': 'xterm', **environment}).stdout

    for _ in range(20):
        bench.curl(VIP4)
    assert '\033[32myes' in on_terminal({}) and re.search(r'Bytes: +[0-9.]+ KiB', on_terminal({}))
    plain = on_terminal({'NO_COLOR': '1'})
    assert '\033' not in plain and 'KiB' not in plain


def test_exit_codes(bench):
    assert bench.lbctl('svc', 'ls', '-n', 'nobody').returncode == 0
    assert bench.lbctl('svc', 'show', 'nothing').returncode == 1
    assert bench.lbctl('svc', 'show').returncode == 2
    assert bench.lbctl('svc', 'ls', '-o', 'xml').returncode == 2
    assert bench.lbctl('flow', 'ls', '--vip', '300.1.1.1').returncode == 2
    with open('/dev/full', 'w') as full:
        lbctl = os.path.join(os.path.dirname(bench.agent_command()[3]), 'lbctl')
        done = subprocess.run([lbctl, 'allocate', '--manifests', bench.manifests, '-o', 'json'], stdout=full, stderr=subprocess.PIPE)
        assert done.returncode == 1 and b'standard output' in done.stderr
    away = subprocess.run([os.path.join(os.path.dirname(bench.agent_command()[3]), 'lbctl'), 'svc', 'ls', '--socket', '/nonexistent/a.sock'],
                          capture_output=True, text=True)
    assert away.returncode == 3 and '/nonexistent/a.sock' in away.stderr


def test_why_names_the_announcement(bench):
    done = bench.lbctl('why', 'svc/shop')
    assert done.returncode == 1 and 'first broken step: announcement' in done.stdout
    assert re.search(r'maps +yes', done.stdout)


def test_flows_are_listed_and_filtered(bench):
    with socket_to(bench, VIP4) as connection:
        connection.request()
        flows = bench.lbctl_json('flow', 'ls', '--vip', VIP4, '--client', '198.51.100.2')['flows']
        mine = [f for f in flows if f['clientPort'] == connection.port]
        assert mine and mine[0]['backend'] == POD4 and mine[0]['vipPort'] == 80 and mine[0]['protocol'] == 'TCP'
        assert not bench.lbctl_json('flow', 'ls', '--backend', '10.9.9.9')['flows']
        assert len(bench.lbctl_json('flow', 'ls', '--limit', '1')['flows']) == 1


def test_probes_and_metrics(bench):
    assert '200 OK' in bench.get('/healthz') and '"ready": true' in bench.get('/readyz')
    metrics = bench.get('/metrics')
    assert re.search(r'^fairway_frontends 4$', metrics, re.M)
    assert re.search(r'^fairway_source_delivered 1$', metrics, re.M)
    assert 'fairway_drops_total{reason="' in metrics
    assert re.search(r'^fairway_ready 1$', metrics, re.M)
    assert re.search(r'^fairway_service_accepted{namespace="web",service="shop"} 1$', metrics, re.M)
    assert re.search(r'^fairway_services_without_metrics 0$', metrics, re.M)
    assert '404' in bench.get('/v1/nothing').splitlines()[0]


def test_http_serves_probes_alone(bench):
    bench.kill_agent(signal.SIGTERM)
    bench.start_agent('--http-address', '[::]:7472', '--metrics-services', '0')
    bench.wait_served()
    try:
        for host in ('127.0.0.1', '[::1]'):
            assert '"ready": true' in bench.http(f'http://{host}:7472/readyz')
            assert bench.http(f'http://{host}:7472/healthz').startswith('HTTP/1.1 200')
        metrics = bench.http('http://127.0.0.1:7472/metrics')
        assert 'fairway_services_accepted 1\n' in metrics.replace('\r', '')
        assert 'web' not in metrics  # more Services than --metrics-services: no label grows with their number
        for path in ('/v1/services', '/v1/node', '/v1/bgp/peers', '/', '/metrics/../v1/node'):
            answer = bench.http(f'http://127.0.0.1:7472{path}', '--path-as-is')
            assert answer.startswith('HTTP/1.1 404') and 'web' not in answer, path
        assert bench.http('http://127.0.0.1:7472/healthz', '-X', 'POST', '-d', 'x').startswith('HTTP/1.1 405')
        assert bench.http('http://127.0.0.1:7472/metrics', '-H', 'A: ' + 'x' * 100000).startswith('HTTP/1.1 4')
        assert '200 OK' in bench.get('/v1/node')  # the socket still has everything
        with Holder(bench.node, '127.0.0.2', 7472, 40):  # a neighbour that keeps connections open
            assert '"ready": true' in bench.http('http://127.0.0.1:7472/readyz')
    finally:
        bench.kill_agent(signal.SIGTERM)
        bench.start_agent()
        bench.wait_served()


def test_a_taken_http_port_is_said(bench):
    bench.kill_agent(signal.SIGTERM)
    with subprocess.Popen(netns.enter(bench.node, ['python3', '-c', 'import socket, time; s = socket.create_server(("127.0.0.1", 7472)); '
                                                   'print("there", flush=True); time.sleep(60)']), stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        done = bench.run_agent('--http-address', '127.0.0.1:7472')
        other.kill()
    assert done.returncode == 1 and '--http-address 127.0.0.1:7472: Address already in use' in done.stderr
    bench.start_agent()
    bench.wait_served()


def test_a_problem_is_shown_and_logged_once(bench):
    bench.service('web/bad', ['198.51.100.1'])  # the node's own address
    shown = eventually(lambda: bench.services().get('web/bad', {}).get('problem'), 'the problem is shown')
    assert '198.51.100.1' in shown
    assert bench.lbctl('svc', 'show', 'bad').returncode == 1
    bench.service('web/other', ['203.0.113.77'])
    eventually(lambda: bench.services().get('web/other', {}).get('programmed'), 'another round has passed')
    assert len(re.findall(r'problem: Service/web/bad', bench.log())) == 1
    bench.world.service_remove('web/bad')
    bench.world.service_remove('web/other')
    eventually(lambda: 'web/bad' not in bench.services() and 'solved: Service/web/bad' in bench.log(), 'it is solved')
    assert bench.curl(VIP4)


def test_a_refused_object_is_explained(bench):
    bench.service('web/wrong', ['203.0.113.60'], ports=[('http', 70000, 8080, 'TCP')])
    try:
        eventually(lambda: '70000' in bench.services().get('web/wrong', {}).get('problem', ''), 'the reason is told')
        done = bench.lbctl('why', 'svc/web/wrong')
        assert done.returncode == 1 and 'the object was refused when it was read: spec.ports[0].port' in done.stdout
        assert bench.lbctl('svc', 'show', 'wrong').returncode == 1
        assert 'there is no service' in bench.lbctl('svc', 'show', '-n', 'other', 'wrong').stderr
    finally:
        bench.world.service_remove('web/wrong')


def test_an_annotation_without_effect_is_told(bench):
    bench.service('web/typo', ['203.0.113.61'], annotations={'fairway.dev/forwarding-mod': 'snat'})
    try:
        says = 'metadata.annotations[fairway.dev/forwarding-mod]: there is no such annotation: ignored; the nearest is fairway.dev/forwarding-mode'
        eventually(lambda: f'problem: {says}\n' in bench.lbctl('why', 'svc/web/typo').stdout, 'lbctl why tells it')
        assert 'no such annotation' in bench.lbctl('svc', 'show', 'web/typo').stdout
        assert 'no such annotation' in bench.services()['web/typo']['problem']
    finally:
        bench.world.service_remove('web/typo')


def test_a_removed_service_goes(bench):
    bench.service('web/gone', ['203.0.113.20', '2001:db8:ff::20'])
    bench.world.pod_set('pod-1', services=['web/shop', 'web/gone'])
    eventually(lambda: bench.curl('203.0.113.20', limit=1), 'it answers')
    bench.world.service_remove('web/gone')
    bench.world.pod_set('pod-1', services=['web/shop'])
    eventually(lambda: 'fairway_frontends 4\n' in bench.get('/metrics'), 'its frontends are deleted')
    assert not bench.curl('203.0.113.20', limit=1)
    assert bench.curl(VIP4) and bench.curl(VIP6)


def test_a_withdrawal_that_nobody_confirms_is_given_up(bench):
    """There is a peer, but no bgpd answers: the frontend stays until routers must have given the node up, then it goes."""
    bench.world.fairway('BGPPeer', 'tor', {'myASN': 64513, 'peerASN': 64512, 'peerAddress': '198.51.100.2'})
    bench.service('web/gone', ['203.0.113.20'])
    bench.world.pod_set('pod-1', services=['web/shop', 'web/gone'])
    try:
        eventually(lambda: bench.curl('203.0.113.20', limit=1), 'it answers')
        bench.world.service_remove('web/gone')
        bench.world.pod_set('pod-1', services=['web/shop'])
        eventually(lambda: 'web/gone' not in bench.services() and '"converged": false' in bench.get('/readyz'), 'it is no longer planned')
        assert bench.curl('203.0.113.20')
        eventually(lambda: 'fairway_frontends 4\n' in bench.get('/metrics'), 'its frontends are deleted')
        assert 'without a confirmed withdrawal' in bench.log()
    finally:
        bench.world.remove('BGPPeer', 'tor')
    assert bench.curl(VIP4)


def test_without_endpoints_clients_are_refused(bench):
    bench.world.pod_set('pod-1', ready=False)
    try:
        eventually(lambda: bench.services()['web/shop']['backendsReady'] == 0, 'no endpoint is ready')
        done = subprocess.run(netns.enter(bench.client, ['curl', '-s', '-m', '10', f'http://{VIP4}/']))
        assert done.returncode == 7  # refused, not a timeout
    finally:
        bench.world.pod_set('pod-1', ready=True)
    eventually(lambda: bench.curl(VIP4, limit=1), 'it answers again')


def test_a_leaving_pods_refusal_is_kept_from_the_client(bench):
    """Policy Local; the pod's socket is closed, its endpoint still serves while it terminates. Another node has a ready one."""
    vips = ['203.0.113.21', '2001:db8:ff::21']
    bench.service('web/leaving', vips, policy='Local', ports=[('http', 80, 8090, 'TCP')])
    # The ready one first: a family whose slice lacked it would tell its client the truth.
    bench.world.pod_set('ready', services=['web/leaving'], ip4=REMOTE4, ip6=REMOTE6, node='n2', ready=True)
    bench.world.pod_set('leaving', services=['web/leaving'], ip4=POD4, ip6=POD6, node='n1', ready=True, terminating=True)
    clients, listening = [], None

    def begin():
        clients[:] = [subprocess.Popen(netns.enter(bench.client, ['curl', '-s', '-g', '-m', '120', '-o', '/dev/null', f'http://{host}/']))
                      for host in (vips[0], f'[{vips[1]}]')]

    def ends():
        """Their SYNs come again in growing intervals."""
        return [client.wait(130) for client in clients]

    def kept():
        return {d['reason']: d['packets'] for d in bench.lbctl_json('drops')['drops']}.get('refused_while_leaving', 0)

    try:
        eventually(lambda: bench.services().get('web/leaving', {}).get('programmed'), 'it is served')
        begin()
        eventually(lambda: kept() >= 4, 'both SYNs are refused, and refused when they come again')
        assert [c.poll() for c in clients] == [None, None]
        bench.kill_agent(signal.SIGKILL)
        bench.start_agent()
        before = kept()
        eventually(lambda: kept() > before, 'the next agent leaves it so', 40)
        assert [c.poll() for c in clients] == [None, None]
        listening = subprocess.Popen(netns.enter(bench.pod, [f'{BUILD}/lab-server', '--name', 'new', '--tcp', '8090']),
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        assert ends() == [0, 0]  # the same connections
        listening.kill()
        listening.wait()
        listening = None
        bench.world.pod_set('ready', ready=False)  # now nobody else could answer: the truth
        eventually(lambda: bench.services()['web/leaving']['backendsReady'] == 0, 'no endpoint is ready')
        begin()
        assert ends() == [7, 7]
    finally:
        for process in [*clients, *([listening] if listening else [])]:
            process.kill()
            process.wait()
        bench.world.service_remove('web/leaving')
        bench.world.pod_remove('leaving')
        bench.world.pod_remove('ready')
        eventually(lambda: 'fairway_frontends 4\n' in bench.get('/metrics'), 'its frontends are deleted')


def test_a_killed_agent_harms_no_flow(bench):
    with socket_to(bench, VIP4) as v4, socket_to(bench, VIP6) as v6:
        assert v4.request() and v6.request()
        before = bench.lbctl_json('flow', 'ls', '--vip', VIP4)['flows']
        bench.kill_agent(signal.SIGKILL)
        assert v4.request() and v6.request()     # the flow goes on without an agent
        assert bench.curl(VIP4) and bench.curl(VIP6)  # so do new ones
        bench.start_agent()
        bench.wait_served()
        assert v4.request() and v6.request()
        after = bench.lbctl_json('flow', 'ls', '--vip', VIP4)['flows']
        key = [(f['client'], f['clientPort'], f['backend']) for f in before if f['clientPort'] == v4.port]
        assert key and key[0] in [(f['client'], f['clientPort'], f['backend']) for f in after]
    assert re.search(r'4 frontends adopted', bench.log())


def test_sigterm_leaves_the_data_path(bench):
    assert bench.kill_agent(signal.SIGTERM) == 0
    assert bench.curl(VIP4) and bench.curl(VIP6)
    assert bench.lbctl('svc', 'ls').returncode == 3


def test_an_agent_without_its_source_changes_nothing(bench):
    bench.kill_agent()
    away = f'{bench.directory}/away'
    for missing in ('removed', 'empty'):
        os.rename(bench.manifests, away)
        if missing == 'empty':
            os.makedirs(bench.manifests)
        try:
            bench.start_agent()
            assert '"ready": false' in bench.get('/readyz') and '503' in bench.get('/readyz').splitlines()[0]
            assert bench.curl(VIP4) and bench.curl(VIP6), missing
            assert 'fairway_frontends 4\n' in bench.get('/metrics')
        finally:
            if missing == 'empty':
                os.rmdir(bench.manifests)
            os.rename(away, bench.manifests)
        bench.world.namespace('web')  # somebody writes there
        eventually(lambda: '"ready": true' in bench.get('/readyz'), 'the source is back')
        assert bench.curl(VIP4) and bench.curl(VIP6)
        bench.kill_agent()


def test_an_agent_without_the_status_file_changes_nothing(bench):
    """A restarted one: to a fresh node a missing file means that nothing was given yet."""
    bench.kill_agent()
    status = f'{bench.directory}/status.json'
    bench.start_agent('--status', status)
    assert '"ready": false' in bench.get('/readyz') and bench.curl(VIP4) and bench.curl(VIP6)
    with open(f'{status}.new', 'w') as file:
        json.dump({'apiVersion': 'v1', 'kind': 'List', 'items': []}, file)
    os.rename(f'{status}.new', status)
    eventually(lambda: '"ready": true' in bench.get('/readyz'), 'the file is read')
    assert bench.curl(VIP4)
    bench.kill_agent()
    assert bench.run_agent('--cleanup').returncode == 0
    os.unlink(status)
    bench.start_agent('--status', status)
    bench.wait_served()


def test_flows_to_other_nodes_outlive_an_agent_without_its_source(bench):
    """Their SNAT address comes from the Node object, which such an agent has not read."""
    bench.service('web/remote', ['203.0.113.30', '2001:db8:ff::30'])
    bench.world.pod_set('pod-2', services=['web/remote'], ip4=REMOTE4, ip6=REMOTE6, node='n2', ready=True)
    away = f'{bench.directory}/away'
    try:
        eventually(lambda: bench.curl('203.0.113.30', limit=1) and bench.curl('2001:db8:ff::30', limit=1), 'it answers')
        assert bench.curl('203.0.113.30')['client'].startswith('198.51.100.1:')
        with socket_to(bench, '203.0.113.30') as v4, socket_to(bench, '2001:db8:ff::30') as v6:
            assert v4.request() and v6.request()
            bench.kill_agent()
            os.rename(bench.manifests, away)
            bench.start_agent()
            assert v4.request() and v6.request()
            os.rename(away, bench.manifests)
            eventually(lambda: '"converged": true' in bench.get('/readyz'), 'the source is back')
            assert v4.request() and v6.request()
    finally:
        if os.path.exists(away):
            os.rename(away, bench.manifests)
        bench.world.service_remove('web/remote')
    eventually(lambda: 'fairway_frontends 4\n' in bench.get('/metrics'), 'it is gone')


def test_a_second_agent_is_refused(bench):
    same_run_dir = bench.run_agent()
    assert same_run_dir.returncode == 1 and f'pid {bench.agent.pid}' in same_run_dir.stderr
    same_pins = bench.run_agent('--run-dir', f'{bench.directory}/run2')
    assert same_pins.returncode == 1 and bench.pins in same_pins.stderr
    assert bench.curl(VIP4)
    for more in ([], ['--run-dir', f'{bench.directory}/run3']):
        assert bench.run_agent('--cleanup', *more).returncode == 1  # not under a running agent
        assert bench.curl(VIP4)


def test_it_keeps_three_capabilities(bench):
    with open(f'/proc/{bench.agent.pid}/status') as file:
        status = dict(line.split(':', 1) for line in file)
    kept = sum(1 << n for n in (12, 38, 39))  # NET_ADMIN, PERFMON, BPF
    for field in ('CapEff', 'CapPrm', 'CapBnd'):
        assert int(status[field], 16) & ~kept == 0, (field, status[field])
    assert int(status['CapEff'], 16) == kept
    assert int(status['NoNewPrivs']) == 1
    assert os.stat(f'{bench.run_dir}/agent.sock').st_mode & 0o777 == 0o600


def test_an_interface_that_comes_later_is_attached(bench):
    """With the capabilities that are left by then."""
    netns.run(['ip', '-n', bench.node, 'link', 'add', 'up1', 'type', 'veth', 'peer', 'name', 'far1'])
    netns.run(['ip', '-n', bench.node, 'link', 'set', 'up1', 'up'])
    try:
        eventually(lambda: {'up0', 'up1'} == {i['name'] for i in bench.lbctl_json('node', 'show')['interfaces'] if i['attached']},
                   'both are attached')
    finally:
        netns.run(['ip', '-n', bench.node, 'link', 'del', 'up1'])
    eventually(lambda: ['up0'] == [i['name'] for i in bench.lbctl_json('node', 'show')['interfaces']], 'it is forgotten')
    assert bench.curl(VIP4)


def test_check_config(bench):
    fine = bench.run_agent('--check-config')
    assert fine.returncode == 0 and 'fine' in fine.stderr
    broken = f'{bench.directory}/broken'
    os.makedirs(broken)
    with open(f'{broken}/a.yaml', 'w') as file:
        file.write('kind: [')
    done = bench.run_agent('--check-config', '--manifests', broken)
    assert done.returncode == 1 and 'a.yaml' in done.stderr


def test_bad_options_are_usage_errors(bench):
    for option, value in (('--hook', 'generic'), ('--snat-ports', '1-2'), ('--drain-delay', '5'), ('--cluster-cidr', '10.1.2.3/8'),
                          ('--api-server', 'https://192.0.2.1'), ('--http-address', 'any')):
        done = bench.run_agent(option, value)
        assert done.returncode == 2 and option in done.stderr, done


SHIPPED = ('net_admin', 'bpf', 'perfmon')  # deploy/manifests/lbagent.yaml: with everything else taken away


def test_shipped_capabilities_suffice(bench):
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), '../../deploy/manifests/lbagent.yaml')) as manifest:
        added = re.search(r'add: \[ (.*?) \]', manifest.read()).group(1).lower().split(', ')
    assert sorted(added) == sorted(SHIPPED)
    bench.kill_agent(signal.SIGTERM)
    bench.run_agent('--cleanup')
    bench.start_agent(capabilities=SHIPPED)
    try:
        bench.wait_served()
        assert bench.curl(VIP4) and bench.curl(VIP6)
        with open(f'/proc/{bench.agent.pid}/status') as status:
            bits = int(re.search(r'^CapBnd:\s*(\w+)$', status.read(), re.M).group(1), 16)
        assert bits == 1 << 12 | 1 << 38 | 1 << 39
        bench.world.pod_set('pod-1', services=['web/shop'], ip4=REMOTE4, ip6=REMOTE6, node='n2', ready=True)
        eventually(lambda: (bench.curl(VIP4) or {}).get('pod') == 'pod-2', 'a remote backend is reached')
        bench.kill_agent(signal.SIGTERM)
        bench.start_agent(capabilities=SHIPPED)  # adopts
        bench.wait_served()
    finally:
        bench.kill_agent(signal.SIGTERM)
        bench.start_agent()


def test_a_missing_capability_is_named(bench):
    bench.kill_agent(signal.SIGTERM)
    for missing in SHIPPED:
        done = bench.run_agent(capabilities=[c for c in SHIPPED if c != missing])
        assert done.returncode == 1 and f'error CAP_{missing.upper()} missing: ' in done.stderr, done
    done = bench.run_agent(capabilities=['net_raw'])
    assert 'error CAP_NET_ADMIN, CAP_BPF, CAP_PERFMON missing: ' in done.stderr
    bench.start_agent()


def test_cleanup_leaves_nothing(bench):
    bench.kill_agent(signal.SIGTERM)
    done = bench.run_agent('--cleanup')
    assert done.returncode == 0, done.stderr
    assert not os.path.exists(bench.pins) and not os.path.exists(bench.run_dir)
    link = json.loads(netns.run(['ip', '-n', bench.node, '-j', '-d', 'link', 'show', 'up0']))[0]
    assert 'xdp' not in link or link['xdp'].get('mode', 0) == 0
    assert not bench.curl(VIP4, limit=1)
    assert bench.run_agent('--cleanup').returncode == 0  # twice is fine
    bench.start_agent()
    bench.wait_served()
    assert bench.curl(VIP4) and bench.curl(VIP6)


# --- a kept-alive connection from the client's namespace -------------------------------------------------------------

class Connection:
    """HTTP/1.1 requests on one connection, made by a thread that entered the client's namespace."""

    def __init__(self, namespace, address):
        self.namespace, self.address = namespace, address
        self.error = None
        thread = threading.Thread(target=self.connect)
        thread.start()
        thread.join()
        if self.error:
            raise self.error
        self.port = self.socket.getsockname()[1]

    def connect(self):
        try:
            enter_namespace(self.namespace)  # of this thread alone
            family = socket.AF_INET6 if ':' in self.address else socket.AF_INET
            self.socket = socket.socket(family, socket.SOCK_STREAM)
            self.socket.settimeout(10)
            self.socket.connect((self.address, 80))
        except OSError as error:
            self.error = error

    def request(self):
        self.socket.sendall(b'GET / HTTP/1.1\r\nHost: vip\r\n\r\n')
        data = b''
        while b'}' not in data:
            part = self.socket.recv(4096)
            if not part:
                return None
            data += part
        return data

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


class Holder:
    """Many connections to one port of a namespace's loopback, from one address, that ask for nothing."""

    def __init__(self, namespace, source, port, n):
        program = ('import socket, sys\n'
                   f's = [socket.create_connection(("127.0.0.1", {port}), source_address=("{source}", 0)) for _ in range({n})]\n'
                   'print("there", flush=True); sys.stdin.read()')
        self.process = subprocess.Popen(netns.enter(namespace, ['python3', '-c', program]), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.process.stdout.readline() == b'there\n'

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def enter_namespace(namespace):
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    with open(netns.path(namespace)) as file:
        if libc.setns(file.fileno(), 0x40000000):  # CLONE_NEWNET
            raise OSError(ctypes.get_errno(), 'setns')


def socket_to(bench, address):
    return Connection(bench.client, address)
