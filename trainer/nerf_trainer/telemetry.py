"""Measuring the training, and telling it: status, metrics and logs."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from nerf_contract import goodput
from nerf_contract import metrics as m
from nerf_contract.progress import CheckpointFailure, CheckpointInfo
from nerf_trainer.accounts import Accounts
from nerf_trainer.clock import Stopwatch, timestamp
from nerf_trainer.elastic.interface import Generation
from nerf_trainer.evaluate import Evaluation
from nerf_trainer.gpu import GpuWatch
from nerf_trainer.logs import Reporter
from nerf_trainer.manifest import Notes
from nerf_trainer.metrics import TrainerMetrics
from nerf_trainer.process import age_seconds, peak_resident_bytes
from nerf_trainer.progress import Board
from nerf_trainer.state import TrainState
from nerf_trainer.tensorboard import EventLog
from nerf_trainer.throughput import Throughput
from nerf_trainer.trainer import StepResult

#: Steps between two points of the curves in TensorBoard.
LOG_STEPS = 10
#: Steps between two looks at what costs more to find out.
WATCH_STEPS = 64


class Telemetry:
    """Takes what the loop measures to the board, the metrics and the logs.

    talkative: tell the progress on stderr. events: TensorBoard's log, where results are kept.
    accounts: of the job's time; the writer keeps them.
    """

    def __init__(
        self,
        board: Board,
        metrics: TrainerMetrics,
        talkative: bool,
        events: EventLog | None = None,
        accounts: Accounts | None = None,
    ) -> None:
        self._board = board
        self._metrics = metrics
        self._reporter = Reporter() if talkative else None
        self._events = events
        self._accounts = accounts
        self._throughput = Throughput()
        self._gpu: GpuWatch | None = None
        self._first_step_seconds: float | None = None

    def phase(self, phase: str) -> None:
        """What the process is doing; see `Progress.phase`."""
        self._board.update(phase=phase)

    def spent(self, cause: str) -> None:
        """All wall time since the last step or call was spent so; see `nerf_contract.goodput`."""
        if self._accounts:
            self._accounts.charge(cause)

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        """Count the wall time of the context for a phase of `PHASE_SECONDS`."""
        stopwatch = Stopwatch()
        yield
        self._metrics.add(m.PHASE_SECONDS, stopwatch.lap(), phase)

    def joined(self, generation: Generation, step: int, seconds: float) -> None:
        """A generation has formed and shares one state, `seconds` after training stopped."""
        self._throughput.regrouped()
        self.spent(goodput.RESCALE)
        if self._accounts:
            self._accounts.joined(step)
        self._board.update(
            step=step,
            world_size=generation.world_size,
            generation=generation.number,
            rank=generation.rank,
            last_regroup_seconds=seconds,
        )
        self._metrics.set(m.WORLD_SIZE, generation.world_size)
        self._metrics.set(m.GENERATION, generation.number)
        self._metrics.observe(m.REGROUP_SECONDS, seconds)
        if self._accounts:
            self._metrics.set(m.REGROUP_TIMESTAMP, time.time())

    def stepped(self, step: int, result: StepResult, seconds: float, part: float) -> None:
        """A step is done in so much wall time; `part` of it was this process's."""
        if self._first_step_seconds is None:
            self._first_step_seconds = age_seconds()
        self._throughput.add(result, seconds)
        self._count(step, result, seconds, part)
        if self._accounts:
            self._accounts.stepped(step, self._board.progress.world_size, result.rays)
        left = self._board.progress.total_steps - step
        self._board.update(
            step=step,
            loss=result.loss,
            rays_per_second=self._throughput.recent_rays_per_second,
            eta_seconds=(self._throughput.recent_step_seconds or 0) * left,
        )
        if self._reporter:
            self._reporter.tell(self._board.progress)

    def _count(self, step: int, result: StepResult, seconds: float, part: float) -> None:
        self._metrics.set(m.STEP, step)
        self._metrics.set(m.LOSS, result.loss)
        self._metrics.observe(m.STEP_SECONDS, seconds)
        self._metrics.add(m.RAYS, result.rays * part)
        self._metrics.add(m.SAMPLES, result.samples * part)
        self._metrics.add(m.SKIPPED_STEPS, result.skipped)
        for phase, phase_seconds in result.seconds.items():
            self._metrics.add(m.PHASE_SECONDS, phase_seconds, phase)

    def watch(self, state: TrainState) -> None:
        """Now and then: points of the curves, and what costs more to find out."""
        if state.step % LOG_STEPS == 0:
            self._draw_curves(state)
        if state.step % WATCH_STEPS == 0:
            self._look(state)

    def _draw_curves(self, state: TrainState) -> None:
        progress = self._board.progress
        points = {
            "training/loss": progress.loss,
            "training/rays_per_second": progress.rays_per_second,
            "training/learning_rate": state.optimizer.param_groups[0]["lr"],
            "training/world_size": progress.world_size,
        }
        if self._events:
            known = {name: value for name, value in points.items() if value is not None}
            self._events.scalars(state.step, known)

    def _look(self, state: TrainState) -> None:
        self._metrics.set(m.AMP_SCALE, state.precision.scale())
        self._gpu = self._gpu or GpuWatch(next(state.model.parameters()).device)
        self._gpu.tell(self._metrics)
        occupancy = state.model.occupancy()
        if occupancy is None:
            return
        self._metrics.set(m.OCCUPANCY, occupancy)
        if self._events:
            self._events.scalars(state.step, {"training/occupancy": occupancy})

    def evaluated(self, step: int, evaluation: Evaluation) -> None:
        """The held-out views were judged after this step."""
        psnr, ssim = evaluation.psnr, evaluation.ssim
        self._board.update(psnr=psnr, ssim=ssim)
        self._metrics.set(m.PSNR, psnr)
        self._metrics.set(m.SSIM, ssim)
        if self._events:
            self._events.scalars(step, {"held_out/psnr": psnr, "held_out/ssim": ssim})

    def pictured(self, step: int, png: bytes, shape: tuple[int, ...]) -> None:
        """The first held-out view after this step: a PNG of (H, W, 3)."""
        if self._events:
            self._events.picture(step, "held_out/truth_render_error_depth", png, shape)

    def figures(self) -> dict[str, Any]:
        """What metrics.json tells of this process; see `Report.metrics`."""
        return {
            "raysPerSecond": self._throughput.rays_per_second,
            "samplesPerSecond": self._throughput.samples_per_second,
            "trainingSeconds": self._throughput.total_seconds,
            "firstStepSeconds": self._first_step_seconds,
            "peakRssBytes": peak_resident_bytes(),
            "peakGpuBytes": self._gpu.peak_bytes() if self._gpu else None,
            "worldSize": self._board.progress.world_size,
            "ledger": self._accounts.figures() if self._accounts else None,
        }

    def notes(self, score: float | None) -> Notes:
        """What a checkpoint of now tells. score: of this state, see `Notes`."""
        progress = self._board.progress
        return Notes(progress.world_size, progress.psnr, score)

    def resumed(self, step: int, stamp: str) -> None:
        """A checkpoint was read."""
        self._board.update(step=step, checkpoint=CheckpointInfo(step=step, time=stamp))
        self._tell_checkpoint(step, stamp)

    def keeps(self, interval_seconds: float) -> None:
        """From now on a checkpoint is to be written every so many seconds."""
        self._metrics.set(m.CHECKPOINT_INTERVAL, interval_seconds)
        self._metrics.add(m.CHECKPOINT_FAILURES, 0)  # Else the first failure is no increase.
        if self._board.progress.checkpoint is None:
            self._metrics.set(m.CHECKPOINT_STEP, 0)
            self._metrics.set(m.CHECKPOINT_TIMESTAMP, time.time())

    def saved(self, step: int, stamp: str, seconds: float) -> None:
        """A checkpoint is safe on the volume."""
        info = CheckpointInfo(step=step, time=stamp)
        self._board.update(checkpoint=info, checkpoint_failure=None)
        self._tell_checkpoint(step, stamp)
        self._metrics.observe(m.CHECKPOINT_SECONDS, seconds)

    def _tell_checkpoint(self, step: int, stamp: str) -> None:
        self._metrics.set(m.CHECKPOINT_STEP, step)
        self._metrics.set(m.CHECKPOINT_TIMESTAMP, datetime.fromisoformat(stamp).timestamp())

    def save_failed(self, error: Exception) -> None:
        """A checkpoint could not be written; training goes on."""
        known = self._board.progress.checkpoint_failure
        since = known.since if known else timestamp()
        why = (isinstance(error, OSError) and error.strerror) or str(error)
        self._board.update(checkpoint_failure=CheckpointFailure(since=since, message=why))
        self._metrics.add(m.CHECKPOINT_FAILURES, 1)

    def finished(self) -> None:
        """The training is done, on all ranks."""
        self.phase("done")
        self.spent(goodput.IDLE)
        if self._accounts:
            self._accounts.ended()

    def close(self) -> None:
        """Leave the progress bar's line, and write what waits for TensorBoard."""
        if self._accounts:
            self._accounts.close()
        if self._reporter:
            self._reporter.end_line()
        if self._events:
            self._events.close()
