"""A made-up hour in a cluster with GPUs, told by the real registries of trainer and operator.

It has a value for every metric, so that each panel can be looked at, and each expression be tried,
where there is neither a cluster nor a GPU.
"""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nerf_contract import goodput, reasons
from nerf_contract import metrics as m
from nerf_operator import metrics as told
from nerf_trainer.metrics import TrainerMetrics
from observe import prometheus
from observe.client import Client, Span
from observe.history import History

NAMESPACE, JOB = "lab", "garden"
OPERATOR = {"namespace": "nerf-system", "pod": "nerf-nerf-operator-0", "job": "nerf-operator"}
#: Seconds between two scrapes.
TICK = 15
HOUR = 3600
#: (second, processes): changes of the job's group.
SIZES = ((0, 0), (60, 1), (600, 2), (1200, 4), (2400, 2))
#: Rays per second of one process, rays of a step, and what each further process costs.
ALONE, BATCH, COST = 40_000, 65_536, 0.05
#: Phases of a step in which a process works itself, and their shares.
WORK = {"data": 0.05, "forward": 0.35, "backward": 0.45, "optimizer": 0.1, "occupancy": 0.05}
GIB = 2**30
CHECKPOINT_SECONDS = 60


@contextmanager
def hour(folder: Path, seconds: int = HOUR) -> Iterator[tuple[Client, Span]]:
    """A Prometheus that knows such an hour, in a folder, until the end of the context."""
    span = Span(time.time() // TICK * TICK - seconds, time.time(), TICK)
    history, samples = History(), folder / "samples.om"
    tell(history, span.start, seconds)
    history.write(samples)
    prometheus.add_history(folder, samples)
    with prometheus.serving(folder) as client:
        prometheus.add_recorded(folder, client, prometheus.RULES, (span.start, span.end))
    with prometheus.serving(folder) as client:
        yield client, span


def tell(history: History, start: float, seconds: int) -> None:
    """Fill the history from a moment on."""
    job = Job()
    for tick in range(0, seconds, TICK):
        job.pass_time(tick, start)
        _operate(tick, job.size)
        for index in range(job.size):
            history.scrape(job.processes[index].registry, worker(index), start + tick)
        history.scrape(told.REGISTRY, OPERATOR, start + tick)


def worker(index: int) -> dict[str, str]:
    """Labels that scraping adds to what a worker tells."""
    return {"namespace": NAMESPACE, "job": JOB, "pod": f"{JOB}-worker-{index}-0"}


def speed(size: int) -> float:
    """Rays per second of a group of this size."""
    return size * ALONE / (1 + COST * (size - 1))


class Job:
    """A job whose group changes."""

    def __init__(self) -> None:
        self.size = self.step = self.generation = 0
        self.processes = [TrainerMetrics() for _ in range(max(size for _, size in SIZES))]

    def pass_time(self, tick: int, start: float) -> None:
        """A tick of training."""
        size = next(size for second, size in reversed(SIZES) if second <= tick)
        if size != self.size:
            self._regroup(size, start + tick)
        if not size:
            return
        steps = round(TICK * speed(size) / BATCH)
        self.step += steps
        for index, process in enumerate(self.processes[:size]):
            train(process, index, size, self.step, steps)
            use_gpu(process, tick)
        _write(self.processes[0], tick, start, self.step, size)

    def _regroup(self, size: int, moment: float) -> None:
        self.size = size
        self.generation += 1
        for process in self.processes[:size]:
            process.set(m.WORLD_SIZE, size)
            process.set(m.GENERATION, self.generation)
            process.observe(m.REGROUP_SECONDS, 0.08)
        self.processes[0].set(m.REGROUP_TIMESTAMP, moment)


def train(process: TrainerMetrics, index: int, size: int, step: int, steps: int) -> None:
    """So many steps of one process. The last one is a little slow, and the others wait for it."""
    seconds, slow = BATCH / speed(size), 1.06 if index == size - 1 and size > 1 else 1.0
    work = seconds * (1 - 0.04 * (size - 1)) * slow / 1.06
    process.add(m.PHASE_SECONDS, (seconds - work) * steps, "all_reduce")
    for phase, share in WORK.items():
        process.add(m.PHASE_SECONDS, work * share * steps, phase)
    for _ in range(steps):
        process.observe(m.STEP_SECONDS, seconds)
    process.add(m.RAYS, steps * BATCH / size)
    process.add(m.SAMPLES, 30 * steps * BATCH / size)
    process.set(m.STEP, step)
    process.set(m.LOSS, 0.02 * math.exp(-step / 600) + 0.002)
    process.set(m.OCCUPANCY, 0.05 + 0.95 * math.exp(-step / 200))
    process.add(m.SKIPPED_STEPS, 0)
    process.set(m.AMP_SCALE, 1)


def use_gpu(process: TrainerMetrics, tick: int) -> None:
    """A GPU of 80 GiB, of which a quarter is needed."""
    wave = math.sin(tick / 90)
    for state, size in (("allocated", 16 + wave), ("reserved", 22), ("peak", 19), ("total", 80)):
        process.set(m.GPU_MEMORY, size * GIB, state)
    process.set(m.GPU_UTILIZATION, 0.93 + 0.03 * wave)


def _write(writer: TrainerMetrics, tick: int, start: float, step: int, size: int) -> None:
    """What the writer tells of the job."""
    for known in {known for second, known in SIZES if known and second <= tick}:
        writer.set(m.GROUP_RAYS, speed(known), str(known))
        writer.set(m.SCALING_EFFICIENCY, speed(known) / (known * ALONE), str(known))
    shares = {goodput.FEWER_WORKERS: 0.2 / size, goodput.EVALUATION: 0.03}
    for cause in goodput.TRAINER_CAUSES:
        writer.add(m.LOST_SECONDS, TICK * shares.get(cause, 0.002), cause)
    writer.add(m.WALL_SECONDS, TICK)
    writer.set(m.GOODPUT, 0.9 - 0.1 / size)
    writer.set(m.PSNR, 31 - 9 * math.exp(-(step - step % 200) / 1500))
    writer.set(m.SSIM, 0.95 - 0.4 * math.exp(-step / 1500))
    writer.set(m.CHECKPOINT_INTERVAL, CHECKPOINT_SECONDS)
    writer.add(m.CHECKPOINT_FAILURES, 0)
    if tick % CHECKPOINT_SECONDS == 0:
        writer.observe(m.CHECKPOINT_SECONDS, 0.4)
        writer.set(m.CHECKPOINT_STEP, step)
        writer.set(m.CHECKPOINT_TIMESTAMP, start + tick)


def _operate(tick: int, size: int) -> None:
    """What the operator tells meanwhile."""
    told.leader.set(1)
    told.queue_depth.set(tick // TICK % 3)
    told.loop_lag.set(0.002)
    for kind in ("nerfjobs", "pods", "nodes"):
        told.watch_age.labels(kind).set(tick % 60)
    for result, seconds in (("ok", 0.004), ("error", 0.02)):
        told.reconcile_seconds.labels(result).observe(seconds)
    for verb, code in (("patch", "200"), ("create", "201"), ("delete", "404")):
        told.api_requests.labels(verb, code).inc()
    for condition in reasons.CONDITION_TYPES:
        told.jobs.labels(condition).set(int(condition == reasons.RUNNING and size > 0))
    told.job_pending.labels(NAMESPACE, "lego", reasons.WAITING_FOR_GPUS).set(tick)
    told.job_start.observe(30 + tick % 60)
    for state, gpus in (("total", 8), ("held", size), ("wanted", 6)):
        told.gpus.labels(state).set(gpus)
    for state, gpus in (("total", 8), ("allocated", size)):
        told.allocation_gpus.labels(state).set(gpus)
    told.allocation_jobs.labels("training").set(int(size > 0))
    told.allocation_jobs.labels("waiting").set(1)
    told.allocation_seconds.observe(0.004)
    if tick % 600 == 0:
        told.allocation_changes.labels(reasons.GROWN).inc()
