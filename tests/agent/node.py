# SPDX-License-Identifier: Apache-2.0
"""One node for the agent's own tests and for bench/agent_cost: a client, the node and a pod in network namespaces, a bpffs of
their own for the pins, manifests in a directory. There is no FRR here: what needs sessions is tested in tests/lab.

    client ──eth0────up0── node ──pod0────eth0── pod
    198.51.100.2/24  .1           10.244.1.1  10.244.1.5

The client's namespace also plays the pod of another node, 10.244.2.5: it is reached by SNAT, over the same uplink.
"""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), 'lab'))
from fwlab import netns  # noqa: E402
from fwlab.waiting import eventually  # noqa: E402
from fwlab.world import World  # noqa: E402

BUILD = os.environ.get('FAIRWAY_BUILD', os.path.join(os.path.dirname(os.path.dirname(HERE)), 'build'))
VIP4, VIP6 = '203.0.113.10', '2001:db8:ff::10'
POD4, POD6 = '10.244.1.5', 'fd00:10:1::5'
REMOTE4, REMOTE6 = '10.244.2.5', 'fd00:10:2::5'
PATIENCE = 20.0  # upper bound of every wait; nothing is measured


class StatusWorld(World):
    """There is no controller here: Services are written with the addresses that one would have given."""

    def __init__(self, directory):
        super().__init__(directory, {})
        self.addresses = {}

    def put(self, *objects):
        for obj in objects:
            if obj['kind'] == 'Service':
                key = f'{obj["metadata"]["namespace"]}/{obj["metadata"]["name"]}'
                obj['status'] = {'loadBalancer': {'ingress': [{'ip': a} for a in self.addresses.get(key, [])]}}
        super().put(*objects)


