# SPDX-License-Identifier: Apache-2.0
"""Bad days of the API, for lbcontroller and lbagent alike: silence, refusals, nonsense, lost history, new tokens and certificates.

Each test lets something happen to the way between the programs and the API server (fwcluster/fault_proxy.py), changes objects
meanwhile, and wants three things: what was good stays in force, what was changed is done when the day is better, and the log has
one clear line for it, not a thousand.
"""
import contextlib
import os
import re
import time

import pytest

from fwcluster import rules
from fwcluster.client import ApiError, Client
from fwcluster.fault_proxy import FaultProxy
from fwcluster.install import Controller, wait_leader
from fwcluster.lone_agent import LoneAgent, netns, node
from fwcluster.pki import Pki
from fwcluster.room import Room
from fwlab.waiting import eventually

PATIENCE = 60.0      # to be well again after a fault: backoff goes up to 30 s
NOTICED = 20.0       # silence is to be noticed within 10 s; the rest is for a busy machine
AWAY = r'API server: \S+: .*(last good state stays in force|trying the next)'


class Subject:
    """A program under test. act() changes an object in a way that done() can see the program act on."""

    def warnings(self, since):
        return [line for line in self.log(since).splitlines() if re.match(r'\S+ (warn|error) ', line)]

    def told(self, pattern, since, patience=NOTICED):
        return eventually(lambda: [line for line in self.log(since).splitlines() if re.search(pattern, line)],
                          lambda: f'{self.name} says {pattern!r}:\n{self.log(since)[-3000:]}', patience)

    def wait_done(self, patience=PATIENCE):
        eventually(self.done, lambda: f'{self.name}: {self.state()}\n{self.log()[-4000:]}', patience)
        self.check_kept()


class ControllerSubject(Subject):
    """In a namespace of its own, so that a firewall can stand before it. Every act is one more Service."""
    name = 'lbcontroller'

    def __init__(self, plane):
        self.netns = f'fwf{os.getpid()}'
        netns.add(self.netns)
        self.proxy = FaultProxy(plane, self.netns, 'controller-proxy')
        self.controller = Controller(plane, 'lbcontroller-faults', self.proxy.url, netns=self.netns)
        self.account, self.log, self.log_size = self.controller.account, self.controller.log, self.controller.part.log_size
        self.room = Room(plane, 'faults')
        self.given, self.asked = {}, []
        self.room.pool(v4=200)
        self.controller.start()
        wait_leader(plane, [self.controller])

    def restart(self):
        self.controller.part.kill()
        self.controller.start()

    def act(self):
        self.asked.append(f's{len(self.asked)}')
        self.room.service(self.asked[-1])

    def state(self):
        return {s['metadata']['name']: rules.addresses(s) for s in self.room.admin.list('Service', self.room.namespace)}

    def done(self):
        return all(self.state().values())

    def check_kept(self):
        state = self.state()
        assert self.given.items() <= state.items(), (self.given, state)
        assert len({a[0] for a in state.values()}) == len(state), state
        self.given = state

    def close(self):
        self.controller.part.stop()
        with contextlib.suppress(ApiError):
            for name in self.asked:
                self.room.admin.patch('Service', name, {'metadata': {'finalizers': None}}, self.room.namespace)
        self.room.close()
        self.proxy.close()
        netns.delete(self.netns)


class AgentSubject(Subject):
    """On a node with its maps and a client. Every act moves the Service to another port."""
    name = 'lbagent'

    def __init__(self, plane):
        self.agent = LoneAgent(plane)
        try:
            self.agent.up()
            self.agent.start_agent()
            self.agent.wait_served()
        except BaseException:
            self.agent.down()
            raise
        self.netns, self.proxy, self.account = self.agent.node, self.agent.proxy, self.agent.account
        self.log, self.log_size = self.agent.log, self.agent.log_size
        self.port, self.served = 80, 80

    def restart(self):
        self.agent.kill_agent()
        self.agent.start_agent()

    def act(self):
        self.port += 1
        self.agent.service('web/shop', [node.VIP4, node.VIP6], ports=[('http', self.port, 8080, 'TCP')])

    def state(self):
        return self.agent.services().get('web/shop')

    def done(self):
        shop = self.state() or {}  # the object as it is by now; whether its new port is in the maps is seen by its answers
        return (shop.get('ports') == [f'{self.port}/TCP'] and shop['programmed'] and
                all(self.agent.curl(address, self.port) for address in (node.VIP4, node.VIP6)))

    def check_kept(self):
        self.served = self.port
        self.check_serving()

    def check_serving(self):
        for address in (node.VIP4, node.VIP6):
            assert self.agent.curl(address, self.served, limit=10), f'{address}:{self.served} answers\n{self.log()[-3000:]}'

    def close(self):
        self.agent.down()


