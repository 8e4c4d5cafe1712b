# SPDX-License-Identifier: Apache-2.0
"""Container images without a registry or a daemon, and a containerd root that holds them.

An image of ours is one static program. All images are imported once into a template, a directory that a node's containerd
starts from: its files are linked into each node's root (snapshots and blobs never change), only databases are copied.
"""
import contextlib
import fcntl
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile

PAUSE = 'fairway.test/pause:1'
SERVER = 'fairway.test/server:1'
IMPORTER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'import-images')


class ImagesError(Exception):
    pass


def tar_add(tar, name, data, mode=0o644):
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(data), mode
    tar.addfile(entry, io.BytesIO(data))


def write_archive(path, name, programs, entrypoint):
    """An image archive (docker-save form) with one layer: {path in the image: file}. The same input gives the same bytes."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode='w') as tar:
        for inside, source in sorted(programs.items()):
            with open(source, 'rb') as file:
                tar_add(tar, inside.lstrip('/'), file.read(), 0o755)
    digest = hashlib.sha256(layer.getvalue()).hexdigest()
    config = json.dumps({'architecture': {'x86_64': 'amd64', 'aarch64': 'arm64'}.get(os.uname().machine, os.uname().machine), 'os': 'linux',
                         'config': {'Env': ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'], 'Entrypoint': entrypoint},
                         'rootfs': {'type': 'layers', 'diff_ids': [f'sha256:{digest}']}}).encode()
    config_name = f'{hashlib.sha256(config).hexdigest()}.json'
    manifest = json.dumps([{'Config': config_name, 'RepoTags': [name], 'Layers': [f'{digest}/layer.tar']}]).encode()
    with tarfile.open(path + '.new', 'w') as tar:
        tar_add(tar, config_name, config)
        tar_add(tar, f'{digest}/layer.tar', layer.getvalue())
        tar_add(tar, 'manifest.json', manifest)
    os.rename(path + '.new', path)


def own_archives(programs, directory):
    """The archives of the pods' first process and of the application; `programs`: build/cluster-image."""
    os.makedirs(directory, exist_ok=True)
    paths = []
    for name, files in ((PAUSE, {'/pause': 'pause'}), (SERVER, {'/server': 'server', '/load': 'load'})):
        path = f'{directory}/{name.split("/")[1].split(":")[0]}.tar'
        write_archive(path, name, {inside: f'{programs}/{file}' for inside, file in files.items()}, [next(iter(files))])
        paths.append(path)
    return paths


def key_of(archives, tags):
    """Names a template: the archives' content and the further tags."""
    total = hashlib.sha256(json.dumps(sorted(tags.items())).encode())
    for path in archives:
        with open(path, 'rb') as file:
            total.update(hashlib.file_digest(file, 'sha256').digest())
    return total.hexdigest()[:16]


@contextlib.contextmanager
def template(directory, archives, tags=None):
    """A containerd root with these archives' images, made if it is not there; it stays for as long as the body clones it. tags: {further
    name: name of an image}."""
    tags = tags or {}
    made = f'{directory}/template-{key_of(archives, tags)}'
    os.makedirs(directory, exist_ok=True)
    with open(f'{directory}/template.lock', 'w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.isdir(made):
            for old in os.listdir(directory):
                if old.startswith('template-'):  # nodes have their own links to its files
                    shutil.rmtree(f'{directory}/{old}', ignore_errors=True)
            import_all(f'{made}.new', archives, tags)
            os.rename(f'{made}.new', made)
        yield made


def import_all(root, archives, tags):
    shutil.rmtree(root, ignore_errors=True)
    os.makedirs(root)
    work = {'root': root, 'archives': archives, 'tags': tags}
    done = subprocess.run(['unshare', '--mount', '--pid', '--net', '--fork', '--mount-proc', '--kill-child', IMPORTER], input=json.dumps(work),
                          capture_output=True, text=True, timeout=300)
    if done.returncode:
        shutil.rmtree(root, ignore_errors=True)
        raise ImagesError(f'images cannot be imported: {(done.stderr + done.stdout).strip()[-3000:]}')


def clone(made, to):
    """A node's containerd root from a template."""
    subprocess.run(['cp', '-al', made, to], check=True)
    for directory, _, files in os.walk(to):
        for file in files:
            if file.endswith('.db'):  # the only files that are written in place
                path = f'{directory}/{file}'
                shutil.copy2(path, f'{path}.own')
                os.rename(f'{path}.own', path)
