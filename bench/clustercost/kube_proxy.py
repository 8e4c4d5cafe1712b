# SPDX-License-Identifier: Apache-2.0
"""kube-proxy in nftables mode as it comes, on the API server that Fairway is measured on.

Its own figures say how long a sync took; that a change is in the kernel's rules, the kernel says.
"""
import re
import time

from fwcluster.control_plane import program
from fwlab.waiting import eventually

from . import many
from .nft_events import NftEvents
from .process import rss_anon

METRICS_PORT = 10249
FIRST_SYNC_PATIENCE = 600.0
CHANGE_PATIENCE = 120.0
BUDGET = 180.0  # seconds for all changes
REST = 1.1  # seconds between changes: its shortest pause between two syncs is one


class KubeProxy:
    def __init__(self, place):
        self.place = place
        self.node = place.node('kp')
        plane = place.plane
        plane.pki.client('kube-proxy', 'system:kube-proxy')
        self.kubeconfig = plane.kubeconfig('kube-proxy')

    def start(self):
        """Until its first sync is done; when it was started, and when that sync ended (time.time())."""
        began = time.time()
        self.node.start([program('kube-proxy'), '--kubeconfig', self.kubeconfig, '--hostname-override', self.node.name,
                         '--proxy-mode=nftables', f'--cluster-cidr={self.node.pod_cidr}', '--conntrack-max-per-core=0', '--conntrack-min=0',
                         '--conntrack-tcp-timeout-established=0', '--conntrack-tcp-timeout-close-wait=0',
                         f'--metrics-bind-address=127.0.0.1:{METRICS_PORT}', '--healthz-bind-address=127.0.0.1:10256'])
        eventually(self.synced, lambda: f'kube-proxy synced:\n{self.node.tail()}', FIRST_SYNC_PATIENCE, 0.25)
        return began, self.metric('sync_proxy_rules_last_timestamp_seconds')

    def synced(self):
        self.node.require_running()
        try:
            return self.metric('sync_proxy_rules_duration_seconds_count') > 0
        except OSError:
            return False

    def metric(self, name):
        """0 while there is none."""
        text = self.node.get(METRICS_PORT, '/metrics')
        found = re.search(rf'^kubeproxy_{name}(?:{{[^}}]*}})? (\S+)$', text, re.M)
        return float(found.group(1)) if found else 0.0

    def rss(self):
        return rss_anon(self.node.process.pid)

    def sync_seconds(self):
        """Of all syncs so far."""
        return self.metric('sync_proxy_rules_duration_seconds_sum')

    def changes(self, count):
        """Seconds of each change, twice: from when the slice is sent to the API server until the kernel's rules hold it, and of
        kube-proxy's own sync. Fewer than `count` where they take more than BUDGET."""
        events, written, synced = NftEvents(self.node.netns), [], []
        try:
            end = time.monotonic() + BUDGET
            for k in range(count):
                if k and time.monotonic() > end:
                    break
                time.sleep(REST)
                address, before = f'10.99.0.{k + 1}', self.sync_seconds()
                sent = time.time()
                many.change(self.place.plane.admin, k, address)
                written.append(events.wait_endpoint(address, many.TARGET_PORT, CHANGE_PATIENCE) - sent)
                synced.append(eventually(lambda: self.sync_seconds() - before, 'kube-proxy has counted its sync'))
        finally:
            events.close()
        return written, synced
