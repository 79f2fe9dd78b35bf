"""The base image debian:trixie-slim: pulled where a registry can be reached, else made here."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from images.storage import BUILDAH, buildah, images_cache

BASE_IMAGE = "docker.io/library/debian:trixie-slim"
SUITE = "trixie"
PULL_SECONDS = 300

# As in the published slim image: nobody reads manuals in a container.
SLIM = """\
path-exclude /usr/share/doc/*
path-include /usr/share/doc/*/copyright
path-exclude /usr/share/info/*
path-exclude /usr/share/lintian/*
path-exclude /usr/share/locale/*
path-exclude /usr/share/man/*
"""
SLIM_FOLDERS = ("info", "lintian", "locale", "man")


def ensure_base(method: str) -> None:
    """Makes BASE_IMAGE available to buildah by `method`: auto, pull or debootstrap."""
    if _present():
        return
    if method in ("auto", "pull") and _pull():
        return
    if method == "pull":
        raise RuntimeError(f"cannot pull {BASE_IMAGE}; --base debootstrap makes it from packages")
    print(f"no registry answers; making {BASE_IMAGE} by debootstrap (about 30 s)", flush=True)
    _debootstrap()


def _present() -> bool:
    command = [*BUILDAH, "inspect", "--type", "image", BASE_IMAGE]
    return subprocess.run(command, capture_output=True).returncode == 0


def _pull() -> bool:
    command = [*BUILDAH, "pull", "--quiet", BASE_IMAGE]
    try:
        return subprocess.run(command, capture_output=True, timeout=PULL_SECONDS).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def _debootstrap() -> None:
    if shutil.which("debootstrap") is None:
        raise RuntimeError("debootstrap is missing; run tools/setup/setup.sh")
    cache = images_cache() / "debootstrap"
    root, packages = cache / "root", cache / "packages"
    shutil.rmtree(root, ignore_errors=True)
    packages.mkdir(parents=True, exist_ok=True)
    options = ["--variant=minbase", f"--cache-dir={packages}"]
    command = ["debootstrap", *options, SUITE, str(root)]
    log = cache / "log"
    with log.open("w") as output:
        result = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT)
    if result.returncode != 0:
        raise RuntimeError(f"debootstrap failed; its output is in {log}")
    _slim(root)
    _import(root)
    shutil.rmtree(root)


def _slim(root: Path) -> None:
    (root / "etc/dpkg/dpkg.cfg.d/slim").write_text(SLIM)
    for name in SLIM_FOLDERS:
        _empty(root / "usr/share" / name)
    _empty(root / "var/lib/apt/lists")
    _empty(root / "var/cache/apt")
    for path in (root / "usr/share/doc").rglob("*"):
        if not path.is_dir() and path.name != "copyright":
            path.unlink()


def _empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()


def _import(root: Path) -> None:
    container = buildah("from", "scratch").strip()
    try:
        buildah("copy", "--quiet", container, str(root), "/")
        buildah("config", "--cmd", "bash", container)
        buildah("commit", "--quiet", container, BASE_IMAGE)
    finally:
        buildah("rm", container)
