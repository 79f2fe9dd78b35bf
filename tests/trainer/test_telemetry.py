"""What the loop measures, where it is told; and when skipped steps are too many."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

torch = pytest.importorskip("torch")

from scene_files import blender_scene  # noqa: E402
from test_training import small_trainer  # noqa: E402

from nerf_contract import goodput  # noqa: E402
from nerf_contract import metrics as m  # noqa: E402
from nerf_contract.reasons import NON_FINITE_LOSS, TRAINING_COMPLETED  # noqa: E402
from nerf_contract.training import TrainerConfig  # noqa: E402
from nerf_trainer.accounts import open_accounts  # noqa: E402
from nerf_trainer.coordination.stuck import PATIENCE_SECONDS  # noqa: E402
from nerf_trainer.departure import Departure  # noqa: E402
from nerf_trainer.elastic.activity import LENGTHY_SECONDS, activity  # noqa: E402
from nerf_trainer.elastic.interface import Generation  # noqa: E402
from nerf_trainer.evaluate import Evaluation, Score  # noqa: E402
from nerf_trainer.failures import TrainerFailure  # noqa: E402
from nerf_trainer.loop import MAX_SKIPPED_STEPS, Loop  # noqa: E402
from nerf_trainer.metrics import TrainerMetrics  # noqa: E402
from nerf_trainer.progress import Board  # noqa: E402
from nerf_trainer.report import Report  # noqa: E402
from nerf_trainer.saver import BackgroundSaver  # noqa: E402
from nerf_trainer.telemetry import Telemetry  # noqa: E402
from nerf_trainer.trainer import StepResult, Trainer  # noqa: E402

pytestmark = pytest.mark.torch

ALONE = Generation(number=1, rank=0, world_size=1, source=0, writer=0)
PHASES = ("data", "forward", "backward", "all_reduce", "optimizer")


def result(skipped: bool = False) -> StepResult:
    seconds = {phase: 0.01 * k for k, phase in enumerate(PHASES, 1)}
    return StepResult(0.5, rays=100, samples=1000, changing=False, seconds=seconds, skipped=skipped)


class Worker:
    def __init__(self) -> None:
        self.board, self.metrics = Board(total_steps=10), TrainerMetrics()
        self.telemetry = Telemetry(self.board, self.metrics, talkative=False)

    def value(self, metric: m.Metric, **labels: str) -> float | None:
        labels = {"local_rank": "0", **labels}
        return self.metrics.registry.get_sample_value(metric.name, labels)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return blender_scene(tmp_path_factory.mktemp("scene"))


@pytest.fixture
def worker() -> Worker:
    return Worker()


def test_a_step_is_told_everywhere(worker: Worker) -> None:
    worker.telemetry.joined(ALONE, 0, 0.1)
    worker.telemetry.stepped(1, result(), 0.5, part=1.0)
    worker.telemetry.stepped(2, result(skipped=True), 1.5, part=0.5)
    assert worker.value(m.RAYS) == 150
    assert worker.value(m.SAMPLES) == 1500
    assert worker.value(m.SKIPPED_STEPS) == 1
    assert worker.value(m.PHASE_SECONDS, phase="backward") == pytest.approx(0.06)
    progress = worker.board.progress
    assert (progress.step, progress.rays_per_second, progress.eta_seconds) == (2, 100, 8)
    figures = worker.telemetry.figures()
    assert (figures["raysPerSecond"], figures["samplesPerSecond"]) == (100, 1000)
    assert (figures["trainingSeconds"], figures["worldSize"]) == (2, 1)


def test_before_the_first_step_nothing_is_claimed(worker: Worker) -> None:
    figures = worker.telemetry.figures()
    assert [figures[key] for key in ("raysPerSecond", "firstStepSeconds")] == [None, None]
    assert figures["trainingSeconds"] == 0


def test_a_new_group_keeps_the_totals_and_the_first_step(worker: Worker) -> None:
    worker.telemetry.stepped(1, result(), 0.5, part=1.0)
    first = worker.telemetry.figures()["firstStepSeconds"]
    worker.telemetry.joined(ALONE, 1, 0.1)
    worker.telemetry.stepped(2, result(), 1.5, part=1.0)
    assert worker.board.progress.rays_per_second == pytest.approx(100 / 1.5)
    assert worker.telemetry.figures()["raysPerSecond"] == 100
    assert worker.telemetry.figures()["firstStepSeconds"] == first


def test_an_evaluation_is_told(worker: Worker) -> None:
    worker.telemetry.evaluated(5, Evaluation((0, 1), (Score(20.0, 0.5), Score(30.0, 0.75))))
    assert (worker.value(m.PSNR), worker.value(m.SSIM)) == (25, 0.625)
    assert (worker.board.progress.psnr, worker.board.progress.ssim) == (25, 0.625)


def test_a_checkpoint_that_cannot_be_written_is_told_until_one_is(worker: Worker) -> None:
    worker.telemetry.save_failed(OSError(28, "No space left on device", "/checkpoint"))
    first = worker.board.progress.checkpoint_failure
    worker.telemetry.save_failed(RuntimeError("something else"))
    second = worker.board.progress.checkpoint_failure
    assert first is not None and second is not None
    assert (first.message, second.message) == ("No space left on device", "something else")
    assert first.since == second.since
    assert worker.value(m.CHECKPOINT_FAILURES) == 2
    worker.telemetry.saved(7, "2026-01-01T00:00:00Z", 0.1)
    assert worker.board.progress.checkpoint_failure is None


def test_checkpoints_are_told_from_the_start(worker: Worker) -> None:
    """Else neither an alert on failures nor one on age could see the first of them."""
    before = time.time()
    worker.telemetry.keeps(30)
    assert (worker.value(m.CHECKPOINT_INTERVAL), worker.value(m.CHECKPOINT_FAILURES)) == (30, 0)
    assert worker.value(m.CHECKPOINT_STEP) == 0
    assert before <= (worker.value(m.CHECKPOINT_TIMESTAMP) or 0) <= time.time()
    worker.telemetry.saved(7, "2026-01-01T00:00:00Z", 0.1)
    assert worker.value(m.CHECKPOINT_TIMESTAMP) == 1767225600


def test_a_checkpoint_that_was_read_is_the_newest(worker: Worker) -> None:
    worker.telemetry.resumed(7, "2026-01-01T00:00:00Z")
    worker.telemetry.keeps(30)
    assert worker.value(m.CHECKPOINT_STEP) == 7
    assert worker.value(m.CHECKPOINT_TIMESTAMP) == 1767225600


def test_a_phase_is_timed(worker: Worker) -> None:
    with worker.telemetry.timed("evaluation"):
        pass
    assert worker.value(m.PHASE_SECONDS, phase="evaluation") is not None


def test_without_a_gpu_its_metrics_are_absent(worker: Worker, scene: Path) -> None:
    state = small_trainer(scene).state
    worker.telemetry.watch(state)
    assert worker.value(m.AMP_SCALE) == 1
    assert worker.value(m.OCCUPANCY) == 1
    assert worker.value(m.GPU_UTILIZATION) is None
    assert worker.value(m.GPU_MEMORY, state="total") is None


class Alone:
    """A membership without peers."""

    is_writer = False

    def join(self, step: int) -> Generation:
        return ALONE

    def changing(self) -> bool:
        return False

    def leave(self) -> None: ...

    def announce_departure(self) -> None: ...

    def close(self) -> None: ...


def skipping(trainer: Trainer, pattern: list[bool]) -> Trainer:
    """Let the trainer's steps do nothing but be skipped, or not."""
    left = iter(pattern)

    def step(*_: object) -> StepResult:
        trainer.state.step += 1
        return result(next(left))

    trainer.step = step  # type: ignore[assignment,method-assign]
    return trainer


