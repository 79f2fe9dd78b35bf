"""Bringing built images to a cluster or to a registry."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from images import layout
from images.recipes import CHECKOUT
from images.storage import images_cache

LOCALKUBE = CHECKOUT / "tools" / "localkube" / "localkube"


def load(engine: str, images: list[str], cluster: str) -> None:
    """Loads the images into the nodes of `cluster`: local, kind or k3s."""
    if cluster == "local" and engine == "buildah":
        _run(LOCALKUBE, "images", "load", *map(layout.export, images))
        return
    for image in images:
        with _archive(engine, image) as path:
            _run(*_loader(cluster), path)


def push(engine: str, images: list[str], registry: str) -> list[str]:
    """Pushes the images to `registry` (for example ghcr.io/me) and returns their new names."""
    names = [f"{registry.rstrip('/')}/{image.removeprefix('localhost/')}" for image in images]
    for image, name in zip(images, names, strict=True):
        if engine == "docker":
            _run("docker", "tag", image, name)
            _run("docker", "push", name)
        else:
            source = f"containers-storage:{layout.STORAGE}{image}"
            _run("skopeo", "copy", *_tls_options(registry), source, f"docker://{name}")
    return names


def _tls_options(registry: str) -> list[str]:
    """A registry on this machine is taken to speak plain HTTP, as docker takes it."""
    host = registry.partition("/")[0].partition(":")[0]
    return ["--dest-tls-verify=false"] if host in ("localhost", "127.0.0.1") else []


def _loader(cluster: str) -> tuple[str | Path, ...]:
    loaders: dict[str, tuple[str | Path, ...]] = {
        "local": (LOCALKUBE, "images", "load"),
        "kind": ("kind", "load", "image-archive"),
        "k3s": ("k3s", "ctr", "images", "import"),
    }
    return loaders[cluster]


@contextmanager
def _archive(engine: str, image: str) -> Iterator[Path]:
    """A temporary OCI archive of the image."""
    with tempfile.TemporaryDirectory(dir=images_cache()) as folder:
        path = Path(folder) / "image.tar"
        if engine == "docker":
            _run("docker", "save", "--output", path, image)
        else:
            layout.archive(layout.export(image), path)
        yield path


def _run(*command: str | Path) -> None:
    subprocess.run([str(part) for part in command], check=True)
