# SPDX-License-Identifier: Apache-2.0
"""A small client of the Kubernetes API for tests: JSON over HTTPS, one kept connection per thread, no cache. kubectl is right
where its output is what is tested; it takes half a second of a core for each call."""
import ctypes
import http.client
import json
import os
import socket
import ssl
import threading
import time
import urllib.parse

from fwlab.waiting import eventually

CORE = ('Service', 'Node', 'Namespace', 'Secret', 'Pod', 'Event', 'ServiceAccount', 'ConfigMap', 'Endpoints')
GROUPS = {**dict.fromkeys(CORE, 'v1'), 'EndpointSlice': 'discovery.k8s.io/v1', 'Lease': 'coordination.k8s.io/v1',
          'CustomResourceDefinition': 'apiextensions.k8s.io/v1', 'Deployment': 'apps/v1', 'DaemonSet': 'apps/v1',
          **dict.fromkeys(('Role', 'RoleBinding', 'ClusterRole', 'ClusterRoleBinding'), 'rbac.authorization.k8s.io/v1')}
FAIRWAY = 'fairway.dev/v1alpha1'
PATCHES = {'merge': 'application/merge-patch+json', 'strategic': 'application/strategic-merge-patch+json',
           'json': 'application/json-patch+json', 'apply': 'application/apply-patch+yaml'}
CLONE_NEWNET = 0x40000000


class ApiError(Exception):
    def __init__(self, status, reply, what):
        reply = reply if isinstance(reply, dict) else {'message': str(reply)[:300]}
        self.status, self.reason, self.message, self.reply = status, reply.get('reason', ''), reply.get('message', ''), reply
        super().__init__(f'{what}: {status} {self.reason}: {self.message}')


def in_netns(netns, make):
    """make()'s result, called inside a network namespace; the calling thread stays where it is (sockets keep their namespace)."""
    if not netns:
        return make()
    result = []

    def work():
        try:
            with open(f'/run/netns/{netns}') as file:
                if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), f'setns {netns}')
            result.append(make())
        except OSError as error:
            result.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if isinstance(result[0], OSError):
        raise result[0]
    return result[0]


def connect_in(netns, address, timeout):
    return in_netns(netns, lambda: socket.create_connection(address, timeout))


class Connection(http.client.HTTPSConnection):
    def __init__(self, netns, *words, **more):
        super().__init__(*words, **more)
        self.netns, self.tls = netns, more['context']

    def connect(self):
        raw = connect_in(self.netns, (self.host, self.port), self.timeout)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = self.tls.wrap_socket(raw, server_hostname=self.host)


