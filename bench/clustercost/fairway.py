# SPDX-License-Identifier: Apache-2.0
"""lbagent and lbcontroller on the API server, each on a node of its own. There is no FRR: what its routes take, bench/lab_cost
and bench/user_cost measure.

The agent's own metrics say when the maps changed last, and how long that was after the event had been read: one change at a
time, each sample is the growth of a sum.
"""
import http.client
import os
import re
import signal
import socket
import subprocess
import time

from fwcluster.client import ApiError
from fwlab import netns
from fwlab.waiting import eventually

from . import many
from .process import map_memory, rss_anon

PATIENCE = 120.0
METRICS_PORT = 7473
REST = 0.01  # seconds
KINDS = ('ServiceIPPool', 'BGPPeer', 'BGPAdvertisement', 'BFDProfile', 'Community', 'LBNode')
FAIRWAY = {'apiVersion': 'fairway.dev/v1alpha1'}


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__('agent', timeout=30)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def install(plane, root):
    """The kinds, and the pool of all addresses. A server that has just learnt a kind answers watches of it with 429 for a while."""
    plane.kubectl('apply', '-k', f'{root}/deploy/crds')
    for kind in KINDS:
        eventually(lambda: is_watched(plane.admin, kind), f'the API server serves watches of {kind}', PATIENCE)
    plane.admin.apply_all([{**FAIRWAY, 'kind': 'ServiceIPPool', 'metadata': {'name': 'many'}, 'spec': {'addresses': [many.POOL]}}])


def is_watched(client, kind):
    try:
        list(client.watch(client.path(kind, watch='1', resourceVersion='0', timeoutSeconds='1')))
        return True
    except ApiError as error:
        if error.status not in (404, 429):
            raise
        return False


class Agent:
    def __init__(self, place, build):
        self.place, self.build = place, build
        self.node = place.node('agent')
        self.bpffs, self.run_dir = f'{place.directory}/bpf', f'{place.directory}/run'
        os.mkdir(self.bpffs)
        netns.run(['mount', '-t', 'bpf', self.node.netns, self.bpffs])

    def down(self):
        self.node.stop(signal.SIGKILL)
        netns.run(['umount', self.bpffs], check=False)

    def command(self, *more):
        return [f'{self.build}/lbagent', '--node', self.node.name, '--pin-dir', f'{self.bpffs}/pins', '--run-dir', self.run_dir,
                '--frr-vty-dir', f'{self.place.directory}/frr', '--interfaces', 'up0', '--drain-delay', '200ms',
                '--kubeconfig', self.place.plane.kubeconfig('admin'), *more]

    def start(self, services):
        """Until all Services are in the maps; when it was started, and when the maps held them (time.time())."""
        began = time.time()
        self.node.start(self.command())
        eventually(lambda: self.serves(services), lambda: f'{services} Services are in the maps:\n{self.node.tail()}', PATIENCE)
        return began, self.metrics()['maps_changed_timestamp_seconds']

    def serves(self, services):
        self.node.require_running()
        try:
            return self.metrics()['services_accepted'] >= services
        except OSError:
            return False

    def stop_clean(self):
        """Stops it and removes its maps."""
        self.node.stop()
        subprocess.run(netns.enter(self.node.netns, self.command('--cleanup')), check=True, capture_output=True, timeout=60)

    def metrics(self):
        """Those without labels, by their names without prefix."""
        connection = UnixConnection(f'{self.run_dir}/agent.sock')
        try:
            connection.request('GET', '/metrics')
            text = connection.getresponse().read().decode()
        finally:
            connection.close()
        return {name: float(value) for name, value in re.findall(r'^fairway_(\w+) (\S+)$', text, re.M)}

    def rss(self):
        return rss_anon(self.node.process.pid)

    def maps(self):
        return map_memory(self.node.process.pid)

    def change(self, k):
        """The last endpoint of a Service gives way to another: seconds until the maps hold that, from when the slice is sent
        to the API server, and from when the agent has read the event."""
        before = self.metrics()
        sent = time.time()
        many.change(self.place.plane.admin, k, f'10.98.{k // 250}.{k % 250 + 1}')
        end = time.monotonic() + PATIENCE
        while True:
            time.sleep(REST)  # an agent that is asked all the time puts off what it does when it is idle
            now = self.metrics()
            if now['event_to_maps_seconds_count'] > before['event_to_maps_seconds_count']:
                break
            if time.monotonic() > end:
                raise RuntimeError(f'change {k} is not in the maps:\n{self.node.tail()}')
        return (now['maps_changed_timestamp_seconds'] - sent, now['event_to_maps_seconds_sum'] - before['event_to_maps_seconds_sum'])


class Controller:
    def __init__(self, place, build):
        self.place, self.build = place, build
        self.node = place.node('controller')

    def start(self, services):
        """Until it has found all addresses in use, as its metrics say; RssAnon then."""
        self.node.start([f'{self.build}/lbcontroller', '--leader-elect=false', '--kubeconfig', self.place.plane.kubeconfig('admin')])
        eventually(lambda: self.found(services), lambda: f'the pool counts {services} addresses:\n{self.node.tail()}', PATIENCE, 0.5)
        return rss_anon(self.node.process.pid)

    def found(self, services):
        self.node.require_running()
        found = re.search(r'^fairway_controller_pool_addresses_assigned{pool="many",family="ipv4"} (\d+)$', self.metrics(), re.M)
        return found is not None and int(found.group(1)) >= services

    def metrics(self):
        try:
            return self.node.get(METRICS_PORT, '/metrics')
        except OSError:
            return ''