class Both:
    """The two programs, to which everything happens at the same time."""

    def __init__(self, plane):
        self.plane, self.subjects = plane, []
        with contextlib.ExitStack() as stack:
            for make in (ControllerSubject, AgentSubject):
                self.subjects.append(make(plane))
                stack.callback(self.subjects[-1].close)
            self.close = stack.pop_all().close
        self.agent = self.subjects[-1]

    def __iter__(self):
        return iter(self.subjects)

    def act_and_wait(self):
        for subject in self:
            subject.act()
        for subject in self:
            subject.wait_done()

    def fresh(self):
        """No fault any more and everything done; restarted, so that no test waits for another one's backoff."""
        for subject in self:
            subject.proxy.clear()
            subject.restart()
        self.act_and_wait()

    def reset(self):
        for subject in self:
            subject.proxy.reset()

    def marks(self):
        return {subject.name: subject.log_size() for subject in self}


@pytest.fixture(scope='module')
def session_both(fairway_plane):
    both = Both(fairway_plane)
    yield both
    both.close()


@pytest.fixture
def both(session_both):
    session_both.fresh()
    return session_both


def quiet(both, marks, most=4):
    """One story is a few lines, whatever it took."""
    for subject in both:
        lines = subject.warnings(marks[subject.name])
        assert len(lines) <= most, f'{subject.name} says too much:\n' + '\n'.join(lines)


def firewall(subject, drop):
    """Packets to and from the API server vanish without a word."""
    port = subject.proxy.port
    table = f'''table inet fault {{
    chain in {{
        type filter hook input priority 0
        tcp dport {port} drop
        tcp sport {port} drop
    }}
}}''' if drop else 'delete table inet fault'
    netns.run_in(subject.netns, ['nft', '-f', '-'], stdin=f'{table}\n')


def silence_is_noticed(both, begin, end):
    """begin() makes the API silent, end() ends that; changes made meanwhile are done afterwards."""
    marks, start = both.marks(), time.monotonic()
    begin()
    try:
        for subject in both:
            subject.told(AWAY, marks[subject.name])
        noticed = time.monotonic() - start
        both.agent.check_serving()
    finally:
        end()
    assert noticed < NOTICED
    both.act_and_wait()
    for subject in both:
        assert len([line for line in subject.warnings(marks[subject.name]) if re.search(AWAY, line)]) == 1
        subject.told(r'API server: \S+ answers, after', marks[subject.name])
    quiet(both, marks)


def test_the_server_is_stopped(both, fairway_plane):
    """SIGSTOP: connections stand, the kernel acknowledges, nobody answers"""
    silence_is_noticed(both, fairway_plane.apiserver.pause, fairway_plane.apiserver.resume)


def test_a_firewall_drops_everything(both):
    def begin():
        for subject in both:
            firewall(subject, True)

    def end():
        for subject in both:
            firewall(subject, False)

    silence_is_noticed(both, begin, end)


def test_history_was_compacted_while_away(both, fairway_plane):
    """410: what was changed and deleted meanwhile is found by a new list"""
    agent = both.agent
    marks, since = both.marks(), {subject.name: len(subject.proxy.log) for subject in both}
    agent.agent.service('web/gone', ['203.0.113.77'], families=['IPv4'])
    eventually(lambda: 'web/gone' in agent.agent.services(), 'a second Service is served')
    for subject in both:
        subject.proxy.hang()
        subject.told(AWAY, marks[subject.name])
        subject.act()
    agent.agent.world.service_remove('web/gone')
    for i in range(20):  # so that the server has history to forget
        fairway_plane.admin.apply({'apiVersion': 'v1', 'kind': 'Namespace', 'metadata': {'name': 'web', 'labels': {'round': str(i)}}})
    fairway_plane.compact()
    fairway_plane.apiserver.restart()
    fairway_plane.wait_ready()
    for subject in both:
        subject.proxy.go()
    for subject in both:
        subject.wait_done()
        asked = [r.path for r in subject.proxy.requests('GET', '/api/v1/services?', since[subject.name])]
        assert any('sendInitialEvents' in path or 'watch=' not in path for path in asked), asked
        # The agent asked for what came after what it knew, and was told that this is forgotten. The controller has lost its Lease.
        assert subject is not agent or any(re.search(r'resourceVersion=[1-9]', path) for path in asked), asked
    eventually(lambda: 'web/gone' not in agent.agent.services(), 'what was deleted meanwhile is gone')
    assert not agent.agent.curl('203.0.113.77', limit=1)
    quiet(both, marks, 8)


def test_a_watch_is_cut_in_the_middle_of_an_object(both):
    marks, since = both.marks(), {subject.name: len(subject.proxy.log) for subject in both}
    for _ in range(3):
        for subject in both:
            subject.proxy.cut_watches('/services?')
        both.act_and_wait()
    for subject in both:
        assert not subject.proxy.cuts, 'the watch was cut'
        again = [r for r in subject.proxy.requests('GET', '/services?', since[subject.name]) if 'watch=' in r.path]
        assert again and all(re.search(r'resourceVersion=[1-9]', r.path) for r in again), 'continued where it ended, not read anew'
    quiet(both, marks)


