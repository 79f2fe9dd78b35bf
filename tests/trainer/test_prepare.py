"""The poses stage as a whole: what it finds, what it says, and how it ends."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.torch
pytest.importorskip("pycolmap")

from formats import COUNT, FORMATS, write_photos  # noqa: E402

from nerf_contract.dataset import PosesConfig  # noqa: E402
from nerf_contract.progress import TerminationMessage  # noqa: E402
from nerf_contract.reasons import (  # noqa: E402
    DATASET_INVALID,
    FAILURES,
    POSES_FAILED,
    POSES_FOUND,
    POSES_GIVEN,
)
from nerf_contract.training import TrainerConfig  # noqa: E402
from nerf_trainer import prepare as stage  # noqa: E402
from nerf_trainer.poses import Found  # noqa: E402
from nerf_trainer.stage import StageBoard  # noqa: E402


def prepared(folder: Path, **dataset: object) -> stage.Prepared:
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


def test_what_was_found_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_photos(tmp_path)
    asked: list[tuple[Path, PosesConfig]] = []

    def find(folder: Path, config: PosesConfig, tell: stage.Tell) -> Found:
        asked.append((folder, config))
        tell("matching", 0.5)
        return Found(photos=30, unposed=[f"{i}.jpg" for i in range(23)], poses="f" * 16, error=0.5)

    monkeypatch.setattr(stage, "find_poses", find)
    board = StageBoard("poses")
    found = stage.prepare(TrainerConfig(), tmp_path, board)
    assert asked == [(tmp_path, PosesConfig())]
    assert (board.progress.activity, board.progress.done) == ("matching", 0.5)
    assert found.reason == POSES_FOUND
    assert found.dataset.poses == "f" * 16
    assert (found.dataset.posed, len(found.dataset.unposed)) == (7, 20)
    assert "7 of 30 photos" in found.message and "19.jpg and 3 more" in found.message


def start(folder: Path, config: dict[str, object]) -> tuple["subprocess.Popen[str]", Path]:
    """The stage as a process of its own, and where it leaves its last word."""
    (folder / "config.json").write_text(json.dumps(config))
    word = folder / "last-word"
    env = os.environ | {"NERF_DATASET_ROOT": str(folder), "NERF_TERMINATION_LOG": str(word)}
    command = [sys.executable, "-m", "nerf_trainer.prepare", "--config", f"{folder}/config.json"]
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, env=env, stdout=pipe, stderr=subprocess.STDOUT, text=True
    ), word


def ending(folder: Path, config: dict[str, object]) -> tuple[int, TerminationMessage, str]:
    process, word = start(folder, config)
    log, _ = process.communicate(timeout=60)
    return process.returncode, TerminationMessage.model_validate_json(word.read_text()), log


def test_a_good_end_leaves_the_dataset_as_last_word(tmp_path: Path) -> None:
    FORMATS["nerfstudio"](tmp_path / "scene")
    code, word, _ = ending(tmp_path, {"dataset": {"path": "scene"}})
    assert (code, word.reason) == (0, POSES_GIVEN)
    assert word.dataset is not None and word.dataset.photos == COUNT


@pytest.mark.parametrize(
    ("photos", "reason", "words"),
    [(0, DATASET_INVALID, "is empty"), (2, POSES_FAILED, "holds 2 photos")],
)
def test_a_mistake_is_told_in_a_sentence(
    tmp_path: Path, photos: int, reason: str, words: str
) -> None:
    write_photos(tmp_path / "scene")
    for path in sorted((tmp_path / "scene/images").iterdir())[photos:]:
        path.unlink()
    if not photos:
        (tmp_path / "scene/images").rmdir()
    code, word, log = ending(tmp_path, {"dataset": {"path": "scene"}})
    assert (code, word.reason) == (FAILURES[reason].exit_code, reason)
    assert words in word.message
    assert "Traceback" not in log


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
