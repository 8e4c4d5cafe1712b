# SPDX-License-Identifier: Apache-2.0
"""The fault proxy itself: it forwards what it should and breaks what it is told to."""
import contextlib
import http.client
import ssl

import pytest

from fwcluster.client import ApiError, Client
from fwcluster.fault_proxy import FaultProxy
from fwlab.waiting import eventually


@pytest.fixture
def proxy(control_plane):
    proxy = FaultProxy(control_plane)
    yield proxy
    proxy.close()


@pytest.fixture
def client(control_plane, proxy):
    eventually(lambda: control_plane.admin.find('ServiceAccount', 'default', 'default'), 'the default service account')
    control_plane.admin.apply({'apiVersion': 'rbac.authorization.k8s.io/v1', 'kind': 'ClusterRoleBinding', 'metadata': {'name': 'proxy-test'},
                               'roleRef': {'apiGroup': 'rbac.authorization.k8s.io', 'kind': 'ClusterRole', 'name': 'cluster-admin'},
                               'subjects': [{'kind': 'ServiceAccount', 'name': 'default', 'namespace': 'default'}]})
    control_plane.wait_may('system:serviceaccount:default:default', 'patch', 'configmaps', namespace='default')
    return Client(proxy.url, control_plane.ca, token=control_plane.token('default', 'default'), patient=False)


def config(name, **data):
    return {'apiVersion': 'v1', 'kind': 'ConfigMap', 'metadata': {'name': name, 'namespace': 'default'}, 'data': data}


def test_it_forwards(proxy, client):
    client.apply(config('a', text='1' * 100000))
    assert len(client.get('ConfigMap', 'a', 'default')['data']['text']) == 100000
    with pytest.raises(ApiError) as refused:
        client.get('ConfigMap', 'none', 'default')
    assert refused.value.status == 404
    assert [(r.method, r.status) for r in proxy.requests(path='/configmaps')] == [('PATCH', 201), ('GET', 200), ('GET', 404)]
    client.delete('ConfigMap', 'a', 'default')


def test_answers_in_the_servers_place(proxy, client):
    proxy.answer(429, 'TooManyRequests', path='/configmaps', times=1, headers={'Retry-After': '1'})
    with pytest.raises(ApiError) as refused:
        client.list('ConfigMap', 'default')
    assert (refused.value.status, refused.value.reason) == (429, 'TooManyRequests')
    client.list('ConfigMap', 'default')
    proxy.answer(401, token=client.token)
    with pytest.raises(ApiError) as refused:
        client.list('ConfigMap', 'default')
    assert refused.value.status == 401
    proxy.clear()
    proxy.garbage(times=1)
    assert 'log in' in client.request('GET', '/version')
    proxy.truncated(times=1)
    assert client.request('GET', '/version').endswith('"na')
    proxy.truncated(whole=False, times=1)
    with pytest.raises((OSError, http.client.IncompleteRead)):
        client.request('GET', '/version')
    assert client.request('GET', '/version')['major'] == '1'


def test_a_watch_is_cut_in_the_middle_of_an_object(control_plane, proxy, client):
    version = client.request('GET', client.path('ConfigMap', None, 'default'))['metadata']['resourceVersion']
    path = client.path('ConfigMap', None, 'default', watch='true', resourceVersion=version)
    watch = client.watch(path)
    control_plane.admin.apply(config('first'))
    assert next(watch)['object']['metadata']['name'] == 'first'
    proxy.cut_watches('/configmaps')
    control_plane.admin.apply(config('second'))
    with pytest.raises((OSError, ValueError, http.client.IncompleteRead)):
        next(watch)
    again = client.watch(path)
    assert [next(again)['object']['metadata']['name'] for _ in range(2)] == ['first', 'second']
    again.close()
    for name in ('first', 'second'):
        control_plane.admin.delete('ConfigMap', name, 'default')


def test_hang_and_reset(control_plane, proxy, client):
    control_plane.admin.apply(config('watched'))
    client.request('GET', '/version')
    proxy.hang()
    with pytest.raises(TimeoutError):
        client.request('GET', '/version', timeout=0.5)
    with pytest.raises((TimeoutError, ssl.SSLError)):  # neither does a new connection get on
        client.request('GET', '/version', timeout=0.5)
    proxy.go()
    client.request('GET', '/version')
    proxy.slow(2000)
    client.request('GET', '/version')
    proxy.clear()
    watch = client.watch(client.path('ConfigMap', None, 'default', watch='true'))
    next(watch)
    proxy.reset()
    with contextlib.suppress(OSError):
        for _ in watch:  # ends, and not by its time-out
            pass
    assert not proxy.open
    client.request('GET', '/version')


def test_a_new_certificate(proxy, client):
    first = ssl.get_server_certificate(('127.0.0.1', proxy.port))
    proxy.renew_certificate()
    assert ssl.get_server_certificate(('127.0.0.1', proxy.port)) != first
    proxy.reset()
    client.request('GET', '/version')
