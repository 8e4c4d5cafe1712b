# SPDX-License-Identifier: Apache-2.0
"""What becomes of the pods of a namespace, beside a test: when each was told to end, when it was gone, how its containers ended. It
begins anew when the API server comes back; what ended meanwhile stands in the status of what runs then."""
import contextlib
import threading
import time

from .client import ApiError


class PodWatch:
    """with PodWatch(cluster, 'web') as watch: … ; told, gone: {name: seconds of the real-time clock}."""

    def __init__(self, cluster, namespace):
        self.client = cluster.plane.client('admin')
        self.path = self.client.path('Pod', namespace=namespace, watch='1', timeoutSeconds='600')
        self.told, self.gone, self.stopping = {}, {}, False
        self.ends = {}  # by container id: {"pod", "container", "exitCode", "message"}
        self.thread = threading.Thread(target=self.run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping = True

    def run(self):
        while not self.stopping:
            with contextlib.suppress(OSError, ApiError, ValueError):
                for event in self.client.watch(self.path, timeout=30):
                    self.note(event)
                    if self.stopping:
                        return
            time.sleep(0.1)

    def note(self, event):
        meta = event['object'].get('metadata', {})
        name = meta.get('name')
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
