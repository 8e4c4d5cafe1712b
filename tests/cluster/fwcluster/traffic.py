# SPDX-License-Identifier: Apache-2.0
"""What clients do while a test changes something: new connections at a rate and long ones beside, from the client behind the
router, in both families."""
import ipaddress
import time

from fwlab.network import CLIENT_V4, CLIENT_V6
from fwlab.load import story, target

from . import workload

NEW_PER_SECOND, LONG = 500, 200
PATIENCE_MSEC = 10000  # a busy machine is no failure


class Traffic:
    """with Traffic(cluster, addresses) as traffic: … ; afterwards traffic.new and traffic.long are the reports, one per address."""

    def __init__(self, cluster, addresses, rate=NEW_PER_SECOND, long=LONG, seconds=300):
        self.cluster, self.addresses = cluster, list(addresses)
        self.rate, self.n_long, self.seconds = rate, long, seconds
        self.new, self.long, self.loads = [], [], []

    def __enter__(self):
        n = len(self.addresses)
        for address in self.addresses:
            sources = CLIENT_V4 if ipaddress.ip_address(address).version == 4 else CLIENT_V6
            to = target(address, workload.HTTP_PORT)
            self.loads.append(self.cluster.load('hold', to, from_=sources, concurrency=self.n_long // n, interval=500,
                                                timeout=PATIENCE_MSEC, seconds=self.seconds))
            self.loads.append(self.cluster.load('http', to, from_=sources, rate=self.rate / n, concurrency=500,
                                                timeout=PATIENCE_MSEC, seconds=self.seconds))
        time.sleep(1.5)  # the long connections stand, the rate is reached
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                time.sleep(1)  # what comes late shows, too
                reports = [load.stop() for load in self.loads]
                self.long, self.new = reports[::2], reports[1::2]
        finally:
            for load in self.loads:
                load.end()

    @property
    def reports(self):
        return self.new + self.long

    @property
    def sent(self):
        return sum(r['sent'] for r in self.reports)

    @property
    def failed(self):
        return sum(r['failed'] for r in self.reports)

    @property
    def ends(self):
        """Of the long connections: {"at", "pod", "how"} each."""
        return [end for report in self.long for end in report['ends']]

    def story(self):
        ends = {}
        for end in self.ends:
            key = f'{end["pod"]} {end["how"]}'
            ends[key] = ends.get(key, 0) + 1
        return '\n'.join([*map(story, self.reports), f'long connections ended: {ends or "none"}'])

    def assert_nothing_failed(self, at_least):
        """No request failed."""
        assert self.failed == 0, self.story()
        self.assert_enough(at_least)

    def assert_only_reset_by_the_router(self, at_least):
        """The router has spread its flows anew: from one moment to the next the packets of a connection go to another node, which
        resets it. Long ones have met that; of new ones, which live for a millisecond, those few that lived then. Nobody was
        refused, or got no answer."""
        reset_at = [f['at'] for r in self.long for f in r['failures'] if 'reset' in f['reason']]
        caught = [f for r in self.new for f in r['failures']]
        assert sum(r['failed'] for r in self.new) == len(caught) <= 3, self.story()
        assert all('reset' in f['reason'] and any(abs(f['at'] - at) < 0.5 for at in reset_at) for f in caught), self.story()
        assert not [reason for r in self.long for reason in r['reasons'] if reason.startswith('connect')], self.story()
        self.assert_enough(at_least)

    def assert_enough(self, at_least):
        """None of a long connection was answered by another pod; and there was load enough to tell."""
        assert sum(r['moved'] for r in self.reports) == 0, self.story()
        assert sum(r['sent'] for r in self.new) >= at_least, self.story()
        assert all(r['late'] == 0 or r['rate'] > self.rate / len(self.addresses) / 2 for r in self.new), self.story()

    def assert_no_long_one_ended(self):
        assert not self.ends, self.story()