class Client:
    def __init__(self, url, ca, certificate=None, key=None, token=None, netns=None, user_agent='fairway-tests', patient=True):
        """patient: 429 is waited out, as the server has it while it begins to serve a new kind."""
        self.url, self.token, self.netns, self.user_agent = urllib.parse.urlsplit(url), token, netns, user_agent
        self.patient = patient
        self.tls = ssl.create_default_context(cafile=ca)
        if certificate:
            self.tls.load_cert_chain(certificate, key)
        self.local = threading.local()
        self.resources = {}  # api version: {kind: (plural, is namespaced)}

    # --- HTTP ------------------------------------------------------------------------------------------------

    def open(self, timeout):
        return Connection(self.netns, self.url.hostname, self.url.port, context=self.tls, timeout=timeout)

    def headers(self, content_type=None):
        headers = {'Accept': 'application/json', 'User-Agent': self.user_agent}
        if self.token:
            headers['Authorization'] = f'Bearer {self.token}'
        if content_type:
            headers['Content-Type'] = content_type
        return headers

    def request(self, method, path, body=None, content_type='application/json', timeout=30.0):
        """The reply's JSON (text where it is none); ApiError for a refusal, OSError if there is no answer."""
        for _ in range(50 if self.patient else 0):
            try:
                return self.request_once(method, path, body, content_type, timeout)
            except ApiError as error:
                if error.status != 429:
                    raise
                time.sleep(0.1)
        return self.request_once(method, path, body, content_type, timeout)

    def request_once(self, method, path, body, content_type, timeout):
        data = None if body is None else body if isinstance(body, (bytes, str)) else json.dumps(body)
        for again in (True, False):
            connection = getattr(self.local, 'connection', None)
            kept = connection is not None
            if not kept:
                connection = self.local.connection = self.open(timeout)
            try:
                if connection.sock:
                    connection.sock.settimeout(timeout)
                connection.request(method, path, data, self.headers(content_type if data is not None else None))
                reply = connection.getresponse()
                text = reply.read()
                break
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                self.local.connection = None
                # A kept connection that the server has closed meanwhile never reached it.
                if not (again and kept and isinstance(error, (http.client.RemoteDisconnected, ConnectionError, ssl.SSLEOFError))):
                    raise error if isinstance(error, OSError) else ConnectionError(str(error)) from error
        try:
            value = json.loads(text)
        except ValueError:
            value = text.decode(errors='replace')
        if reply.status >= 400:
            raise ApiError(reply.status, value, f'{method} {path}')
        return value

    def watch(self, path, timeout=10.0):
        """Yields watch events of a path (with its query) on a connection of its own until the server ends it."""
        connection = self.open(timeout)
        try:
            connection.request('GET', path, headers=self.headers())
            reply = connection.getresponse()
            if reply.status >= 400:
                raise ApiError(reply.status, reply.read().decode(errors='replace'), f'WATCH {path}')
            for line in reply:
                yield json.loads(line)
        finally:
            connection.close()

    # --- objects ---------------------------------------------------------------------------------------------

    def resource(self, kind, version=None):
        version = version or GROUPS.get(kind, FAIRWAY)
        if kind not in self.resources.get(version, {}):
            root = f'/api/{version}' if '/' not in version else f'/apis/{version}'
            found = self.request('GET', root)['resources']
            self.resources[version] = {r['kind']: (r['name'], r['namespaced']) for r in found if '/' not in r['name']}
        if kind not in self.resources[version]:
            raise ApiError(404, {'reason': 'NotFound', 'message': f'the server knows no {version} {kind}'}, 'discovery')
        return (version, *self.resources[version][kind])

    def path(self, kind, name=None, namespace=None, version=None, subresource=None, **query):
        version, plural, namespaced = self.resource(kind, version)
        words = ['/api' if '/' not in version else '/apis', version]
        if namespaced and namespace:
            words += ['namespaces', namespace]
        words += [plural, *([name] if name else []), *([subresource] if subresource else [])]
        return '/'.join(words) + (f'?{urllib.parse.urlencode(query)}' if query else '')

    def path_of(self, obj, **more):
        meta = obj['metadata']
        return self.path(obj['kind'], meta['name'], meta.get('namespace'), obj['apiVersion'], **more)

    def create(self, obj, **query):
        meta = obj['metadata']
        return self.request('POST', self.path(obj['kind'], None, meta.get('namespace'), obj['apiVersion'], **query), obj)

    def get(self, kind, name, namespace=None, **more):
        return self.request('GET', self.path(kind, name, namespace, **more))

    def find(self, kind, name, namespace=None, **more):
        """As get(), None if there is no such object."""
        try:
            return self.get(kind, name, namespace, **more)
        except ApiError as error:
            if error.status != 404:
                raise
            return None

    def list(self, kind, namespace=None, **query):
        return self.request('GET', self.path(kind, None, namespace, **query))['items']

    def replace(self, obj, **more):
        return self.request('PUT', self.path_of(obj, **more), obj)

    def patch(self, kind, name, patch, namespace=None, how='merge', **more):
        return self.request('PATCH', self.path(kind, name, namespace, **more), patch, PATCHES[how])

    def apply(self, obj, manager='fairway-tests', **more):
        """Server-side apply: creates or changes."""
        return self.request('PATCH', self.path_of(obj, fieldManager=manager, force='true', **more), obj, PATCHES['apply'])

    def delete(self, kind, name, namespace=None, body=None, **more):
        """Asks for the deletion; an object that is not there is no error."""
        try:
            return self.request('DELETE', self.path(kind, name, namespace, **more), body)
        except ApiError as error:
            if error.status != 404:
                raise
            return None

    def gone(self, kind, name, namespace=None, patience=30.0):
        """Deletes and waits until it is gone."""
        self.delete(kind, name, namespace)
        eventually(lambda: self.find(kind, name, namespace) is None, lambda: f'{kind} {name} is gone: {self.find(kind, name, namespace)}',
                   patience)

    def apply_all(self, objects, patience=15.0):
        """Applies many in order; kinds that a CustomResourceDefinition among them brings are waited for."""
        for obj in objects:
            eventually(lambda: self.try_apply(obj), f'{obj["kind"]} {obj["metadata"]["name"]} can be applied', patience)

    def try_apply(self, obj):
        try:
            return self.apply(obj)
        except ApiError as error:
            if error.status not in (404, 429):  # the kind is not there yet, or its storage is just being made
                raise
            return None


def kubeconfig(path, server, ca, certificate=None, key=None, token=None, token_file=None, namespace='default'):
    """Writes a kubeconfig file (JSON is YAML), readable by its owner alone; returns its path."""
    user = {k: v for k, v in (('client-certificate', certificate), ('client-key', key), ('token', token), ('tokenFile', token_file)) if v}
    config = {'apiVersion': 'v1', 'kind': 'Config', 'current-context': 'test',
              'clusters': [{'name': 'test', 'cluster': {'server': server, 'certificate-authority': ca}}],
              'users': [{'name': 'test', 'user': user}],
              'contexts': [{'name': 'test', 'context': {'cluster': 'test', 'user': 'test', 'namespace': namespace}}]}
    with open(os.open(f'{path}.new', os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 'w') as file:
        json.dump(config, file, indent=1)
    os.rename(f'{path}.new', path)
    return path