def test_skipped_steps_in_a_row_end_the_training(worker: Worker, scene: Path) -> None:
    trainer = skipping(small_trainer(scene, evalEvery=1000), [True] * 100)
    with pytest.raises(TrainerFailure) as caught:
        Loop(trainer, Alone(), worker.telemetry, Departure(lambda: None), None).run()
    assert caught.value.reason == NON_FINITE_LOSS
    assert trainer.state.step == worker.value(m.SKIPPED_STEPS) == MAX_SKIPPED_STEPS


def test_fewer_do_not(worker: Worker, scene: Path) -> None:
    pattern = ([True] * (MAX_SKIPPED_STEPS - 1) + [False]) * 2
    trainer = skipping(small_trainer(scene, steps=len(pattern), evalEvery=1000), pattern)
    outcome = Loop(trainer, Alone(), worker.telemetry, Departure(lambda: None), None).run()
    assert outcome.reason == TRAINING_COMPLETED


class Snapshots:
    """Takes one after each step."""

    def __init__(self, take: Callable[..., None]) -> None:
        self.save = take

    def due(self) -> bool:
        return True


def test_only_what_may_take_long_is_allowed_to(worker: Worker, scene: Path) -> None:
    """The first step, which compiles, evaluations and copies of the state; else others go on."""
    allowed: dict[str, list[float]] = {"step": [], "render": [], "save": []}

    def noting(what: str, act: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*args: Any) -> Any:
            allowed[what].append(activity.allowed_seconds())
            return act(*args)

        return noted

    trainer = skipping(small_trainer(scene, steps=3, evalEvery=2), [False] * 3)
    trainer.step = noting("step", trainer.step)  # type: ignore[method-assign]
    trainer.render = noting("render", trainer.render)  # type: ignore[method-assign]
    snapshots = cast(BackgroundSaver, Snapshots(noting("save", lambda *_: None)))
    leaving = Departure(lambda: None)
    Loop(trainer, Alone(), worker.telemetry, leaving, None, snapshots).run()
    assert allowed["step"] == [LENGTHY_SECONDS, PATIENCE_SECONDS, PATIENCE_SECONDS]
    assert set(allowed["render"]) == set(allowed["save"]) == {LENGTHY_SECONDS}


