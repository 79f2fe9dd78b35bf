"""The one store that images are imported to; nodes start from clones that share its files.

Blobs and unpacked layers never change once written. A clone has hard links to the blobs, links
to the layers' folders, and copies of containerd's two small databases only. So the store forgets
old images only while no node exists.
"""

import fcntl
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from localkube.config import RUN_ROOT, STATE_ROOT, Instance, NodeConfig
from localkube.daemons import Daemon
from localkube.errors import ClusterError
from localkube.node_files import UNUSED_PLUGINS
from localkube.pause_image import NAME_ANNOTATION
from localkube.shell import accepts, run, wait_for

STORE = STATE_ROOT / "images"
ROOT = STORE / "containerd"
CATALOG = "images.json"
NAMESPACE = "k8s.io"
KEPT_DIGESTS = 3
BLOBS = "io.containerd.content.v1.content/blobs/sha256"
LAYERS = "io.containerd.snapshotter.v1.overlayfs/snapshots"
DATABASES = (
    "io.containerd.metadata.v1.bolt/meta.db",
    "io.containerd.snapshotter.v1.overlayfs/metadata.db",
)
Catalog = dict[str, list[str]]


@dataclass(frozen=True)
class Archive:
    """An OCI archive or layout folder: what it holds, and where."""

    path: Path
    name: str
    digest: str

    @property
    def pinned_name(self) -> str:
        """The name by digest that pods use to stay on one build."""
        return pinned(self.name, self.digest)


def pinned(name: str, digest: str) -> str:
    """`localhost/a:b` and a digest make `localhost/a@sha256:...`."""
    return f"{name.rpartition(':')[0]}@{digest}"


def read_archive(path: Path) -> Archive:
    """Read name and digest from an OCI archive or layout folder."""
    try:
        index = json.loads(_read_index(path))
        (manifest,) = index["manifests"]
        name = manifest["annotations"][NAME_ANNOTATION]
    except (OSError, tarfile.TarError, KeyError, ValueError) as error:
        raise ClusterError(
            f"{path} is not an OCI archive with one named image ({error}): write it with "
            "`buildah push IMAGE oci-archive:FILE:NAME:TAG`"
        ) from error
    if "/" not in name or ":" not in name.rpartition("/")[2]:
        raise ClusterError(
            f"{path} names its image {name!r}: give it a full name, REGISTRY/NAME:TAG"
        )
    return Archive(path, name, manifest["digest"])


def _read_index(path: Path) -> bytes:
    if path.is_dir():
        return (path / "index.json").read_bytes()
    with tarfile.open(path, "r:*") as tar:
        for member in tar:
            content = tar.extractfile(member) if member.name.endswith("index.json") else None
            if content:
                return content.read()
    raise ValueError("it has no index.json")


def catalog(folder: Path) -> Catalog:
    """Digests of each image name in the store or on a node, newest first."""
    path = folder / CATALOG
    known: Catalog = json.loads(path.read_text()) if path.exists() else {}
    return known


def holds(folder: Path, archive: Archive) -> bool:
    """Whether the newest image of this name is the archive's."""
    return catalog(folder).get(archive.name, [])[:1] == [archive.digest]


def add(instance: Instance, archives: list[Archive]) -> bool:
    """Import what the store does not hold; True if anything was new."""
    with locked():
        missing = [archive for archive in archives if not holds(STORE, archive)]
        if missing:
            with _serving(instance) as socket:
                for archive in missing:
                    import_archive(socket, STORE, archive)
                if not any(STATE_ROOT.glob("lk*/nodes/*")):
                    forget_old(socket, STORE)
    return bool(missing)


def import_archive(socket: Path, folder: Path, archive: Archive) -> None:
    """Import an archive under its name and its digest."""
    ctr = _ctr_images(socket)
    if archive.path.is_dir():
        blobs = folder / "containerd" / BLOBS
        known_blobs = [path.name for path in blobs.iterdir()] if blobs.exists() else []
        if not _import_folder((*ctr, "import", "-"), archive.path, known_blobs):
            _import_folder((*ctr, "import", "-"), archive.path, [], check=True)
        share_blobs(archive.path / "blobs" / "sha256", blobs)
    else:
        run(*ctr, "import", archive.path)
    run(*ctr, "tag", "--force", archive.name, archive.pinned_name)
    known = catalog(folder)
    digests = [archive.digest, *(d for d in known.get(archive.name, []) if d != archive.digest)]
    _write_catalog(folder, {**known, archive.name: digests})


