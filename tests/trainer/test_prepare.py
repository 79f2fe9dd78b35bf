"""The poses stage as a whole: what it finds, what it says, and how it ends."""

import json
import signal
from pathlib import Path

import pytest

pytestmark = pytest.mark.torch
pytest.importorskip("pycolmap")

from formats import COUNT, FORMATS, write_photos  # noqa: E402
from PIL import Image  # noqa: E402
from poses_stage import ending, start  # noqa: E402
from video_files import pattern, patterns, write_video  # noqa: E402

from nerf_contract.dataset import ENOUGH_PHOTOS, PosesConfig  # noqa: E402
from nerf_contract.reasons import (  # noqa: E402
    ARCHIVE_FETCHED,
    ARCHIVE_UNREACHABLE,
    POSES_FOUND,
    POSES_GIVEN,
)
from nerf_contract.training import TrainerConfig  # noqa: E402
from nerf_trainer import prepare as stage  # noqa: E402
from nerf_trainer.poses import Found  # noqa: E402
from nerf_trainer.stage import StageBoard  # noqa: E402
from nerf_trainer.stage_process import Done  # noqa: E402


def prepared(folder: Path, **dataset: object) -> Done:
    config = TrainerConfig.model_validate({"dataset": dataset})
    return stage.prepare(config, folder, StageBoard("poses"))


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "photos"])
def test_given_poses_are_counted(tmp_path: Path, name: str) -> None:
    FORMATS[name](tmp_path / "scene")
    found = prepared(tmp_path, path="scene")
    report = found.dataset
    assert found.reason == POSES_GIVEN
    assert (report.format, report.photos, report.posed) == (name.partition("-")[0], COUNT, COUNT)
    assert report.poses is None


class Search:
    """Stands for `find_poses`, and keeps what it was asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[tuple[Path, list[str], PosesConfig]] = []
        monkeypatch.setattr(stage, "find_poses", self._find)

    def _find(
        self, folder: Path, photos: list[Path], config: PosesConfig, tell: stage.Tell
    ) -> Found:
        self.asked.append((folder, [photo.name for photo in photos], config))
        tell("matching", 0.5)
        return Found(photos=30, unposed=[f"{i}.jpg" for i in range(23)], poses="f" * 16, error=0.5)


def test_what_was_found_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [Path(name).name for name in write_photos(tmp_path)]
    board, search = StageBoard("poses"), Search(monkeypatch)
    found = stage.prepare(TrainerConfig(), tmp_path, board)
    assert search.asked == [(tmp_path, names, PosesConfig())]
    assert (board.progress.activity, board.progress.done) == ("matching", 0.5)
    assert found.reason == POSES_FOUND
    assert found.dataset.poses == "f" * 16
    assert (found.dataset.posed, len(found.dataset.unposed)) == (7, 20)
    assert "7 of 30 photos" in found.message and "19.jpg and 3 more" in found.message


def test_a_video_is_a_sequence_of_photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_video(tmp_path / "a.mp4", patterns(9))
    board, search = StageBoard("poses"), Search(monkeypatch)
    config = TrainerConfig.model_validate({"dataset": {"video": {"frames": 3}}})
    found = stage.prepare(config, tmp_path, board)
    [(_, frames, poses)] = search.asked
    assert [frame[:5] for frame in frames] == ["0000-", "0001-", "0002-"]
    assert poses == PosesConfig(matching="sequential")
    assert found.dataset is not None and found.dataset.format == "video"
    assert board.progress.activity == "matching"
    assert board.progress.done == pytest.approx(0.3 + 0.7 * 0.5)


def test_several_videos_and_photos_are_no_sequence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = Search(monkeypatch)
    write_video(tmp_path / "videos/a.mp4", patterns(9))
    write_video(tmp_path / "videos/b.mp4", patterns(9))
    Image.fromarray(pattern(0)).save(tmp_path / "videos/photo.png")
    prepared(tmp_path, path="videos")
    assert [len(search.asked[0][1]), search.asked[0][1][-1]] == [19, "photo.png"]
    (tmp_path / "videos/photo.png").unlink()
    prepared(tmp_path, path="videos")
    (tmp_path / "videos/b.mp4").unlink()
    prepared(tmp_path, path="videos")
    assert [poses.matching for _, _, poses in search.asked] == ["auto", "auto", "sequential"]


def test_a_clip_beside_many_photos_is_left_out_and_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = Search(monkeypatch)
    (tmp_path / "clip.mp4").write_bytes(b"never looked into")
    for i in range(ENOUGH_PHOTOS):
        Image.fromarray(pattern(i)).save(tmp_path / f"{i}.png")
    assert "beside so many photos: clip.mp4" in prepared(tmp_path).message
    assert "clip.mp4" not in prepared(tmp_path, format="photos").message
    assert [len(photos) for _, photos, _ in search.asked] == [ENOUGH_PHOTOS, ENOUGH_PHOTOS]


def test_a_good_end_leaves_the_dataset_as_last_word(tmp_path: Path) -> None:
    FORMATS["nerfstudio"](tmp_path / "scene")
    end = ending(tmp_path, {"dataset": {"path": "scene"}})
    assert (end.code, end.word.reason) == (0, POSES_GIVEN)
    assert end.word.dataset is not None and end.word.dataset.photos == COUNT


ARCHIVE = {"url": "https://photos.example/a.zip", "sha256": "0" * 64}
DOWNLOAD = "nerf_trainer.download"


def test_only_the_download_stage_fetches(tmp_path: Path) -> None:
    FORMATS["nerfstudio"](tmp_path / "scene")
    config: dict[str, object] = {"dataset": {"path": "scene", "archive": ARCHIVE}}
    end = ending(tmp_path, config)
    assert end.word.reason == ARCHIVE_UNREACHABLE
    assert DOWNLOAD in end.word.message
    record = tmp_path / "scene/.nerf/archive.json"
    record.parent.mkdir()
    record.write_text(json.dumps({"sha256": ARCHIVE["sha256"], "complete": True}))
    fetched, found = ending(tmp_path, config, DOWNLOAD), ending(tmp_path, config)
    assert (fetched.code, fetched.word.reason) == (0, ARCHIVE_FETCHED)
    assert (found.code, found.word.reason) == (0, POSES_GIVEN)


def test_it_ends_when_it_is_told_to(tmp_path: Path) -> None:
    (tmp_path / "scene").mkdir()
    process, _ = start(tmp_path, {"dataset": {"path": "scene", "waitSeconds": 600}})
    assert process.stdout is not None
    for line in process.stdout:
        if "waiting up to" in line:
            break
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 128 + signal.SIGTERM
    process.stdout.close()
