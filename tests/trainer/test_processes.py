"""Whole trainings as processes, as users start them: alone, and under torchrun."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from event_files import curves, read_events  # noqa: E402
from PIL import Image  # noqa: E402
from safetensors.torch import load_file  # noqa: E402
from scene_files import blender_scene  # noqa: E402
from test_training import SMALL, same  # noqa: E402

from nerf_contract.progress import TerminationMessage  # noqa: E402
from nerf_contract.reasons import FAILURES, WORKER_LEFT  # noqa: E402
from nerf_trainer import train  # noqa: E402
from nerf_trainer.departure import Departure  # noqa: E402
from nerf_trainer.loop import Outcome  # noqa: E402
from nerf_trainer.metrics import TrainerMetrics  # noqa: E402
from nerf_trainer.progress import Board  # noqa: E402

pytestmark = pytest.mark.torch

TIMEOUT = 240


class Run:
    """A finished training in a folder."""

    def __init__(self, folder: Path, exit_code: int) -> None:
        self.folder = folder
        self.exit_code = exit_code
        self.log = (folder / "log").read_text()

    @property
    def last_word(self) -> TerminationMessage:
        return TerminationMessage.model_validate_json((self.folder / "last-word").read_text())

    @property
    def metrics(self) -> dict[str, Any]:
        return dict(json.loads((self.folder / "output/metrics.json").read_text()))

    def manifest(self, step: int) -> dict[str, Any]:
        path = self.folder / f"output/checkpoints/step-{step:09d}/manifest.json"
        return dict(json.loads(path.read_text()))

    def state(self, step: int) -> dict[str, "torch.Tensor"]:
        name = f"output/checkpoints/step-{step:09d}/state.safetensors"
        return dict(load_file(self.folder / name))


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def start(
    folder: Path, scene: Path, processes: int = 1, **training: object
) -> subprocess.Popen[bytes]:
    """Begin to train in `folder`; `processes` above 1 go through torchrun."""
    folder.mkdir(exist_ok=True)
    config = SMALL | {"training": {**SMALL["training"], **training}}  # type: ignore[dict-item]
    (folder / "config.json").write_text(json.dumps(config))
    start = [sys.executable, "-m", "nerf_trainer.train"]
    if processes > 1:
        start = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={processes}"]
        start += ["--rdzv-backend=nerf", f"--rdzv-endpoint=127.0.0.1:{free_port()}"]
        start += ["--run-path", "--start-method=fork", train.__file__]
    command = [*start, "--config", "config.json"]
    env = os.environ | {
        "NERF_DATASET_ROOT": str(scene),
        "NERF_TERMINATION_LOG": str(folder / "last-word"),
    }
    with (folder / "log").open("w+") as log:
        return subprocess.Popen(command, cwd=folder, env=env, stderr=log)


def end(folder: Path, process: "subprocess.Popen[bytes]") -> Run:
    """Wait for the end of a training."""
    try:
        return Run(folder, process.wait(TIMEOUT))
    except subprocess.TimeoutExpired:
        process.kill()
        pytest.fail(f"no end after {TIMEOUT} s: {(folder / 'log').read_text()[-3000:]}")


def run(folder: Path, scene: Path, processes: int = 1, **training: object) -> Run:
    """Train in `folder` to the end."""
    return end(folder, start(folder, scene, processes, **training))


def terminate_in_phase(folder: Path, process: "subprocess.Popen[bytes]", words: str) -> Run:
    """Tell a training to end once its log has these words."""
    deadline = time.monotonic() + TIMEOUT
    while words not in (folder / "log").read_text():
        assert time.monotonic() < deadline and process.poll() is None, words
        time.sleep(0.05)
    process.terminate()
    return end(folder, process)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return blender_scene(tmp_path_factory.mktemp("scene"))


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, scene: Path) -> Run:
    return run(tmp_path_factory.mktemp("alone") / "run", scene, steps=40, evalEvery=20)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, scene: Path) -> Run:
    return run(tmp_path_factory.mktemp("pair") / "run", scene, processes=2, steps=40, evalEvery=20)


def test_a_training_ends_well(alone: Run) -> None:
    assert alone.exit_code == 0, alone.log
    assert alone.last_word.reason == "TrainingCompleted"
    assert alone.last_word.progress is not None
    assert alone.last_word.progress.step == 40
    assert [entry["step"] for entry in alone.metrics["history"]] == [20, 40]


def test_the_last_word_and_metrics_json_agree_on_the_quality(alone: Run) -> None:
    progress, metrics = alone.last_word.progress, alone.metrics
    assert progress is not None
    for score in ("psnr", "ssim"):
        views = [view[score] for view in metrics["views"]]
        assert metrics[score] == getattr(progress, score) == pytest.approx(sum(views) / len(views))
        assert metrics["history"][-1][score] == metrics[score]
    assert "SSIM" in alone.last_word.message


def test_metrics_json_tells_what_the_training_cost(alone: Run, pair: Run) -> None:
    for found in (alone.metrics, pair.metrics):
        # 40 steps of 256 rays of which some shards may use fewer; 4 shards of at least 48 samples.
        rays = found["raysPerSecond"] * found["trainingSeconds"]
        assert 0 < rays < 40 * 256 + 1
        assert found["samplesPerSecond"] * found["trainingSeconds"] > rays
        assert 0 < found["firstStepSeconds"] < TIMEOUT
        assert found["peakRssBytes"] > 50e6
    assert (alone.metrics["worldSize"], pair.metrics["worldSize"]) == (1, 2)


def test_only_the_process_that_keeps_the_ledger_has_the_last_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever process of a pod is done last."""
    monkeypatch.setenv("NERF_TERMINATION_LOG", str(tmp_path / "last-word"))
    monkeypatch.setattr(train, "_train", lambda *_: Outcome("TrainingCompleted", "done"))
    board, metrics, departure = Board(), TrainerMetrics(), Departure(lambda: None)
    for local_rank in (0, 1):
        board.update(rank=local_rank)
        assert train._end(None, board, metrics, local_rank, departure) == 0
    last = TerminationMessage.model_validate_json((tmp_path / "last-word").read_text())
    assert last.progress is not None and last.progress.rank == 0