def share_blobs(origin: Path, blobs: Path) -> None:
    """Replace blobs by hard links to the same ones in a layout folder, where that can be."""
    for blob in blobs.iterdir():
        twin = origin / blob.name
        if not twin.exists() or twin.samefile(blob) or twin.stat().st_dev != blob.stat().st_dev:
            continue
        draft = blobs / f".{blob.name}"
        draft.unlink(missing_ok=True)
        os.link(twin, draft)
        draft.rename(blob)


def forget_old(socket: Path, folder: Path) -> None:
    """Remove all but the newest builds of each image; running jobs may need some older ones."""
    known = catalog(folder)
    for name, digests in known.items():
        for digest in digests[KEPT_DIGESTS:]:
            run(*_ctr_images(socket), "remove", pinned(name, digest), check=False)
    _write_catalog(folder, {name: digests[:KEPT_DIGESTS] for name, digests in known.items()})


def _ctr_images(socket: Path) -> tuple[str, ...]:
    return ("ctr", "--address", str(socket), "--namespace", NAMESPACE, "images")


def _write_catalog(folder: Path, known: Catalog) -> None:
    (folder / CATALOG).write_text(json.dumps(known, indent=2))


def _import_folder(
    command: tuple[str, ...], folder: Path, known_blobs: list[str], check: bool = False
) -> bool:
    """Import all but the known blobs, which containerd finds by itself, in no time.

    It does not when a blob's file awaits removal: then the caller imports everything.
    """
    left_out = [f"--exclude=./blobs/sha256/{name}" for name in known_blobs]
    pack = ["tar", "-C", str(folder), *left_out, "-cf", "-", "."]
    with subprocess.Popen(pack, stdout=subprocess.PIPE) as tar:
        done = subprocess.run(command, stdin=tar.stdout, capture_output=True, text=True)
    failed = bool(done.returncode or tar.returncode)
    if failed and check:
        raise ClusterError(f"cannot import {folder}: {done.stderr}")
    return not failed


def clone(node: NodeConfig) -> None:
    """Give the node, which is off, the store's images; a store with containers stays as it is."""
    if node.containerd_root.exists():
        if catalog(node.state) == catalog(STORE) or _has_pods(node):
            return
        discard(node)
    draft = node.containerd_root.with_suffix(".draft")
    if draft.exists():
        shutil.rmtree(draft)
    with locked():
        shutil.copytree(ROOT, draft, copy_function=os.link, ignore=_inside_layers)
        for layer in (ROOT / LAYERS).iterdir():
            (draft / LAYERS / layer.name).symlink_to(layer)
        for name in DATABASES:
            (draft / name).unlink()
            shutil.copy(ROOT / name, draft / name)
        shutil.copy(STORE / CATALOG, node.state / CATALOG)
    draft.rename(node.containerd_root)


def discard(node: NodeConfig) -> None:
    """Drop the node's store; containerd must not run."""
    old = node.containerd_root.with_suffix(".old")
    node.containerd_root.rename(old)
    shutil.rmtree(old)


def _has_pods(node: NodeConfig) -> bool:
    pods = node.state / "kubelet" / "pods"
    return pods.exists() and any(pods.iterdir())


def _inside_layers(folder: str, names: list[str]) -> list[str]:
    return names if folder == str(ROOT / LAYERS) else []


@contextmanager
def locked() -> Iterator[None]:
    """Keep other instances from changing the store meanwhile."""
    STORE.mkdir(parents=True, exist_ok=True)
    with (STORE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _serving(instance: Instance) -> Iterator[Path]:
    """Run a containerd on the store for as long as an import takes."""
    state = RUN_ROOT / "images"
    socket = state / "containerd.sock"
    state.mkdir(parents=True, exist_ok=True)
    config = STORE / "containerd.toml"
    config.write_text(_config(state, socket))
    daemon = Daemon(instance, "image-store", ["containerd", "--config", str(config)])
    daemon.start()
    try:
        if not wait_for(lambda: accepts(socket), 20, 0.05):
            raise daemon.failure("does not answer")
        yield socket
    finally:
        daemon.stop()


def _config(state: Path, socket: Path) -> str:
    unused = [*UNUSED_PLUGINS, "io.containerd.grpc.v1.cri"]
    return f"""\
version = 2
root = "{ROOT}"
state = "{state}"
disabled_plugins = {json.dumps(unused)}
[grpc]
address = "{socket}"
"""
