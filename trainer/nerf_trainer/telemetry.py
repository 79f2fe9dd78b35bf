"""Measuring the training, and telling it: status, metrics and log."""

import time
from collections import deque

import torch

from nerf_contract import metrics as m
from nerf_contract.progress import CheckpointInfo
from nerf_trainer.elastic.interface import Generation
from nerf_trainer.logs import Reporter
from nerf_trainer.metrics import TrainerMetrics
from nerf_trainer.progress import Board
from nerf_trainer.state import TrainState
from nerf_trainer.trainer import StepResult

#: Throughput is averaged over so many steps.
WINDOW = 50
WATCH_STEPS = 64


class Telemetry:
    """Takes what the loop measures to the board, the metrics and the log."""

    def __init__(self, board: Board, metrics: TrainerMetrics, talkative: bool) -> None:
        self._board = board
        self._metrics = metrics
        self._reporter = Reporter() if talkative else None
        self._seconds: deque[float] = deque(maxlen=WINDOW)
        self._rays: deque[int] = deque(maxlen=WINDOW)
        self.training_seconds = 0.0

    def phase(self, phase: str) -> None:
        """What the process is doing; see `Progress.phase`."""
        self._board.update(phase=phase)

    def joined(self, generation: Generation, step: int, seconds: float) -> None:
        """A generation has formed and shares one state, `seconds` after training stopped."""
        self._seconds.clear()
        self._rays.clear()
        self._board.update(
            step=step,
            world_size=generation.world_size,
            generation=generation.number,
            rank=generation.rank,
        )
        self._metrics.set(m.WORLD_SIZE, generation.world_size)
        self._metrics.set(m.GENERATION, generation.number)
        self._metrics.observe(m.REGROUP_SECONDS, seconds)

    def stepped(self, step: int, result: StepResult, seconds: float, part: float) -> None:
        """A step is done in so much wall time; `part` of it was this process's."""
        self._seconds.append(seconds)
        self._rays.append(result.rays)
        self.training_seconds += seconds
        self._metrics.set(m.STEP, step)
        self._metrics.set(m.LOSS, result.loss)
        self._metrics.observe(m.STEP_SECONDS, seconds)
        self._metrics.add(m.RAYS, result.rays * part)
        self._metrics.add(m.SAMPLES, result.samples * part)
        mean = sum(self._seconds) / len(self._seconds)
        left = self._board.progress.total_steps - step
        self._board.update(
            step=step,
            loss=result.loss,
            rays_per_second=self.rays_per_second,
            eta_seconds=mean * left,
        )
        if self._reporter:
            self._reporter.tell(self._board.progress)

    @property
    def rays_per_second(self) -> float | None:
        """Rays a second of all ranks, over the last steps; None before the first."""
        if not self._seconds:
            return None
        return sum(self._rays) / sum(self._seconds)

    def watch(self, state: TrainState) -> None:
        """Now and then, what costs more to find out: occupancy and GPU memory."""
        if state.step % WATCH_STEPS == 0:
            occupancy = state.model.occupancy()
            if occupancy is not None:
                self._metrics.set(m.OCCUPANCY, occupancy)
            self._gpu_memory(next(state.model.parameters()).device)

    def evaluated(self, psnr: float) -> None:
        """Held-out PSNR in dB."""
        self._board.update(psnr=psnr)
        self._metrics.set(m.PSNR, psnr)

    def resumed(self, step: int, stamp: str) -> None:
        """A checkpoint was read."""
        self._board.update(step=step, checkpoint=CheckpointInfo(step=step, time=stamp))
        self._metrics.set(m.CHECKPOINT_STEP, step)

    def saved(self, step: int, stamp: str, seconds: float) -> None:
        """A checkpoint is safe on the volume."""
        self._board.update(checkpoint=CheckpointInfo(step=step, time=stamp))
        self._metrics.set(m.CHECKPOINT_STEP, step)
        self._metrics.observe(m.CHECKPOINT_SECONDS, seconds)

    def _gpu_memory(self, device: torch.device) -> None:
        """GPU memory as torch accounts for it."""
        if device.type != "cuda":
            return
        _, total = torch.cuda.mem_get_info(device)
        self._metrics.set(m.GPU_MEMORY, torch.cuda.memory_allocated(device), "allocated")
        self._metrics.set(m.GPU_MEMORY, torch.cuda.memory_reserved(device), "reserved")
        self._metrics.set(m.GPU_MEMORY, torch.cuda.max_memory_allocated(device), "peak")
        self._metrics.set(m.GPU_MEMORY, total, "total")

    def end_line(self) -> None:
        """Leave the progress bar's line."""
        if self._reporter:
            self._reporter.end_line()


class Stopwatch:
    """Seconds since it was made, or since the last `lap`."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def lap(self) -> float:
        """Seconds of this lap; a new one begins."""
        now = time.monotonic()
        seconds, self._began = now - self._began, now
        return seconds
