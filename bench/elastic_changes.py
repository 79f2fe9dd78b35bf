"""Trainings whose group changes by plan, or not at all."""

import json
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from elastic_job import BenchError, Job
from elastic_launch import MOST_PODS
from elastic_notes import (
    by_pod,
    by_process,
    lost_steps,
    median_step,
    pauses,
    repeated_steps,
)

#: Makes a job; keywords: its name and number of steps, and those of `Job`.
MakeJob = Callable[..., AbstractContextManager[Job]]


@dataclass(frozen=True)
class Result:
    """What a training of so many steps came to. weights: SHA-256 of the model's. psnr: in dB."""

    weights: str
    psnr: float


def result(job: Job) -> Result:
    """Wait for the end of the training, and read what it has left."""
    job.wait(job.done, "the end of the training", 600)
    found = json.loads((job.output / "metrics.json").read_text())
    weights, psnr = found["weightsSha256"], found["psnr"]
    print(f"  held-out PSNR {psnr:.4f} dB, weights {weights[:12]}", flush=True)
    return Result(weights, psnr)


def fixed(make: MakeJob, world: int, steps: int) -> Result:
    """Undisturbed."""
    with make(f"fixed-{world}", steps, min_pods=world) as job:
        for index in range(world):
            job.start_pod(index)
        return result(job)


def resumed(make: MakeJob, steps: int) -> Result:
    """All processes are killed in the middle; new ones go on from the volume."""
    with make("resumed", steps, min_pods=2) as job:
        for index in range(2):
            job.start_pod(index)
        volume = job.output / "checkpoints"
        job.wait(lambda: job.step() >= steps // 2 and [*volume.glob("step-*")], "a checkpoint")
        for index in range(2):
            job.kill_pod(index)
        if job.step() == steps:
            raise BenchError("the training ended before it was killed: it needs more steps")
        found = result(job)
        if "resuming from the checkpoint" not in job.logs(lines=10**6):
            raise BenchError(f"nothing was resumed\n{job.logs()}")
        return found


def step_seconds(make: MakeJob, determinism: str, steps: int) -> float:
    """Median step of the default model and a world of two."""
    with make(f"{determinism}-{time.monotonic_ns()}", steps, determinism, min_pods=2) as job:
        for index in range(2):
            job.start_pod(index)
        job.wait(job.done, "the end of the training", 300)
        times = [note.time for note in job.notes() if note.pod == 0 and note.step > steps // 5]
        print(f"  {determinism}: {1 / median_step([times]):.2f} steps/s", flush=True)
        return median_step([times])


# --- Planned changes -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Planned:
    """Of one round 1 -> 2 -> 4 -> 2 -> 1. pauses: seconds."""

    pauses: list[float]
    lost: int
    repeated: int
    result: Result


def planned(make: MakeJob, number: int, steps: int) -> Planned:
    """Pods that have warmed up join, and leave by SIGTERM."""
    with make(f"planned-{number}", steps, gated=True) as job:
        for index in range(MOST_PODS):
            job.start_pod(index)
        job.wait(lambda: all(map(job.ready, range(MOST_PODS))), "all pods are ready")
        change(job, job.open_gate, dwell(steps))
        found = result(job)
        notes = job.notes()
        if len({note.pid for note in notes}) != MOST_PODS:
            raise BenchError(f"a process did not survive\n{job.logs()}")
        seen = pauses(notes, by_process)
        print(f"  pauses {rounded(seen)}", flush=True)
        return Planned(seen, lost_steps(notes, steps), repeated_steps(notes), found)


def stock(make: MakeJob, number: int, steps: int) -> list[float]:
    """The same changes by torchrun's own rendezvous: the pauses of the pods that stay."""
    with make(f"stock-{number}", 10**6, stock=True) as job:
        change(job, job.start_pod, dwell(steps))
        seen = pauses(job.notes(), by_pod)
        print(f"  pauses {rounded(seen)}", flush=True)
        return seen


def dwell(steps: int) -> int:
    """Steps between two changes of a training of so many: there is time for five, and to spare."""
    return steps // 10


def change(job: Job, admit: Callable[[int], object], least: int) -> None:
    """1 -> 2 -> 4 -> 2 -> 1 pods, `least` steps with each number."""
    for world, joining in ((1, [0]), (2, [1]), (4, [2, 3])):
        for index in joining:
            admit(index)
        job.wait_for_world(world, least)
    for world, leaving in ((2, [2, 3]), (1, [1])):
        for index in leaving:
            job.terminate_pod(index)
        job.wait_for_world(world, least)


def rounded(values: list[float]) -> list[float]:
    """To milliseconds."""
    return [round(value, 3) for value in values]
