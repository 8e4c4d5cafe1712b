# SPDX-License-Identifier: Apache-2.0
"""What lbcontroller asked of the API server, by the audit log, oldest first."""
from fwcluster.install import NAMESPACE

ACCOUNT = f'system:serviceaccount:{NAMESPACE}:lbcontroller'
CHANGES = ('create', 'update', 'patch', 'delete', 'deletecollection')


def asked(plane, since=0, verbs=CHANGES, name=None):
    """Whether it was granted or not."""
    return [e for e in plane.audit(since) if e['user']['username'] == ACCOUNT and e['verb'] in verbs and
            name in (None, e.get('objectRef', {}).get('name'))]


def writes(plane, since=0, name=None):
    """Its acknowledged writes of Services."""
    return [e for e in asked(plane, since, name=name) if e.get('objectRef', {}).get('resource') == 'services' and
            e['responseStatus']['code'] < 300]


def keeps_to_its_role(plane):
    """Under exactly the shipped Role: no 403, and no Secret."""
    assert not [(e['verb'], e['requestURI'], e['responseStatus'].get('message')) for e in plane.refusals(ACCOUNT)]
    secrets = [e['requestURI'] for e in plane.audit() if e['user']['username'] == ACCOUNT and
               e.get('objectRef', {}).get('resource') == 'secrets']
    assert not secrets, 'lbcontroller has no business with Secrets'
