"""Reading images from archives, and the sandbox image that we write ourselves."""

import hashlib
import json
import tarfile
from pathlib import Path

import pytest

from localkube.errors import ClusterError
from localkube.image_store import Archive, holds, pinned, read_archive, share_blobs
from localkube.pause_image import PAUSE_IMAGE, write_archive


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    binary = tmp_path / "binary"
    binary.write_bytes(b"\x7fELF for the test")
    write_archive(binary, tmp_path / "image.tar")
    return tmp_path / "image.tar"


def unpack(archive: Path) -> Path:
    folder = archive.parent / "layout"
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    return folder


def test_an_archive_gives_its_name_and_digest(archive: Path) -> None:
    image = read_archive(archive)
    manifest = unpack(archive) / "blobs" / "sha256" / image.digest.removeprefix("sha256:")
    assert image.name == PAUSE_IMAGE
    assert hashlib.sha256(manifest.read_bytes()).hexdigest() == manifest.name


def test_a_layout_folder_is_read_like_an_archive(archive: Path) -> None:
    assert read_archive(unpack(archive)).digest == read_archive(archive).digest


def test_every_blob_of_the_sandbox_image_has_its_digest_as_name(archive: Path) -> None:
    blobs = list((unpack(archive) / "blobs" / "sha256").iterdir())
    assert len(blobs) == 3
    assert all(hashlib.sha256(blob.read_bytes()).hexdigest() == blob.name for blob in blobs)


def test_the_same_binary_gives_the_same_archive(archive: Path) -> None:
    again = archive.with_name("again.tar")
    write_archive(archive.with_name("binary"), again)
    assert again.read_bytes() == archive.read_bytes()


@pytest.mark.parametrize("name", ["pause", "localhost/pause", "pause:1", "host:5000/pause"])
def test_a_name_without_registry_or_tag_is_refused(archive: Path, name: str) -> None:
    write_archive(archive.with_name("binary"), archive, name)
    with pytest.raises(ClusterError, match="give it a full name"):
        read_archive(archive)


@pytest.mark.parametrize("content", [b"", b"not a tar", b"\0" * 10240])
def test_what_is_no_archive_is_refused_with_the_way_to_write_one(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "file.tar"
    path.write_bytes(content)
    with pytest.raises(ClusterError, match="buildah push"):
        read_archive(path)


def test_a_missing_archive_is_named(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=r"gone\.tar"):
        read_archive(tmp_path / "gone.tar")


def test_a_pinned_name_has_the_digest_instead_of_the_tag() -> None:
    assert pinned("localhost:5000/a/b:tag", "sha256:1") == "localhost:5000/a/b@sha256:1"


def test_only_the_newest_build_of_a_name_counts_as_held(tmp_path: Path) -> None:
    known = {"localhost/a:b": ["sha256:new", "sha256:old"]}
    (tmp_path / "images.json").write_text(json.dumps(known))
    held = {
        digest: holds(tmp_path, Archive(tmp_path, "localhost/a:b", digest))
        for digest in ("sha256:new", "sha256:old", "sha256:other")
    }
    assert held == {"sha256:new": True, "sha256:old": False, "sha256:other": False}


def test_blobs_of_a_layout_folder_are_shared_not_kept_twice(tmp_path: Path) -> None:
    origin, blobs = tmp_path / "origin", tmp_path / "blobs"
    for folder in (origin, blobs):
        folder.mkdir()
        (folder / "both").write_text("same")
    (blobs / "own").write_text("only here")
    share_blobs(origin, blobs)
    assert (blobs / "both").samefile(origin / "both")
    assert sorted(path.name for path in blobs.iterdir()) == ["both", "own"]
