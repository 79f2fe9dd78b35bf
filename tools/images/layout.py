"""Exporting an image as an OCI layout: a folder with uncompressed layers, one an image.

After a change of code only the small top layer is written anew.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from images.storage import images_cache, record_name

STORAGE = "[overlay@/var/lib/containers/storage+/run/containers/storage]"


def export(image: str) -> Path:
    """The layout folder of a buildah image, brought up to date."""
    folder = images_cache() / "layouts" / record_name(image)
    folder.parent.mkdir(parents=True, exist_ok=True)
    source, target = f"containers-storage:{STORAGE}{image}", f"oci:{folder}:{image}"
    # Else the index keeps earlier builds. The blobs stay, and skopeo writes only new ones.
    (folder / "index.json").unlink(missing_ok=True)
    command = ["skopeo", "copy", "--quiet", "--dest-oci-accept-uncompressed-layers"]
    subprocess.run([*command, source, target], check=True)
    drop_unused_blobs(folder)
    return folder


def archive(folder: Path, target: Path) -> None:
    """Writes the layout as an OCI archive (a plain tar file)."""
    subprocess.run(["tar", "-cf", target, "-C", folder, "."], check=True)


def digest(folder: Path) -> str:
    """The digest under which registries and nodes know the image of the layout."""
    (entry,) = json.loads((folder / "index.json").read_text())["manifests"]
    return str(entry["digest"])


def drop_unused_blobs(folder: Path) -> None:
    """Deletes what earlier builds of the image left behind."""
    blobs = folder / "blobs" / "sha256"
    name = digest(folder).removeprefix("sha256:")
    manifest = json.loads((blobs / name).read_text())
    parts = [manifest["config"], *manifest["layers"]]
    used = {name, *(part["digest"].removeprefix("sha256:") for part in parts)}
    for path in blobs.iterdir():
        if path.name not in used:
            path.unlink()
