"""The export stage as a whole: what fails, what is made again, and how it ends."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

import safetensors.torch  # noqa: E402
from exported import MADE, TrainedJob, copied, trained_job  # noqa: E402

from nerf_contract import names  # noqa: E402
from nerf_contract.progress import TerminationMessage  # noqa: E402
from nerf_contract.reasons import (  # noqa: E402
    CHECKPOINT_VOLUME,
    DATASET_VOLUME,
    OUTPUTS_FAILED,
    OUTPUTS_MADE,
)
from nerf_trainer.checkpoint import CheckpointStore  # noqa: E402
from nerf_trainer.config import identity  # noqa: E402
from nerf_trainer.export import run as module  # noqa: E402
from nerf_trainer.export.__main__ import run  # noqa: E402
from nerf_trainer.failures import TrainerFailure  # noqa: E402
from nerf_trainer.stage import StageBoard  # noqa: E402

pytestmark = pytest.mark.torch

TIMEOUT = 60
EVERYTHING = set(MADE)


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrainedJob:
    """The job with all its outputs, of its own."""
    found = copied(trained_job(), tmp_path)
    monkeypatch.setenv(names.ENV_DATASET_ROOT, str(found.dataset))
    return found


def changed(job: TrainedJob, before: dict[str, int]) -> set[str]:
    """Files that were written since, but for the manifest."""
    now = job.times()
    return {name for name in now if now[name] != before.get(name)} - {"outputs.json"}


def test_what_is_there_is_not_made_again(job: TrainedJob) -> None:
    before = job.times()
    assert set(job.export().made) == EVERYTHING
    assert changed(job, before) == set()


def test_other_settings_make_one_output_anew_and_the_report(job: TrainedJob) -> None:
    before = job.times()
    assert job.wanting(mesh={"resolution": 24}).export().failed == {}
    assert changed(job, before) == {"mesh.ply", "mesh.glb", "report.html"}


def test_fewer_stills_leave_no_others_behind(job: TrainedJob) -> None:
    assert job.wanting(stills={"count": 1}).export().failed == {}
    assert [path.name for path in (job.outputs / "stills").iterdir()] == ["still_000.png"]


@pytest.mark.parametrize("harm", [Path.unlink, lambda path: path.write_bytes(b"damaged")])
def test_a_file_that_is_missing_or_damaged_is_made_again(job: TrainedJob, harm) -> None:  # type: ignore[no-untyped-def]
    before = job.times()
    harm(job.outputs / "field.onnx")
    job.export()
    assert changed(job, before) == {"field.onnx", "report.html"}


def test_a_damaged_manifest_makes_all_anew(job: TrainedJob) -> None:
    before = job.times()
    (job.outputs / "outputs.json").write_text("{")
    assert set(job.export().made) == EVERYTHING
    assert changed(job, before) == before.keys() - {"outputs.json"}


def test_another_checkpoint_makes_all_anew(job: TrainedJob) -> None:
    before = job.times()
    store = CheckpointStore(job.folder / names.CHECKPOINTS_DIR, identity(job.config), keep=1)
    found = store.newest()
    assert found is not None
    changed_tensors = {k: v * 1.01 if k.endswith("weight") else v for k, v in found.tensors.items()}
    store.save(found.step + 1, safetensors.torch.save(changed_tensors))
    wanted = job.wanting(stills=None, points=None, report=None)
    wanted.export()
    assert changed(job, before) == {"video.mp4", "mesh.ply", "mesh.glb", "field.onnx"}
    # What is of the other checkpoint is gone, wanted or not.
    assert not any(name.startswith(("stills/", "report")) for name in job.times())


@pytest.fixture
def last_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, job: TrainedJob) -> Path:
    """Where the stage leaves its last word about the job."""
    monkeypatch.setenv(names.ENV_TERMINATION_LOG, str(tmp_path / "last-word"))
    monkeypatch.setenv(names.ENV_OUTPUT_ROOT, str(job.folder.parent))
    monkeypatch.setenv(names.ENV_JOB_NAME, job.folder.name)
    return tmp_path / "last-word"


def ending(job: TrainedJob, last_word: Path) -> tuple[int, TerminationMessage]:
    code = run(job.config, StageBoard("export"))
    return code, TerminationMessage.model_validate_json(last_word.read_text())


def test_an_output_that_fails_keeps_no_other_from_being_made_and_is_tried_again(
    job: TrainedJob, last_word: Path
) -> None:
    shutil.rmtree(job.outputs)
    thick = job.wanting(
        video=None,
        mesh={"resolution": 40, "density": 1e9},
        points=None,
        onnx={"tolerance": 1e-12},
    )
    code, told = ending(thick, last_word)
    assert (code, told.reason) == (73, OUTPUTS_FAILED)
    assert told.outputs == ["stills/", "report.html"]
    assert "No mesh: nothing in the scene's cube is as dense as 1e+09" in told.message
    assert "No onnx: the network differs" in told.message
    assert "nothing in the scene" in (job.outputs / "report.html").read_text()
    manifest = json.loads((job.outputs / "outputs.json").read_text())
    assert set(manifest["failed"]) == {"mesh", "onnx"}
    assert not (job.outputs / ".making").exists()

    last_word.unlink()
    before = job.times()
    code, told = ending(job.wanting(video=None, points=None), last_word)
    assert (code, told.reason) == (0, OUTPUTS_MADE)
    assert changed(job, before) == {"mesh.ply", "mesh.glb", "field.onnx", "report.html"}


def test_without_the_dataset_there_is_what_needs_no_cameras(
    job: TrainedJob, last_word: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(names.ENV_DATASET_ROOT, str(tmp_path / "gone"))
    shutil.rmtree(job.outputs)
    code, told = ending(job, last_word)
    assert code == 73
    assert set(told.outputs or []) == {"mesh.ply", "mesh.glb", "field.onnx", "report.html"}
    assert told.message.count("The folder <dataset> is missing.") == 3
    page = (job.outputs / "report.html").read_text()
    assert "&lt;dataset&gt; is missing" in page
    assert str(tmp_path) not in page


def test_an_unexpected_error_is_told_in_a_sentence(
    job: TrainedJob, last_word: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(module, "make_network", broken)
    code, told = ending(job.wanting(onnx={"tolerance": 1e-3}), last_word)
    assert code == 73
    assert "No onnx: unexpected error, ZeroDivisionError: division by zero" in told.message
    assert set(told.outputs or []) == EVERYTHING - {"field.onnx"}


def test_a_damaged_picture_costs_the_report_alone(job: TrainedJob, last_word: Path) -> None:
    (job.folder / names.RENDERS_DIR / "view_000.png").write_bytes(b"not a picture")
    code, told = ending(job.wanting(stills={"count": 1}), last_word)
    assert (code, told.reason) == (73, OUTPUTS_FAILED)
    assert set(told.outputs or []) == EVERYTHING - {"report.html"}


def test_a_full_volume_ends_the_stage_for_another_try(
    job: TrainedJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "make_network", full)
    with pytest.raises(TrainerFailure, match="No space left on device") as caught:
        job.wanting(onnx={"tolerance": 1e-3}).export()
    assert caught.value.reason == CHECKPOINT_VOLUME
    assert caught.value.failure.retryable


def test_a_volume_with_photos_that_fails_is_the_one_that_is_named(
    job: TrainedJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise OSError(5, "Input/output error", str(job.dataset / "images/a.png"))

    monkeypatch.setattr(module, "make_network", broken)
    with pytest.raises(TrainerFailure, match=r"images/a\.png cannot be read") as caught:
        job.wanting(onnx={"tolerance": 1e-3}).export()
    assert caught.value.reason == DATASET_VOLUME


def test_without_a_checkpoint_nothing_can_be_made(job: TrainedJob) -> None:
    shutil.rmtree(job.folder / names.CHECKPOINTS_DIR)
    with pytest.raises(TrainerFailure, match="no checkpoint") as caught:
        job.export()
    assert caught.value.reason == CHECKPOINT_VOLUME


def start(job: TrainedJob, folder: Path) -> subprocess.Popen[bytes]:
    """The stage as its pod starts it."""
    config = folder / "config.json"
    config.write_text(job.config.model_dump_json(by_alias=True))
    command = [sys.executable, "-m", "nerf_trainer.export", "--config", str(config)]
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(command, stderr=log)


def video_is_made(job: TrainedJob) -> bool:
    try:
        return "video" in json.loads((job.outputs / "outputs.json").read_text())["outputs"]
    except FileNotFoundError:
        return False


def test_a_killed_export_goes_on_where_it_was(
    job: TrainedJob, last_word: Path, tmp_path: Path
) -> None:
    shutil.rmtree(job.outputs)
    fine = job.wanting(mesh={"resolution": 100})
    process = start(fine, tmp_path)
    deadline = time.monotonic() + TIMEOUT
    while not video_is_made(job):
        assert process.poll() is None, (tmp_path / "log").read_text()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(TIMEOUT)
    assert not (job.outputs / "report.html").exists()
    before = job.times()
    process = start(fine, tmp_path)
    assert process.wait(TIMEOUT) == 0, (tmp_path / "log").read_text()
    assert job.times()["video.mp4"] == before["video.mp4"]
    told = TerminationMessage.model_validate_json(last_word.read_text())
    assert (told.reason, set(told.outputs or [])) == (OUTPUTS_MADE, EVERYTHING)
