# SPDX-License-Identifier: Apache-2.0
"""A throw-away certificate authority in a directory, by openssl(1): one CA, server and client certificates, the key pair
that signs service account tokens. Files are NAME.crt and NAME.key; keys are readable by their owner alone."""
import ipaddress
import os
import subprocess
import tempfile

DAYS = '30'


def openssl(*words, stdin=None):
    done = subprocess.run(['openssl', *words], input=stdin, capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise RuntimeError(f'openssl {" ".join(words)}: {done.stderr.strip()}')
    return done.stdout


class Pki:
    def __init__(self, directory):
        self.directory = directory
        os.makedirs(directory, mode=0o700, exist_ok=True)
        self.ca = self.certificate('ca')
        if not os.path.exists(self.ca):
            self.make_key('ca')
            openssl('req', '-x509', '-new', '-key', self.key('ca'), '-subj', '/CN=fairway-test-ca', '-days', DAYS, '-sha256', '-out', self.ca)
            self.make_key('service-accounts')
            with open(f'{directory}/service-accounts.pub', 'w') as file:
                file.write(openssl('ec', '-in', self.key('service-accounts'), '-pubout'))

    def certificate(self, name):
        return f'{self.directory}/{name}.crt'

    def key(self, name):
        return f'{self.directory}/{name}.key'

    def make_key(self, name):
        text = openssl('genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:prime256v1')
        with open(os.open(self.key(name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 'w') as file:
            file.write(text)

    def server(self, name, names):
        """A certificate for a server that is reached by these names and addresses; made anew on every call."""
        def alternative(text):
            try:
                return f'IP:{ipaddress.ip_address(text)}'
            except ValueError:
                return f'DNS:{text}'

        self.issue(name, f'/CN={name}', f'extendedKeyUsage=serverAuth\nsubjectAltName={",".join(map(alternative, names))}\n')

    def client(self, name, user=None, groups=()):
        """A client certificate for a user and groups; kept if it is there."""
        if not os.path.exists(self.certificate(name)):
            subject = ''.join(f'/O={group}' for group in groups) + f'/CN={user or name}'
            self.issue(name, subject, 'extendedKeyUsage=clientAuth\n')

    def issue(self, name, subject, extensions):
        self.make_key(name)
        request = openssl('req', '-new', '-key', self.key(name), '-subj', subject)
        with tempfile.NamedTemporaryFile('w', suffix='.ext') as file:
            file.write(extensions)
            file.flush()
            text = openssl('x509', '-req', '-CA', self.ca, '-CAkey', self.key('ca'), '-days', DAYS, '-sha256', '-extfile', file.name,
                           '-set_serial', f'0x{os.urandom(16).hex()}', stdin=request)
        with open(self.certificate(name), 'w') as file:
            file.write(text)
