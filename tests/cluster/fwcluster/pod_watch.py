# SPDX-License-Identifier: Apache-2.0
"""What becomes of the pods of a namespace, beside a test: when each was told to end, when it was gone, how its containers ended. It
begins anew when the API server comes back; what ended meanwhile stands in the status of what runs then."""
import contextlib
import http.client
import threading
import time

from .client import ApiError


class PodWatch:
    """with PodWatch(cluster, 'web') as watch: … ; told, gone: {name: seconds of the real-time clock}."""

    def __init__(self, cluster, namespace):
        self.client = cluster.plane.client('admin')
        self.path = self.client.path('Pod', namespace=namespace)
        self.told, self.gone, self.stopping = {}, {}, False
        self.ends = {}  # by container id: {"pod", "container", "exitCode", "message"}
        self.seen = set()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping = True

    def run(self):
        while not self.stopping:
            with contextlib.suppress(OSError, ApiError, ValueError, http.client.HTTPException):
                self.follow()
            time.sleep(0.1)

    def follow(self):
        """A list, and a watch from there until nothing comes for half a minute. Who is not in the next list was deleted in between."""
        listed = self.client.request('GET', self.path)
        for pod in listed['items']:
            self.note({'type': 'ADDED', 'object': pod})
        for name in self.seen - {pod['metadata']['name'] for pod in listed['items']}:
            self.gone.setdefault(name, time.time())
        path = f'{self.path}?watch=1&timeoutSeconds=600&resourceVersion={listed["metadata"]["resourceVersion"]}'
        for event in self.client.watch(path, timeout=30):
            if self.stopping or event['type'] == 'ERROR':
                return
            self.note(event)

    def note(self, event):
        meta = event['object'].get('metadata', {})
        name = meta.get('name')
        self.seen.add(name)
        if meta.get('deletionTimestamp'):
            self.told.setdefault(name, time.time())
        if event['type'] == 'DELETED':
            self.gone.setdefault(name, time.time())
        for container in event['object'].get('status', {}).get('containerStatuses', []):
            for when in ('state', 'lastState'):
                end = container.get(when, {}).get('terminated')
                if end:
                    self.ends[end.get('containerID')] = {'pod': name, 'container': container['name'], 'exitCode': end['exitCode'],
                                                         'message': end.get('message', end.get('reason', ''))}
