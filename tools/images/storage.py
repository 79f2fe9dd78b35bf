"""What this project keeps about images in its cache folder, and where buildah keeps layers."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path

BUILDAH = ("buildah", "--storage-driver", "overlay")


def cache_root() -> Path:
    """Everything this project caches on the machine, outside the checkout."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "nerf-operator"


def images_cache() -> Path:
    return cache_root() / "images"


@dataclass(frozen=True)
class RootFs:
    """A built image as a folder stack: `layers` top first, `env` from the image's config."""

    image_id: str
    layers: list[str]
    env: dict[str, str]

    def exists(self) -> bool:
        return all(Path(layer).is_dir() for layer in self.layers)


def record_name(image: str) -> str:
    """The image as part of a file name."""
    return re.sub(r"[^\w.-]+", "_", image)


def record_path(image: str) -> Path:
    return images_cache() / f"{record_name(image)}.rootfs.json"


def save_rootfs(image: str) -> RootFs:
    """Asks buildah where the image's layers lie, and keeps the answer for quick starts."""
    rootfs = _inspect_rootfs(image)
    path = record_path(image)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(rootfs), indent=1))
    return rootfs


def forget_rootfs(image: str) -> None:
    record_path(image).unlink(missing_ok=True)


def load_rootfs(image: str) -> RootFs | None:
    """The kept answer, or None when the image was never built here or its layers are gone."""
    path = record_path(image)
    if not path.is_file():
        return None
    rootfs = RootFs(**json.loads(path.read_text()))
    return rootfs if rootfs.exists() else None


def _inspect_rootfs(image: str) -> RootFs:
    details = json.loads(buildah("inspect", "--type", "image", image))
    env = dict(item.split("=", 1) for item in details["OCIv1"]["config"]["Env"])
    container = buildah("from", "--pull-never", image).strip()
    try:
        mount_point = buildah("mount", container).strip()
        layers = _overlay_layers(mount_point)
        buildah("umount", container)
    finally:
        buildah("rm", container)
    return RootFs(details["FromImageID"], layers, env)


def _overlay_layers(mount_point: str) -> list[str]:
    """The lower folders of an overlay mount, from the kernel's own list of mounts."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _device, where, kind, options = line.split()[:4]
        if where == mount_point and kind == "overlay":
            lower = next(o for o in options.split(",") if o.startswith("lowerdir="))
            folders = lower.removeprefix("lowerdir=").split(":")
            return [str(Path(folder).resolve()) for folder in folders]
    raise RuntimeError(f"no overlay is mounted at {mount_point}")


def buildah(*arguments: str) -> str:
    result = subprocess.run([*BUILDAH, *arguments], stdout=subprocess.PIPE, text=True, check=True)
    return result.stdout
