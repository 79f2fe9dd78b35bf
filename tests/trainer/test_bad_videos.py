"""What is wrong with a person's video ends in a sentence that says what to do."""

import errno
import shutil
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

pytestmark = pytest.mark.torch
av = pytest.importorskip("av")
pytest.importorskip("pycolmap")

from poses_stage import ending  # noqa: E402
from video_files import patterns, write_sound, write_video  # noqa: E402

from nerf_contract.reasons import DATASET_INVALID, DATASET_VOLUME, FAILURES  # noqa: E402
from nerf_trainer.failures import TrainerFailure  # noqa: E402
from nerf_trainer.video import frames_of, pictures, reading  # noqa: E402

CLIP = "clip.mp4"
#: As of photos: above what Python, numpy and the libraries take, below what huge frames would.
MOST_MEMORY = 500_000_000


def text(words: str) -> Callable[[Path], None]:
    """Beside it lies a whole video that is not named as one."""

    def write(folder: Path) -> None:
        write_video(folder / "other.mkv", patterns(6)).rename(folder / "other.bin")
        (folder / CLIP).write_text(words)

    return write


def cut_off(folder: Path) -> None:
    """The index of such a file comes last."""
    write_video(folder / CLIP, patterns(60))
    whole = (folder / CLIP).read_bytes()
    (folder / CLIP).write_bytes(whole[: len(whole) // 2])


def damaged(folder: Path) -> None:
    """All that is between the first picture and the index is lost."""
    write_video(folder / CLIP, patterns(60), options={"g": "10"})
    whole = bytearray((folder / CLIP).read_bytes())
    start, end = whole.index(b"mdat") + len(whole) // 8, whole.rindex(b"moov") - 8
    whole[start:end] = np.random.default_rng(0).bytes(end - start)
    (folder / CLIP).write_bytes(whole)


def clip(count: int, rate: Fraction | int = 30) -> Callable[[Path], None]:
    return lambda folder: void(write_video(folder / CLIP, patterns(count), rate=rate))


def void(_: Path) -> None:
    """For what is done only for its effect."""


def huge(folder: Path) -> None:
    """48 megapixels."""
    black = np.zeros((6000, 8000, 3), np.uint8)
    write_video(folder / CLIP, [black] * 3, options={"preset": "ultrafast"})


class Case(NamedTuple):
    """write: makes the folder. words: that the message must hold."""

    write: Callable[[Path], None]
    words: list[str]


CASES = {
    "nothing in a file": Case(text(""), ["clip.mp4 is not a video", "Copy it again"]),
    "a text": Case(text("hello"), ["clip.mp4 is not a video", "Copy it again"]),
    "a playlist": Case(
        text("#EXTM3U\n#EXTINF:10,\nother.bin\n#EXT-X-ENDLIST\n"), ["clip.mp4 is not a video"]
    ),
    "a list of other files": Case(
        text("ffconcat version 1.0\nfile other.bin\n"), ["clip.mp4 is not a video"]
    ),
    "cut off": Case(cut_off, ["clip.mp4 is not a video", "Copy it again"]),
    "damaged": Case(damaged, ["can be decoded", "damaged", "Copy it again"]),
    "sound": Case(
        lambda folder: void(write_sound(folder / CLIP)), ["clip.mp4 has no video in it", "sound"]
    ),
    "two frames": Case(clip(2), ["clip.mp4 has 2 frames", "Film for a minute"]),
    "hours": Case(clip(40, Fraction(1, 200)), ["lasts 2.2 hours", "60 minutes", "ffmpeg -ss"]),
    "huge": Case(huge, ["8000x6000 pixels", "are the most", "scale=-2:2160"]),
}


def refusal(folder: Path, wanted: int = 12) -> TrainerFailure:
    with pytest.raises(TrainerFailure) as caught:
        frames_of(folder, wanted, lambda *_: None)
    return caught.value


@pytest.mark.parametrize("case", CASES)
def test_it_is_said_what_to_do(tmp_path: Path, case: str) -> None:
    write, words = CASES[case]
    write(tmp_path)
    failure = refusal(tmp_path)
    assert failure.reason == DATASET_INVALID
    assert all(word in failure.message for word in words), failure.message
    assert not list(tmp_path.glob(".nerf/frames/*")), "nothing is kept of what cannot be used"


@pytest.mark.parametrize("case", ["a text", "huge"])
def test_the_stage_ends_by_it_in_bounded_memory(tmp_path: Path, case: str) -> None:
    (tmp_path / "scene").mkdir()
    CASES[case].write(tmp_path / "scene")
    end = ending(tmp_path, {"dataset": {"path": "scene"}})
    assert (end.word.reason, end.code) == (DATASET_INVALID, FAILURES[DATASET_INVALID].exit_code)
    assert all(word in end.word.message for word in CASES[case].words), end.word.message
    assert "Traceback" not in end.log
    assert end.peak < MOST_MEMORY, end.peak


def test_a_long_video_without_keyframes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_DECODED", 50 * reading.LEAST_WORK)
    write_video(tmp_path / CLIP, patterns(60), options={"g": "60", "sc_threshold": "0"})
    message = refusal(tmp_path).message
    assert "60 frames" in message and "only 1 keyframes" in message
    assert "ffmpeg -i IN" in message


def test_more_videos_than_frames(tmp_path: Path) -> None:
    write_video(tmp_path / "0.mp4", patterns(6))
    for k in range(1, 4):
        shutil.copy(tmp_path / "0.mp4", tmp_path / f"{k}.mp4")
    assert "holds 4 videos, but dataset.video.frames is 3" in refusal(tmp_path, 3).message


def test_a_link_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "scene").mkdir()
    outside = write_video(tmp_path / "outside.mp4", patterns(6))
    (tmp_path / "scene/clip.mp4").symlink_to(outside)
    assert "leads out of the dataset's folder" in refusal(tmp_path / "scene").message


def test_a_volume_that_cannot_be_written(tmp_path: Path) -> None:
    write_video(tmp_path / CLIP, patterns(12))
    tmp_path.chmod(0o555)
    failure = refusal(tmp_path)
    tmp_path.chmod(0o755)
    assert failure.reason == DATASET_VOLUME
    assert "cannot be written (Permission denied)" in failure.message


def test_a_video_that_cannot_be_read(tmp_path: Path) -> None:
    write_video(tmp_path / CLIP, patterns(12)).chmod(0)
    failure = refusal(tmp_path)
    assert failure.reason == DATASET_VOLUME
    assert "clip.mp4 cannot be read (Permission denied)" in failure.message


def test_colours_that_cannot_be_converted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error is made: which colours FFmpeg refuses depends on its version."""

    def refuse(*_: object, **__: object) -> None:
        raise av.error.OSError(errno.EOPNOTSUPP, "Operation not supported")

    write_video(tmp_path / CLIP, patterns(12))
    monkeypatch.setattr(pictures, "_reformatted", refuse)
    failure = refusal(tmp_path)
    assert failure.reason == DATASET_INVALID
    assert "colours of a video cannot be converted" in failure.message
