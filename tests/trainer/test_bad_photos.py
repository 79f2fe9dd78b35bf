"""What is wrong with a person's photos ends in a sentence that says what to do.

Each as the pod has it: the whole stage as a process, on a folder. docs/photos.md has the sentences.
"""

import gzip
import hashlib
import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

pytestmark = pytest.mark.torch
pytest.importorskip("pycolmap")

import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402
from poses_stage import Ending, ending  # noqa: E402

from nerf_contract.reasons import (  # noqa: E402
    ARCHIVE_INVALID,
    DATASET_INVALID,
    FAILURES,
    POSES_FAILED,
    POSES_FOUND,
)
from nerf_contract.training import PreparedDataset  # noqa: E402
from nerf_trainer.scenes import demo, load_scene  # noqa: E402

#: Above what Python, numpy and pycolmap take by themselves, below what a huge photo would.
MOST_MEMORY = 500_000_000
HUGE = (20_000, 10_000)


def noise(folder: Path, count: int) -> None:
    rng = np.random.default_rng(0)
    for k in range(count):
        Image.fromarray(rng.integers(0, 256, (64, 64, 3), np.uint8)).save(folder / f"{k}.png")


def copies(folder: Path) -> None:
    noise(folder, 1)
    for k in range(1, 20):
        (folder / f"{k}.png").write_bytes((folder / "0.png").read_bytes())


def with_file(name: str, content: bytes) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        noise(folder, 3)
        (folder / name).write_bytes(content)

    return write


