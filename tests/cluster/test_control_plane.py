# SPDX-License-Identifier: Apache-2.0
"""The lone control plane itself: what the other tests build on does what its header says."""
import json
import os

import pytest

from fwcluster.client import ApiError
from fwlab.waiting import eventually


def test_objects_come_and_go(control_plane):
    admin = control_plane.admin
    admin.create({'apiVersion': 'v1', 'kind': 'Namespace', 'metadata': {'name': 'walk'}})
    admin.create({'apiVersion': 'v1', 'kind': 'Service', 'metadata': {'name': 'a', 'namespace': 'walk'},
                  'spec': {'type': 'LoadBalancer', 'ipFamilyPolicy': 'RequireDualStack', 'ports': [{'port': 80}]}})
    service = admin.get('Service', 'a', 'walk')
    assert service['spec']['ipFamilies'] == ['IPv4', 'IPv6'] and service['spec']['ports'][0]['nodePort']
    assert json.loads(control_plane.kubectl('get', 'svc', '-n', 'walk', '-o', 'json'))['items'][0]['metadata']['name'] == 'a'
    with pytest.raises(ApiError) as refused:
        admin.create({'apiVersion': 'v1', 'kind': 'Namespace', 'metadata': {'name': 'walk'}})
    assert (refused.value.status, refused.value.reason) == (409, 'AlreadyExists')
    admin.apply({'apiVersion': 'v1', 'kind': 'Service', 'metadata': {'name': 'a', 'namespace': 'walk'}, 'spec': {'selector': {'app': 'a'}}})
    eventually(lambda: len(admin.list('EndpointSlice', 'walk')) == 2, 'the EndpointSlice controller follows')
    admin.gone('Namespace', 'walk')  # by the namespace controller


def test_a_service_account_may_nothing_and_is_audited(control_plane):
    eventually(lambda: control_plane.admin.find('ServiceAccount', 'default', 'default'), 'the default service account')
    since = control_plane.audit_size()
    client = control_plane.client(token=control_plane.token('default', 'default'))
    with pytest.raises(ApiError) as refused:
        client.list('Service')
    assert refused.value.status == 403
    account = 'system:serviceaccount:default:default'  # controllers of Kubernetes that are starting may be refused something, too
    refusals = [e for e in control_plane.audit(since) if e['responseStatus']['code'] == 403 and e['user']['username'] == account]
    assert [(e['verb'], e['objectRef']['resource']) for e in refusals] == [('list', 'services')]


def test_the_servers_survive_what_tests_do_to_them(control_plane):
    admin = control_plane.admin
    before = admin.request('GET', admin.path('Namespace'))['metadata']['resourceVersion']
    watch = admin.watch(admin.path('Namespace', watch='1', resourceVersion=before), timeout=20)
    admin.create({'apiVersion': 'v1', 'kind': 'Namespace', 'metadata': {'name': 'compacted'}})
    assert next(watch)['type'] == 'ADDED'
    watch.close()
    admin.delete('Namespace', 'compacted')
    control_plane.compact()
    control_plane.apiserver.restart()
    control_plane.wait_ready()
    event = next(admin.watch(admin.path('Namespace', watch='1', resourceVersion=before), timeout=20))
    assert (event['type'], event['object']['code']) == ('ERROR', 410)


def test_secrets_of_the_directory_are_not_readable(control_plane):
    for folder, _, files in os.walk(control_plane.directory):
        for name in files:
            if name.endswith(('.key', '.kubeconfig')):
                assert os.stat(f'{folder}/{name}').st_mode & 0o077 == 0, name
