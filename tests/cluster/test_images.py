# SPDX-License-Identifier: Apache-2.0
"""The images as they are shipped: what is in the archives that deploy/image/build made of this build's programs."""
import hashlib
import json
import os
import tarfile

import pytest
from fwcluster import fairway

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get('FAIRWAY_BUILD', f'{ROOT}/build')
MAX_BYTES = 130e6  # each, uncompressed


class Image:
    """The last state of each path over all layers; whiteouts are taken away."""

    def __init__(self, path):
        self.path, self.files, self.data = path, {}, {}
        self.archive = tarfile.open(path)
        manifest = json.load(self.archive.extractfile('manifest.json'))[0]
        self.tags = manifest['RepoTags']
        self.config = json.load(self.archive.extractfile(manifest['Config']))['config']
        for layer in manifest['Layers']:
            tar = tarfile.open(fileobj=self.archive.extractfile(layer))
            for entry in tar:
                folder, _, name = entry.name.rpartition('/')
                if name.startswith('.wh.'):
                    gone = f'{folder}/{name[4:]}'.lstrip('/')
                    self.files = {n: v for n, v in self.files.items() if n != gone and not n.startswith(f'{gone}/')}
                else:
                    self.files[entry.name.lstrip('./')] = (tar, entry)

    def read(self, name):
        tar, entry = self.files[name]
        return tar.extractfile(entry).read()

    def entry(self, name):
        return self.files[name][1]


@pytest.fixture(scope='module')
def images():
    absent = fairway.missing(BUILD)
    if absent:
        pytest.skip(f'{", ".join(absent)} not there; cure: make images TAG=dev')
    return {name: Image(path) for name, path in zip(fairway.IMAGES, fairway.archives(BUILD))}


def test_both_know_the_same_ids(images):
    for name, image in images.items():
        users = dict(line.split(':')[0::2][:2] for line in image.read('etc/passwd').decode().splitlines())
        groups = {line.split(':')[0]: line.split(':')[2] for line in image.read('etc/group').decode().splitlines()}
        assert (users['frr'], groups['frr'], groups['frrvty']) == ('7900', '7900', '7901'), name


def test_the_programs_are_those_of_this_build(images):
    image = images['fairway']
    for program in ('lbagent', 'lbcontroller', 'lbctl'):
        with open(f'{BUILD}/{program}', 'rb') as file:
            assert hashlib.sha256(image.read(f'usr/bin/{program}')).digest() == hashlib.sha256(file.read()).digest(), (
                f'{program}: older than the build; cure: make images TAG=dev')
        assert image.entry(f'usr/bin/{program}').mode & 0o777 == 0o755
    assert image.entry('usr/bin/kubectl-fairway').linkname == 'lbctl'


def test_frr_has_what_runs_and_no_more(images):
    image = images['fairway-frr']
    assert image.config['Entrypoint'] == ['setpriv', '--no-new-privs', '/usr/bin/frr-run']
    assert sorted(n for n in image.files if n.startswith('usr/lib/frr/')) == [f'usr/lib/frr/{d}' for d in ('bfdd', 'bgpd', 'zebra')]
    assert not [n for n in image.files if n.startswith('etc/frr/')], 'a configuration of its own'


def test_they_are_small_and_tell_nothing_of_where_they_were_built(images):
    for name, image in images.items():
        assert os.path.getsize(image.path) < MAX_BYTES and f'docker.io/library/{name}:{fairway.TAG}' in image.tags
        assert not [n for n in image.files if n.startswith(('var/lib/apt/lists/', 'var/cache/apt/archives/')) and image.entry(n).isfile() and
                    image.entry(n).size], name
        sources = [line for n in image.files if n.startswith('etc/apt/sources.list') and image.entry(n).isfile()
                   for line in image.read(n).decode().splitlines()]
        assert sources and all('://deb.debian.org/' in line for line in sources if line), sources
        assert not [n for n in image.files if n.startswith('etc/apt/auth.conf') and image.entry(n).isfile()], name
