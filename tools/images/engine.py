"""Building an image by docker where one answers, else by buildah."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from images.base import ensure_base
from images.recipes import CHECKOUT, Recipe, fingerprint
from images.storage import BUILDAH, forget_rootfs, images_cache, record_name, save_rootfs

CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


def find_engine() -> str:
    """`docker` or `buildah`. Raises RuntimeError saying what to install when neither works."""
    if shutil.which("docker") and _succeeds("docker", "info"):
        return "docker"
    if shutil.which("buildah") is None:
        raise RuntimeError("no docker engine and no buildah here; run tools/setup/setup.sh")
    if os.geteuid() != 0:
        raise RuntimeError("buildah needs root here; run with sudo")
    return "buildah"


def ensure_image(recipe: Recipe, base: str = "auto") -> bool:
    """Builds the image unless its inputs are unchanged. Returns whether it was built."""
    wanted = fingerprint(recipe)
    engine = find_engine()
    with _lock():
        if _built_from(recipe.image) == [engine, wanted, image_id(engine, recipe.image)]:
            return False
        _build(engine, recipe, base)
        built = [engine, wanted, image_id(engine, recipe.image)]
        _record(recipe.image).write_text(json.dumps(built))
        if engine == "buildah":
            save_rootfs(recipe.image)
        else:
            forget_rootfs(recipe.image)
    return True


def image_id(engine: str, image: str) -> str | None:
    if engine == "docker":
        command = ["docker", "image", "inspect", "--format", "{{.Id}}", image]
    else:
        command = [*BUILDAH, "images", "--quiet", "--no-trunc", image]
    result = subprocess.run(command, capture_output=True, text=True)
    return result.stdout.strip() or None


def _build(engine: str, recipe: Recipe, base: str) -> None:
    if engine == "docker":
        command = ["docker", "build"]
        environment = {**os.environ, "DOCKER_BUILDKIT": "1"}
    else:
        ensure_base(base)
        command = [*BUILDAH, "build", "--isolation", "chroot", "--layers"]
        environment = dict(os.environ)
    command += [*_options(recipe), str(CHECKOUT)]
    log = images_cache() / f"{record_name(recipe.image)}.log"
    with log.open("w") as output:
        result = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, env=environment)
    if result.returncode != 0:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise RuntimeError(f"building {recipe.image} failed:\n{tail}\nthe whole output: {log}")


def _options(recipe: Recipe) -> Iterator[str]:
    yield from ("--file", str(CHECKOUT / recipe.dockerfile), "--target", recipe.target)
    yield from ("--tag", recipe.image)
    arguments = {**dict(recipe.build_args), "VERSION": _version(), "REVISION": _revision()}
    for name, value in arguments.items():
        yield from ("--build-arg", f"{name}={value}")
    if CERTIFICATES.is_file():
        yield from ("--secret", f"id=ca,src={CERTIFICATES}")


def _version() -> str:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    return str(project["version"])


def _revision() -> str:
    command = ["git", "-C", str(CHECKOUT), "rev-parse", "HEAD"]
    result = subprocess.run(command, capture_output=True, text=True)
    return result.stdout.strip() or "unknown"


def _succeeds(*command: str) -> bool:
    return subprocess.run(command, capture_output=True).returncode == 0


def _record(image: str) -> Path:
    return images_cache() / f"{record_name(image)}.built.json"


def _built_from(image: str) -> list[str] | None:
    record = _record(image)
    return json.loads(record.read_text()) if record.is_file() else None


@contextmanager
def _lock() -> Iterator[None]:
    """One build at a time on this machine: a second caller waits, then finds the work done."""
    images_cache().mkdir(parents=True, exist_ok=True)
    with (images_cache() / "lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