class Bench:
    """The node, its neighbours and its agent."""

    def __init__(self):
        self.name = f'fwa{os.getpid()}'
        self.client, self.node, self.pod = (f'{self.name}-{part}' for part in ('client', 'node', 'pod'))
        self.directory = tempfile.mkdtemp(prefix='fairway-agent-')
        self.bpffs = f'{self.directory}/bpf'
        self.manifests, self.run_dir, self.pins = (f'{self.directory}/manifests', f'{self.directory}/run',
                                                   f'{self.bpffs}/pins')
        self.log_path = f'{self.directory}/agent.log'
        self.agent = None
        self.children = []

    # --- up and down -------------------------------------------------------------------------------------------

    def up(self):
        os.makedirs(self.manifests)
        os.makedirs(self.bpffs)
        netns.run(['mount', '-t', 'bpf', self.name, self.bpffs])
        forward = {'net.ipv4.ip_forward': 1, 'net.ipv6.conf.all.forwarding': 1, 'net.ipv6.conf.default.accept_dad': 0,
                   'net.ipv4.conf.all.rp_filter': 1, 'net.ipv4.conf.default.rp_filter': 1}
        netns.add(self.client, {'net.ipv6.conf.default.accept_dad': 0})
        netns.add(self.pod, {'net.ipv6.conf.default.accept_dad': 0})
        netns.add(self.node, forward)
        netns.veth(self.node, 'up0', self.client, 'eth0')
        netns.veth(self.node, 'pod0', self.pod, 'eth0')
        self.links()
        self.world = StatusWorld(self.manifests)
        self.write_world()
        self.start_server(self.pod, 'pod-1')
        self.start_server(self.client, 'pod-2')
        eventually(lambda: self.pod_answers(), 'the pod answers')

    def start_server(self, namespace, name):
        argv = netns.enter(namespace, [f'{BUILD}/lab-server', '--name', name, '--tcp', '8080', '--udp', '8081'])
        self.children.append(subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    def links(self):
        netns.ip_batch(self.client, ['link set eth0 up', 'addr add 198.51.100.2/24 dev eth0',
                                     f'addr add {REMOTE4}/32 dev lo', f'addr add {REMOTE6}/128 dev lo nodad',
                                     'addr add 2001:db8:1::2/64 dev eth0 nodad', 'route add default via 198.51.100.1',
                                     'route add default via 2001:db8:1::1'])
        netns.ip_batch(self.node, ['link set up0 up', 'link set pod0 up', 'addr add 198.51.100.1/24 dev up0',
                                   'addr add 2001:db8:1::1/64 dev up0 nodad', 'addr add 10.244.1.1/24 dev pod0',
                                   'addr add fd00:10:1::1/64 dev pod0 nodad', 'route add default via 198.51.100.2',
                                   'route add 10.244.2.0/24 via 198.51.100.2', 'route add fd00:10:2::/64 via 2001:db8:1::2',
                                   'route add default via 2001:db8:1::2'])
        netns.ip_batch(self.pod, ['link set eth0 up', f'addr add {POD4}/24 dev eth0', f'addr add {POD6}/64 dev eth0 nodad',
                                  'route add default via 10.244.1.1', 'route add default via fd00:10:1::1'])
        # XDP_TX reaches a veth peer only if a program is attached there, too.
        netns.run(['ip', '-n', self.client, 'link', 'set', 'dev', 'eth0', 'xdpdrv', 'obj', f'{BUILD}/tests/lab/xdp_pass.bpf.o',
                   'sec', 'xdp'])
        netns.offload(self.client, 'eth0', tx='off')  # XDP sees whole checksums
        netns.offload(self.node, 'up0', tx='off')

    def pod_answers(self):
        return subprocess.run(netns.enter(self.node, ['curl', '-s', '-m', '2', f'http://{POD4}:8080/']),
                              capture_output=True).returncode == 0

    def down(self):
        self.kill_agent()
        for child in self.children:
            child.kill()
            child.wait()
        for namespace in (self.client, self.node, self.pod):
            netns.delete(namespace)
        netns.run(['umount', self.bpffs], check=False)
        shutil.rmtree(self.directory, ignore_errors=True)

    # --- objects -------------------------------------------------------------------------------------------------

    def write_world(self):
        self.world.namespace('web')
        self.world.node('n1', ['198.51.100.1', '2001:db8:1::1'], ['10.244.1.0/24'])
        self.world.pool('public', ['203.0.113.0/24', '2001:db8:ff::/64'])
        self.put_shop()

    def put_shop(self):
        self.service('web/shop', [VIP4, VIP6])
        self.world.pod_set('pod-1', services=['web/shop'], ip4=POD4, ip6=POD6, node='n1', ready=True)

    def service(self, key, addresses, **options):
        self.world.addresses[key] = addresses
        self.world.service(key, **options)

    # --- the agent -------------------------------------------------------------------------------------------------

    def agent_command(self, *more, capabilities=None):
        """capabilities: all that root has, as in a container."""
        only = ['setpriv', '--no-new-privs', '--inh-caps=-all', '--bounding-set', ','.join(['-all'] + [f'+{c}' for c in capabilities])
                ] if capabilities else []
        return netns.enter(self.node, [*only, f'{BUILD}/lbagent', '--node', 'n1', '--manifests', self.manifests, '--pin-dir', self.pins,
                                       '--run-dir', self.run_dir, '--frr-vty-dir', f'{self.directory}/frr',
                                       '--interfaces', 'up*', '--drain-delay', '200ms', *more])

    def start_agent(self, *more, capabilities=None):
        with open(self.log_path, 'ab') as log:
            self.agent = subprocess.Popen(self.agent_command(*more, capabilities=capabilities), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        eventually(lambda: self.agent.poll() is not None or self.lbctl('drops').returncode == 0, 'the agent answers')
        assert self.agent.poll() is None, self.log()

    def kill_agent(self, number=signal.SIGKILL):
        if self.agent and self.agent.poll() is None:
            self.agent.send_signal(number)
            self.agent.wait(PATIENCE)
        status, self.agent = self.agent.returncode if self.agent else None, None
        return status

    def run_agent(self, *more, capabilities=None):
        """Runs an agent that is expected to end by itself."""
        return subprocess.run(self.agent_command(*more, capabilities=capabilities), capture_output=True, text=True, timeout=60)

    def log(self):
        with open(self.log_path) as file:
            return file.read()

    # --- asking ------------------------------------------------------------------------------------------------------

    def lbctl(self, *words):
        return subprocess.run([f'{BUILD}/lbctl', *words, '--run-dir', self.run_dir], capture_output=True, text=True, timeout=30)

    def lbctl_json(self, *words):
        done = self.lbctl(*words, '-o', 'json')
        return json.loads(done.stdout) if done.stdout else {}

    def services(self):
        return {f'{s["namespace"]}/{s["name"]}': s for s in self.lbctl_json('svc', 'ls').get('services', [])}

    def curl(self, address, port=80, path='/', limit=10):
        host = f'[{address}]' if ':' in address else address
        done = subprocess.run(netns.enter(self.client, ['curl', '-s', '-g', '-m', str(limit), f'http://{host}:{port}{path}']),
                              capture_output=True, text=True)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def get(self, path):
        return subprocess.run(['curl', '-s', '-i', '--unix-socket', f'{self.run_dir}/agent.sock', f'http://agent{path}'],
                              capture_output=True, text=True, timeout=30).stdout

    def http(self, url, *more):
        return subprocess.run(netns.enter(self.node, ['curl', '-s', '-i', '-g', '-m', '10', *more, url]), capture_output=True,
                              text=True, timeout=30).stdout

    def wait_served(self):
        eventually(lambda: self.services().get('web/shop', {}).get('programmed'), f'web/shop is programmed\n{self.log()}')
