"""Housekeeping in an OCI layout."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from images import layout

MANIFEST, CONFIG, LAYER, OLD = ("a" * 64, "b" * 64, "c" * 64, "d" * 64)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    blobs = tmp_path / "blobs/sha256"
    blobs.mkdir(parents=True)
    for name in (CONFIG, LAYER, OLD):
        (blobs / name).touch()
    parts = {"config": {"digest": f"sha256:{CONFIG}"}, "layers": [{"digest": f"sha256:{LAYER}"}]}
    (blobs / MANIFEST).write_text(json.dumps(parts))
    index = {"manifests": [{"digest": f"sha256:{MANIFEST}"}]}
    (tmp_path / "index.json").write_text(json.dumps(index))
    return tmp_path


def test_digest_is_the_manifests(folder: Path) -> None:
    assert layout.digest(folder) == f"sha256:{MANIFEST}"


def test_only_what_the_image_needs_is_kept(folder: Path) -> None:
    layout.drop_unused_blobs(folder)
    kept = {path.name for path in (folder / "blobs/sha256").iterdir()}
    assert kept == {MANIFEST, CONFIG, LAYER}