def cut_off(kind: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        noise(folder, 3)
        Image.open(folder / "1.png").save(folder / f"cut.{kind}")
        whole = (folder / f"cut.{kind}").read_bytes()
        (folder / f"cut.{kind}").write_bytes(whole[: len(whole) // 2])

    return write


def huge(folder: Path) -> None:
    """200 megapixels in a small file."""
    noise(folder, 3)
    Image.new("1", HUGE).save(folder / "huge.png")
    assert (folder / "huge.png").stat().st_size < 200_000


def zipped(name: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as out:
        out.writestr(name, b"x")
    return packed.getvalue()


def link_out() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as out:
        info = tarfile.TarInfo("scene/photo.jpg")
        info.type, info.linkname = tarfile.SYMTYPE, "../../../other"
        out.addfile(info)
    return packed.getvalue()


def header_bomb() -> bytes:
    """A megabyte at most, whose one header is far larger than the memory that is allowed."""
    packed, size = io.BytesIO(), 2 * MOST_MEMORY
    info = tarfile.TarInfo("header")
    info.type, info.size = tarfile.XHDTYPE, size
    with gzip.open(packed, "w", compresslevel=1) as out:
        out.write(info.tobuf())
        for _ in range(size // 10_000_000):
            out.write(bytes(10_000_000))
    return packed.getvalue()


class Case(NamedTuple):
    """write: makes the folder. words: that the message must hold."""

    write: Callable[[Path], None]
    reason: str
    words: list[str]


PHOTOS = {
    "an empty folder": Case(lambda _: None, DATASET_INVALID, ["is empty", "Put the photos there"]),
    "two photos": Case(lambda f: noise(f, 2), POSES_FAILED, ["holds 2 photos", "take more"]),
    "copies": Case(copies, POSES_FAILED, ["20 photos are copies of 1", "walking around"]),
    "a text": Case(
        with_file("a.jpg", b"hello"), DATASET_INVALID, ["scene/a.jpg is not an image", "remove it"]
    ),
    "nothing in a file": Case(
        with_file("a.jpg", b""), DATASET_INVALID, ["scene/a.jpg is not an image", "remove it"]
    ),
    "of a phone": Case(
        with_file("a.heic", b""), DATASET_INVALID, ["a.heic", "Convert them to JPEG"]
    ),
    "a torn JPEG": Case(
        cut_off("jpg"), DATASET_INVALID, ["cut.jpg is not an image", "truncated", "remove it"]
    ),
    "a torn PNG": Case(
        cut_off("png"), DATASET_INVALID, ["cut.png is not an image", "truncated", "remove it"]
    ),
    "huge": Case(huge, DATASET_INVALID, ["huge.png has more than", "pixels", "Shrink"]),
}

DOWNLOAD = "nerf_trainer.download"
#: what is wrong -> (the archive as it was fetched, words of the message)
ARCHIVES: dict[str, tuple[Callable[[], bytes], list[str]]] = {
    "a path that climbs": (lambda: zipped("../../evil"), ["evil", "Pack it anew"]),
    "an absolute path": (lambda: zipped("/etc/evil"), ["/etc/evil", "Pack it anew"]),
    "a link that leads out": (link_out, ["photo.jpg is a link", "Pack plain files only"]),
    "no archive": (lambda: b"<html>", ["not a whole .zip or .tar", "Pack the photos anew"]),
    "a header without measure": (header_bomb, ["too much room", "Pack fewer"]),
}

#: Where a pod must not reach. The process ends without a word where it tries to.
INNER = [
    "169.254.169.254",
    "10.0.0.1",
    "192.168.1.1",
    "127.0.0.1",
    "localhost",
    "[::1]",
    "[fe80::1]",
]


def check(end: Ending, reason: str, words: list[str]) -> None:
    assert (end.word.reason, end.code) == (reason, FAILURES[reason].exit_code), end.log
    for word in words:
        assert word in end.word.message
    assert "Traceback" not in end.log and "Traceback" not in end.word.message
    assert end.peak < MOST_MEMORY


def content(folder: Path) -> dict[Path, str]:
    files = (path for path in folder.rglob("*") if path.is_file() and ".nerf" not in path.parts)
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize("what", PHOTOS)
def test_photos_that_are_wrong(tmp_path: Path, what: str) -> None:
    scene = tmp_path / "scene"
    scene.mkdir()
    PHOTOS[what].write(scene)
    before = content(scene)
    end = ending(tmp_path, {"dataset": {"path": "scene"}})
    check(end, PHOTOS[what].reason, PHOTOS[what].words)
    assert content(scene) == before, "the photos are the user's"


@pytest.mark.parametrize("what", ARCHIVES)
def test_archives_that_do_harm(tmp_path: Path, what: str) -> None:
    """It was fetched before the pod was replaced, so that no server is needed here."""
    make, words = ARCHIVES[what]
    data = make()
    digest = hashlib.sha256(data).hexdigest()
    fetched = tmp_path / "scene/.nerf/archive" / digest
    fetched.parent.mkdir(parents=True)
    fetched.write_bytes(data)
    before = content(tmp_path)
    archive = {"url": "https://photos.example/a.zip", "sha256": digest}
    check(
        ending(tmp_path, {"dataset": {"path": "scene", "archive": archive}}, DOWNLOAD),
        ARCHIVE_INVALID,
        words,
    )
    assert set(content(tmp_path)) - set(before) == {
        tmp_path / "config.json",
        tmp_path / "last-word",
    }, "nothing but this test's own files"
    assert not fetched.parent.exists(), "the volume is as empty as it was"


@pytest.mark.parametrize("host", INNER)
def test_addresses_that_are_not_public(tmp_path: Path, host: str) -> None:
    archive = {"url": f"https://{host}/a.zip", "sha256": "0" * 64}
    end = ending(tmp_path, {"dataset": {"path": "scene", "archive": archive}}, DOWNLOAD)
    check(end, ARCHIVE_INVALID, ["not a public address", "dataset.claimName"])


COUNT, WIDTH, NARROW = 12, 320, (300, 220)
#: Pixels, of both cameras: the narrow photos are the middle of wide ones.
FOCAL = demo.focal_length(WIDTH)


def two_cameras(folder: Path) -> None:
    """Photos from an arc, every third of another size and angle of view."""
    left, top = (WIDTH - NARROW[0]) // 2, (WIDTH - NARROW[1]) // 2
    for k in range(COUNT):
        photo = Image.fromarray(demo.photo(demo_pose(k), WIDTH, supersample=1))
        if k % 3 == 1:
            photo = photo.crop((left, top, left + NARROW[0], top + NARROW[1]))
        photo.save(folder / f"{k:02d}.png")


def demo_pose(k: int) -> "np.ndarray[tuple[int, ...], np.dtype[np.float32]]":
    azimuth, height = np.radians(10 * k), np.radians(25 + 12 * (k % 2))
    back = np.array(
        [np.cos(height) * np.cos(azimuth), np.cos(height) * np.sin(azimuth), np.sin(height)]
    )
    right = np.array([-np.sin(azimuth), np.cos(azimuth), 0])
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(back, right), back], -1)
    pose[:3, 3] = back * demo.CAMERA_DISTANCE + demo.LOOK_AT
    return pose.astype(np.float32)


def test_photos_of_two_cameras_become_one_scene(tmp_path: Path) -> None:
    scene = tmp_path / "scene"
    scene.mkdir()
    two_cameras(scene)
    end = ending(tmp_path, {"dataset": {"path": "scene"}, "poses": {"maxFeatures": 1024}})
    assert end.word.reason == POSES_FOUND, end.word.message
    found = end.word.dataset
    assert found is not None and (found.photos, found.posed) == (COUNT, COUNT)
    config = PreparedDataset(path="scene", poses=found.poses, holdout_every=COUNT)
    train = load_scene(config, tmp_path, "white").train
    assert train.images.shape == (COUNT - 1, WIDTH, WIDTH, 3)
    np.testing.assert_allclose(train.intrinsics[:, :2], FOCAL, rtol=0.05)
    assert train.usable is not None
    used = [int(view.sum()) for view in train.usable]
    narrow = NARROW[0] * NARROW[1]
    assert used == [
        narrow if k % 3 == 1 else WIDTH * WIDTH for k in range(COUNT) if k != COUNT // 2
    ]