def test_every_second_has_a_cause(alone: Run, pair: Run) -> None:
    for found in (alone, pair):
        ledger, progress = found.metrics["ledger"], found.last_word.progress
        assert sum(ledger["seconds"].values()) == pytest.approx(ledger["wallSeconds"], rel=0.01)
        assert {"start", "training", "evaluation", "checkpoint"} <= ledger["seconds"].keys()
        assert 0 < ledger["goodput"] < 1
        assert progress is not None and progress.goodput is not None
        assert progress.goodput.wall_seconds >= ledger["wallSeconds"] - 0.1
    assert alone.metrics["ledger"]["scalingEfficiency"] == {"1": 1}
    assert pair.metrics["ledger"]["scalingEfficiency"] == {}


def test_checkpoints_of_evaluated_steps_know_their_quality(alone: Run) -> None:
    """A checkpoint right after the first evaluation, the best so far, though none was due."""
    for entry in alone.metrics["history"]:
        notes = alone.manifest(entry["step"])["notes"]
        assert notes == {"worldSize": 1, "psnr": entry["psnr"], "score": entry["psnr"]}


def test_held_out_views_are_shown_with_their_error_and_depth(alone: Run) -> None:
    for view in range(2):
        with Image.open(alone.folder / f"output/renders/view_{view:03d}.png") as picture:
            assert picture.size == (4 * 32, 32)


def test_tensorboard_is_told_of_the_training(alone: Run, pair: Run) -> None:
    for found in (alone, pair):
        events = read_events(found.folder / "output/tensorboard")
        steps = {tag: [step for step, _ in points] for tag, points in curves(events).items()}
        assert steps["training/loss"][:4] == [10, 20, 30, 40]
        assert steps["held_out/psnr"][:2] == steps["held_out/ssim"][:2] == [20, 40]
        assert steps["held_out/truth_render_error_depth"][:2] == [20, 40]


def test_the_log_is_json_lines(alone: Run) -> None:
    entries = [json.loads(line) for line in alone.log.splitlines() if line.startswith("{")]
    assert any(entry.get("psnr") for entry in entries)
    assert entries[-1]["message"].startswith("TrainingCompleted")


def test_two_workers_train_what_one_trains_bit_for_bit(alone: Run, pair: Run) -> None:
    assert pair.exit_code == 0, pair.log
    assert pair.metrics["worldSize"] == 2
    assert pair.metrics["psnr"] == alone.metrics["psnr"]
    assert same(pair.state(40), alone.state(40))