def test_all_connections_break(both):
    marks = both.marks()
    for _ in range(3):
        both.reset()
        both.act_and_wait()
    quiet(both, marks)


@pytest.mark.parametrize('fault', ['429', '500', '503', 'garbage', 'truncated', 'half'])
def test_wrong_answers(both, fault):
    """To reads and writes: they are asked again, and nothing is taken for what it is not"""
    marks, since = both.marks(), {subject.name: len(subject.proxy.log) for subject in both}
    for subject in both:
        proxy = subject.proxy
        for path in ('/services', '/endpointslices', '/lbnodes', '/serviceippools', '/leases'):
            for method in ('GET', 'PATCH', 'PUT'):
                {'429': lambda **m: proxy.answer(429, 'TooManyRequests', headers={'Retry-After': '1'}, **m),
                 '500': lambda **m: proxy.answer(500, 'InternalError', **m), '503': lambda **m: proxy.answer(503, body=b'', **m),
                 'garbage': proxy.garbage, 'truncated': proxy.truncated,
                 'half': lambda **m: proxy.truncated(whole=False, **m)}[fault](path=path, method=method, times=1)
    both.reset()
    both.act_and_wait()
    for subject in both:
        assert [r for r in subject.proxy.log[since[subject.name]:] if r.faulty], 'there was a fault'
    quiet(both, marks, 10)


def test_a_slow_network(both):
    for subject in both:
        subject.proxy.slow(20000)
    both.reset()
    both.act_and_wait()


def test_the_token_is_rotated(both, fairway_plane):
    """kubelet has replaced the file, and the old token is refused"""
    marks = both.marks()
    old = {subject.name: subject.account.token for subject in both}
    for subject in both:
        subject.account.rotate()
        subject.account.end_former()
    refused = [Client(fairway_plane.url, fairway_plane.ca, token=token) for token in old.values()]

    def all_refused():
        for client in refused:
            with contextlib.suppress(ApiError):
                client.list('Namespace', limit=1)
                return False
        return True

    eventually(all_refused, 'the old tokens are refused', 30)
    since = {subject.name: len(subject.proxy.log) for subject in both}
    both.reset()
    both.act_and_wait()
    for subject in both:
        tokens = [r.token for r in subject.proxy.log[since[subject.name]:]]
        assert subject.account.token in tokens and tokens[-1] == subject.account.token
        assert tokens.count(old[subject.name]) < 20, 'it stopped with the old token at once'
        secret = subject.account.token.split('.')[2]
        assert secret not in subject.log(), 'no token is ever logged'
    quiet(both, marks)


def test_the_servers_certificate_is_renewed(both):
    marks = both.marks()
    for subject in both:
        subject.proxy.renew_certificate()
    both.reset()
    both.act_and_wait()
    quiet(both, marks)


def test_a_certificate_of_another_authority_is_refused(both, fairway_plane, tmp_path):
    """TLS is verified, always: not a byte of a token goes to a stranger"""
    marks, other = both.marks(), Pki(str(tmp_path))
    other.server('stranger', ('127.0.0.1', 'localhost'))
    for subject in both:
        subject.proxy.tls.load_cert_chain(other.certificate('stranger'), other.key('stranger'))
    both.reset()
    try:
        for subject in both:
            said = subject.told(AWAY, marks[subject.name])
            assert re.search('certificate|SSL|TLS', said[0]), said
        since = {subject.name: len(subject.proxy.log) for subject in both}
        for subject in both:
            subject.act()
        time.sleep(2)
        for subject in both:
            assert not subject.proxy.log[since[subject.name]:], 'nothing was asked of a stranger'
    finally:
        for subject in both:
            subject.proxy.renew_certificate()
    for subject in both:
        subject.wait_done()
    quiet(both, marks)


def test_the_agent_restarts_while_the_api_is_away(both):
    """It serves from its maps, and does not answer for what it cannot know"""
    agent = both.agent
    mark = agent.log_size()
    agent.proxy.hang()
    agent.agent.kill_agent()
    agent.check_serving()
    agent.agent.start_agent()
    agent.told(AWAY, mark)
    agent.check_serving()
    agent.act()
    agent.check_serving()  # still what was good
    agent.proxy.go()
    agent.wait_done()


def test_several_servers(fairway_plane):
    """The one that is in use falls silent: the other is taken, and what is to be done goes on there"""
    with contextlib.closing(FaultProxy(fairway_plane, name='one-proxy')) as one, \
            contextlib.closing(FaultProxy(fairway_plane, name='other-proxy')) as other:
        controller = Controller(fairway_plane, 'lbcontroller-two-servers', f'{one.url},{other.url}')
        controller.start()
        try:
            used = eventually(lambda: next((p for p in (one, other) if p.requests('GET', '/leases')), None), controller.log)
            spare = other if used is one else one
            assert not spare.log
            used.hang()
            eventually(lambda: spare.requests('GET', '/leases'), controller.log, NOTICED)
            assert re.search(rf'API server: {used.url}: .*; trying the next', controller.log())
        finally:
            controller.part.stop()
