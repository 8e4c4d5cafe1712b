# SPDX-License-Identifier: Apache-2.0
"""The application of the cluster tests as Kubernetes objects: a Deployment of lab-server, and its LoadBalancer Service."""
from . import images

HTTP_PORT, TARGET_PORT, UDP_PORT = 80, 8080, 5000
PRE_STOP_SECONDS = 4


def namespace(name):
    return {'apiVersion': 'v1', 'kind': 'Namespace', 'metadata': {'name': name}}


def deployment(name, namespace='web', replicas=6, surge=3):
    """As a careful owner writes it: spread over the nodes, ready before an old one goes, and an old one goes on serving for as
    long as load balancers need to notice (preStop)."""
    labels = {'app': name}
    spread = {'maxSkew': 1, 'topologyKey': 'kubernetes.io/hostname', 'whenUnsatisfiable': 'ScheduleAnyway',
              'labelSelector': {'matchLabels': labels}, 'matchLabelKeys': ['pod-template-hash']}
    container = {'name': 'server', 'image': images.SERVER, 'imagePullPolicy': 'Never',
                 'args': ['--name', '$(POD)', '--tcp', str(TARGET_PORT), '--udp', str(UDP_PORT)],
                 'env': [{'name': 'POD', 'valueFrom': {'fieldRef': {'fieldPath': 'metadata.name'}}}],
                 'ports': [{'name': 'http', 'containerPort': TARGET_PORT}, {'name': 'echo', 'containerPort': UDP_PORT, 'protocol': 'UDP'}],
                 # Without a request a pod gets almost nothing of a busy CPU, and its clients wait for it, whatever is in between.
                 'resources': {'requests': {'cpu': '250m', 'memory': '16Mi'}},
                 'readinessProbe': {'httpGet': {'path': '/', 'port': 'http'}, 'periodSeconds': 1},
                 'lifecycle': {'preStop': {'sleep': {'seconds': PRE_STOP_SECONDS}}}}
    return {'apiVersion': 'apps/v1', 'kind': 'Deployment', 'metadata': {'name': name, 'namespace': namespace},
            'spec': {'replicas': replicas, 'selector': {'matchLabels': labels},
                     'strategy': {'type': 'RollingUpdate', 'rollingUpdate': {'maxSurge': surge, 'maxUnavailable': 0}},
                     'template': {'metadata': {'labels': labels}, 'spec': {
                         'containers': [container], 'terminationGracePeriodSeconds': 20, 'topologySpreadConstraints': [spread],
                         'automountServiceAccountToken': False, 'enableServiceLinks': False}}}}


def service(name, namespace='web', policy='Cluster', app=None, **spec):
    return {'apiVersion': 'v1', 'kind': 'Service', 'metadata': {'name': name, 'namespace': namespace},
            'spec': {'type': 'LoadBalancer', 'loadBalancerClass': 'fairway.dev/lb', 'ipFamilyPolicy': 'RequireDualStack',
                     'externalTrafficPolicy': policy, 'selector': {'app': app or name},
                     'ports': [{'name': 'http', 'port': HTTP_PORT, 'targetPort': 'http', 'protocol': 'TCP'},
                               {'name': 'echo', 'port': UDP_PORT, 'targetPort': 'echo', 'protocol': 'UDP'}], **spec}}