def test_so_do_more_workers_with_different_shares(alone: Run, scene: Path, tmp_path: Path) -> None:
    three = run(tmp_path, scene, processes=3, steps=40, evalEvery=20)
    assert three.exit_code == 0, three.log
    assert same(three.state(40), alone.state(40))


def test_a_fast_sum_is_the_same_but_for_rounding(scene: Path, tmp_path: Path) -> None:
    one, two = (
        run(tmp_path / str(n), scene, n, steps=1, determinism="fast").state(1) for n in (1, 2)
    )
    assert not same(one, two)
    for name, tensor in one.items():
        if name.endswith("exp_avg"):  # a tenth of the first step's gradient
            torch.testing.assert_close(two[name], tensor, rtol=1e-3, atol=1e-9)


def test_a_finished_training_goes_on_where_it_ended(alone: Run, scene: Path) -> None:
    longer = run(alone.folder, scene, steps=50, evalEvery=20)
    assert longer.exit_code == 0, longer.log
    assert "resuming from the checkpoint of step 40" in longer.log
    assert [entry["step"] for entry in longer.metrics["history"]] == [20, 40, 50]
    events = read_events(longer.folder / "output/tensorboard")
    starts = [event.step for event in events if event.HasField("session_log")]
    assert starts == [10, 50]


def test_a_training_that_is_told_to_end_saves_its_last_step(tmp_path: Path, scene: Path) -> None:
    process = start(tmp_path, scene, steps=100_000, evalEvery=100_000)
    left = terminate_in_phase(tmp_path, process, "from step 0")
    failure = FAILURES[WORKER_LEFT]
    assert (left.exit_code, left.last_word.reason) == (failure.exit_code, WORKER_LEFT), left.log
    progress = left.last_word.progress
    assert progress is not None and progress.step > 0
    assert int(left.state(progress.step)["step"]) == progress.step
    again = run(tmp_path, scene, steps=100_000, evalEvery=progress.step + 1, targetPSNR=1)
    assert f"resuming from the checkpoint of step {progress.step}" in again.log
    ledger = again.metrics["ledger"]
    assert ledger["seconds"]["restart"] > 0
    assert sum(ledger["seconds"].values()) == pytest.approx(ledger["wallSeconds"], rel=0.01)


def test_processes_of_a_pod_that_is_told_to_end_leave_together(tmp_path: Path, scene: Path) -> None:
    process = start(tmp_path, scene, processes=2, steps=100_000, evalEvery=100_000)
    left = terminate_in_phase(tmp_path, process, "rank 1 of 2, from step 0")
    assert left.exit_code == 1  # torchrun's own.
    assert left.last_word.reason == WORKER_LEFT, left.log
    assert left.last_word.progress is not None
    assert left.state(left.last_word.progress.step)
    assert "a peer is gone" not in left.log


def test_a_training_that_still_starts_ends_at_once(tmp_path: Path, scene: Path) -> None:
    process = start(tmp_path, scene, steps=100_000)
    left = terminate_in_phase(tmp_path, process, "status at http")
    assert left.exit_code == FAILURES[WORKER_LEFT].exit_code
    assert not (tmp_path / "output/checkpoints").exists()


def test_a_target_ends_the_training(tmp_path: Path, scene: Path) -> None:
    early = run(tmp_path, scene, steps=1000, evalEvery=10, targetPSNR=5)
    assert early.exit_code == 0, early.log
    assert early.last_word.reason == "TargetPSNRReached"
    assert early.metrics["step"] == 10
    again = run(tmp_path, scene, steps=1000, evalEvery=10, targetPSNR=5)
    assert again.last_word.reason == "TargetPSNRReached"
    assert again.metrics["step"] == 10, "a process in its place does not train on"


def test_failures_have_their_exit_code_and_no_trace(tmp_path: Path, scene: Path) -> None:
    missing = run(tmp_path / "a", tmp_path / "nowhere", steps=1)
    assert missing.exit_code == 65
    assert missing.last_word.reason == "DatasetInvalid"
    wrong = run(tmp_path / "b", scene, steps=-1)
    assert wrong.exit_code == 78
    assert "training.steps" in wrong.last_word.message
    assert not re.search("Traceback", missing.log + wrong.log)


def test_cuda_without_a_gpu_is_refused(tmp_path: Path, scene: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    refused = run(tmp_path, scene, steps=1, device="cuda")
    assert refused.exit_code == 69
    assert refused.last_word.reason == "CudaUnavailable"
    assert torch.__version__ in refused.last_word.message
