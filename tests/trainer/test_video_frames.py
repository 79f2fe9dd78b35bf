"""Frames of videos: which are picked, how they are turned and kept, and that they are not again."""

import itertools
from fractions import Fraction
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest

pytestmark = pytest.mark.torch
pytest.importorskip("av")

from PIL import Image  # noqa: E402
from video_files import SIZE, Pixels, blurred, pattern, patterns, write_video  # noqa: E402

from nerf_contract import names  # noqa: E402
from nerf_trainer import video  # noqa: E402
from nerf_trainer.scenes import find_format  # noqa: E402
from nerf_trainer.video import frames_of, pictures, reading  # noqa: E402
from nerf_trainer.video.picking import (  # noqa: E402
    Candidate,
    part_of,
    shares,
    sharpest,
    sharpness,
)


def picked(folder: Path, wanted: int = 12) -> list[Path]:
    return frames_of(folder, wanted, lambda *_: None)


def pixels_of(path: Path) -> Pixels:
    return np.asarray(Image.open(path))


def difference(a: Pixels, b: Pixels) -> float:
    """Of their brightness, on average: videos keep half of the colours only."""
    one, other = (np.asarray(Image.fromarray(x).convert("L")).astype(int) for x in (a, b))
    return float(np.abs(one - other).mean())


# --- Decisions -----------------------------------------------------------------------------------


def test_what_is_blurred_is_less_sharp() -> None:
    grey = np.asarray(Image.fromarray(pattern(0)).convert("L"))
    found = [sharpness(grey), *(sharpness(blurred(grey, radius)) for radius in (0.5, 1, 2, 4))]
    assert found == sorted(found, reverse=True)
    assert sharpness(np.full((9, 9), 7, np.uint8)) == 0
    assert sharpness(np.zeros((2, 9), np.uint8)) == 0


def test_sharpness_is_the_variance_of_the_laplacian() -> None:
    grey = np.random.default_rng(0).integers(0, 256, (7, 9), dtype=np.uint8)
    g = grey.astype(float)
    laplacian = [
        g[y - 1, x] + g[y + 1, x] + g[y, x - 1] + g[y, x + 1] - 4 * g[y, x]
        for y, x in itertools.product(range(1, 6), range(1, 8))
    ]
    assert sharpness(grey) == pytest.approx(np.var(laplacian), rel=1e-5)


def test_the_sharpest_of_each_part_is_taken() -> None:
    rng = np.random.default_rng(0)
    parts = sorted(rng.integers(0, 9, 100).tolist())
    every = [Candidate(part, i, float(rng.random()), None) for i, part in enumerate(parts)]
    best = {part: max(c.sharpness for c in every if c.part == part) for part in parts}
    assert {c.part: c.sharpness for c in sharpest(iter(every))} == best
    assert list(sharpest(iter(()))) == []


def test_parts_are_equal() -> None:
    assert [part_of(at, 10.0, 4) for at in (0, 2.4, 2.5, 5, 7.4, 9.9)] == [0, 0, 1, 2, 2, 3]
    assert [part_of(at, 10.0, 4) for at in (-3, 10, 99)] == [0, 3, 3]


def test_longer_videos_give_more_frames() -> None:
    assert shares([30.0, 10.0], 120) == [90, 30]
    assert sum(shares([1.0, 1.0, 1.0], 100)) == 100
    assert shares([1000.0, 0.1], 10) == [10, 1]
    assert shares([5.0], 7) == [7]


# --- What is picked ------------------------------------------------------------------------------


def test_sharp_frames_are_picked_evenly_over_the_whole_video(tmp_path: Path) -> None:
    """Of every five frames one is sharp: the third, and of every other part the first."""
    sharp = {5 * part + (0 if part % 2 else 2) for part in range(12)}
    pictures = [p if k in sharp else blurred(p) for k, p in enumerate(patterns(60))]
    write_video(tmp_path / "clip.mp4", pictures, options={"crf": "10"})
    found = picked(tmp_path)
    assert [path.name for path in found] == [
        f"{part:04d}-{k / 30:.2f}s.jpg" for part, k in enumerate(sorted(sharp))
    ]
    for path, k in zip(found, sorted(sharp), strict=True):
        wrong = difference(pixels_of(path), pattern(k))
        assert wrong < 0.5 * difference(pixels_of(path), pattern(k + 1)), (path.name, wrong)


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        *(("a.mp4", "libx264"), ("a.mp4", "mpeg4"), ("A.MOV", "libx265"), ("a.mkv", "libx264")),
        *(("a.webm", "libvpx-vp9"), ("a.avi", "mjpeg"), ("a.m2ts", "libx264")),
        *(("a.mpg", "mpeg2video"), ("a.m4v", "libx264"), ("a.webm", "libsvtav1")),
    ],
)
def test_usual_formats_are_read(tmp_path: Path, name: str, codec: str) -> None:
    write_video(tmp_path / name, patterns(24), codec)
    assert find_format(tmp_path, "auto") == "video"
    found = picked(tmp_path, 6)
    assert len(found) == 6
    assert {pixels_of(path).shape for path in found} == {(*SIZE[::-1], 3)}