def test_every_second_of_the_writer_has_a_cause(
    worker: Worker, scene: Path, tmp_path: Path
) -> None:
    accounts = open_accounts(worker.board, worker.metrics, tmp_path)
    telemetry = Telemetry(worker.board, worker.metrics, talkative=False, accounts=accounts)
    telemetry.spent(goodput.START)
    trainer = skipping(small_trainer(scene, steps=10, evalEvery=4), [False] * 10)
    Loop(trainer, Alone(), telemetry, Departure(lambda: None), None).run()
    figures, told = telemetry.figures()["ledger"], worker.board.progress.goodput
    assert sum(figures["seconds"].values()) == pytest.approx(figures["wallSeconds"], rel=0.01)
    assert {"start", "training", "evaluation", "rendezvous", "rescale"} <= figures["seconds"].keys()
    assert 0 < figures["goodput"] < 1
    assert worker.value(m.GOODPUT) == pytest.approx(figures["goodput"])
    assert told is not None and told.ratio == pytest.approx(figures["goodput"], abs=1e-4)
    assert worker.value(m.SCALING_EFFICIENCY, world_size="1") == 1
    assert (worker.value(m.GROUP_RAYS, world_size="1") or 0) > 0
    assert time.time() - (worker.value(m.REGROUP_TIMESTAMP) or 0) < 60
    assert worker.value(m.LOST_SECONDS, cause="evaluation") == figures["seconds"]["evaluation"]
    telemetry.close()
    assert json.loads((tmp_path / "ledger.json").read_text())["ended"]


def test_a_full_volume_costs_a_report_not_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = Report(tmp_path, TrainerConfig(), ("a",))
    monkeypatch.setattr("nerf_trainer.report.write_atomically", no_space)
    report.picture(0, b"png")
    assert report.error is None
    report.metrics(1, Evaluation((0,), (Score(20.0, 0.5),)), {})
    assert isinstance(report.error, OSError)
    monkeypatch.undo()
    report.metrics(2, Evaluation((0,), (Score(20.0, 0.5),)), {})
    assert report.error is None


@pytest.mark.parametrize(("numbers", "complete"), [((0, 2), False), ((0, 1, 2), True)])
def test_metrics_tell_whether_all_views_were_judged(
    tmp_path: Path, numbers: tuple[int, ...], complete: bool
) -> None:
    scores = tuple(Score(20.0, 0.5) for _ in numbers)
    report = Report(tmp_path, TrainerConfig(), ("a", "b", "c"))
    report.metrics(1, Evaluation(numbers, scores), {})
    assert json.loads((tmp_path / "metrics.json").read_text())["complete"] is complete


def no_space(*_: object) -> None:
    raise OSError(28, "No space left on device")