def test_colours_stay(tmp_path: Path) -> None:
    colours = np.zeros((64, 96, 3), np.uint8)
    colours[:, :32], colours[:, 32:64], colours[:, 64:] = (200, 30, 40), (30, 180, 60), (128,) * 3
    write_video(tmp_path / "clip.mp4", [colours] * 6)
    seen = pixels_of(picked(tmp_path, 3)[0])
    for x in (16, 48, 80):
        assert np.abs(seen[32, x].astype(int) - colours[32, x]).max() < 12


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_frames_are_turned_as_the_camera_was_held(tmp_path: Path, rotation: int) -> None:
    """What is stored is turned by so much, counter-clockwise, to be shown."""
    stored = pattern(0)
    write_video(tmp_path / "clip.mov", [stored] * 6, rotation=rotation, options={"crf": "5"})
    shown = np.rot90(stored, rotation // 90)
    seen = pixels_of(picked(tmp_path, 3)[0])
    assert seen.shape == shown.shape
    assert difference(seen, shown) < 0.5 * difference(seen, np.rot90(shown, 2))


def test_pixels_become_square(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mp4", patterns(6), pixel_shape=Fraction(3, 2))
    assert pixels_of(picked(tmp_path, 3)[0]).shape == (64, 144, 3)


def test_large_frames_are_shrunk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "LONGEST_EDGE", 48)
    write_video(tmp_path / "clip.mp4", patterns(6))
    assert pixels_of(picked(tmp_path, 3)[0]).shape == (32, 48, 3)


def test_a_short_video_gives_all_that_it_has(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mp4", patterns(7))
    assert len(picked(tmp_path, 120)) == 7


@pytest.mark.parametrize("names", [("a/clip.mp4", "b/clip.mp4"), ("走.mp4", "跑.mp4")])
def test_each_video_is_a_camera_of_its_own(tmp_path: Path, names: tuple[str, str]) -> None:
    for name in names:
        (tmp_path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        write_video(tmp_path / "images" / name, patterns(12))
    found = picked(tmp_path, 6)
    models = [Image.open(path).getexif()[0x0110] for path in found]
    assert models[:3] == models[:1] * 3 and models[3:] == models[3:4] * 3
    assert models[0] != models[3]
    assert [path.parent.name for path in found] == [Path(n).name for n in names for _ in range(3)]


# --- What is kept --------------------------------------------------------------------------------


def _never(*_: Any, **__: Any) -> NoReturn:
    pytest.fail("frames that are there were picked again")


def test_a_second_job_takes_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = write_video(tmp_path / "clip.mp4", patterns(30))
    found, fewer = picked(tmp_path), picked(tmp_path, 6)
    assert len({path.parents[1] for path in (*found, *fewer)}) == 2
    with monkeypatch.context() as patch:
        patch.setattr(video, "decoded", _never)
        assert picked(tmp_path) == found
    write_video(clip, patterns(29))
    assert picked(tmp_path)[0].parents[1] not in {path.parents[1] for path in (*found, *fewer)}


class KilledError(Exception):
    """Stands for the end of the pod."""


def test_what_a_lost_pod_left_is_no_result(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mp4", patterns(30))
    told: list[tuple[str, float]] = []

    def tell(activity: str, done: float) -> None:
        told.append((activity, done))
        if done > 0.5:
            raise KilledError

    with pytest.raises(KilledError):
        frames_of(tmp_path, 12, tell)
    assert list((tmp_path / names.FRAMES_DIR).iterdir()) == []
    assert told[-1] == ("reading frames, 16 of 30", 16 / 30)
    assert len(picked(tmp_path)) == 12


def test_progress_grows_over_all_videos(tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        write_video(tmp_path / name, patterns(12))
    told: list[float] = []
    frames_of(tmp_path, 6, lambda _, done: told.append(done))
    assert told == sorted(told)
    assert (told[0], told[-1], len(told)) == (0, 1, 25)


# --- What is decoded of long ones ----------------------------------------------------------------


def test_of_a_long_video_only_keyframes_are_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many as there is time for: 10 of the 20 that there are of 100 frames."""
    monkeypatch.setattr(reading, "MOST_DECODED", 10 * reading.LEAST_WORK)
    every_fifth = {"g": "5", "sc_threshold": "0"}
    write_video(tmp_path / "clip.mp4", patterns(100), options=every_fifth)
    told: list[str] = []
    found = frames_of(tmp_path, 10, lambda activity, _: told.append(activity))
    assert told[-1] == "reading frames, 10 of 10"
    assert [path.name for path in found] == [f"{k:04d}-{k / 3:.2f}s.jpg" for k in range(10)]


# --- Where videos lie ----------------------------------------------------------------------------


def test_photos_and_videos_are_one_dataset(tmp_path: Path) -> None:
    """The moving part of a phone's photo is no video of its own."""
    (tmp_path / "IMG_1.jpg").touch()
    (tmp_path / "IMG_1.MOV").touch()
    assert find_format(tmp_path, "auto") == "photos"
    assert find_format(tmp_path, "video") is None
    (tmp_path / "walk.MOV").touch()
    assert find_format(tmp_path, "auto") == "video"
    assert find_format(tmp_path, "photos") == "photos"
    (tmp_path / "transforms.json").touch()
    assert find_format(tmp_path, "auto") == "nerfstudio"


def test_images_stand_for_the_folder(tmp_path: Path) -> None:
    (tmp_path / "walk.mp4").touch()
    (tmp_path / "images").mkdir()
    (tmp_path / "images/a.jpg").touch()
    assert find_format(tmp_path, "auto") == "photos"
    (tmp_path / "images/deeper").mkdir()
    (tmp_path / "images/deeper/walk.mp4").touch()
    assert find_format(tmp_path, "auto") == "video"
