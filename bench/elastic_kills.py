"""Trainings whose processes are killed at random."""

import random
import time
from dataclasses import dataclass, field

from elastic_changes import MakeJob, Result, result
from elastic_job import BenchError, Job
from elastic_launch import MOST_PODS
from elastic_notes import redone_steps, unique_rays

#: No step for so long, while a process that has trained lives, is a hang.
HANG_SECONDS = 30.0
#: Where nobody is left, new processes have to start first.
RESTART_SECONDS = 180.0


@dataclass
class Kills:
    """recoveries: seconds from each kill to the next step that was done. redone: steps."""

    count: int = 0
    hangs: int = 0
    redone: int = 0
    recoveries: list[float] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)


def random_kills(make: MakeJob, kills: int, steps: int, seed: int) -> Kills:
    """As many trainings as it takes, each to its end."""
    dice, found = random.Random(seed), Kills()
    while found.count < kills:
        with make(f"kills-{len(found.results)}", steps) as job:
            for index in range(MOST_PODS):
                job.start_pod(index)
            while found.count < kills and _several_train(job, steps):
                _pass_time(job, dice.uniform(0, 2))
                _kill_one(job, dice, found, steps)
            found.results.append(result(job))
            found.redone += redone_steps(job.notes())
    return found


def _several_train(job: Job, steps: int) -> bool:
    """Wait for a group of two or more. False where the training has come near its end first."""
    near = 0.9 * steps
    job.wait(lambda: job.step() > near or _world(job) > 1, "two pods train", RESTART_SECONDS)
    return job.step() <= near


def _world(job: Job) -> int:
    notes = job.notes()
    return notes[-1].world if notes else 0


def _pass_time(job: Job, seconds: float) -> None:
    end = time.monotonic() + seconds
    job.wait(lambda: time.monotonic() >= end, "time passes", seconds + 60)


def _kill_one(job: Job, dice: random.Random, found: Kills, steps: int) -> None:
    """Kill a process, a whole pod or the coordinator, and wait for the next step."""
    group = job.notes()[-1].generation
    pods = sorted({note.pod for note in job.notes() if note.generation == group})
    what = dice.choice(["process", "pod", "process", "pod", "coordinator"])
    index = dice.choice(pods)
    moment = _kill(job, what, index)
    if moment is None:
        return
    broken = None if what == "coordinator" else group
    limit = RESTART_SECONDS if broken and pods == [index] else HANG_SECONDS
    try:
        job.wait(lambda: _recovery(job, moment, broken) or job.step() == steps, "a step", limit)
    except BenchError as hang:
        found.hangs += 1
        print(hang, flush=True)
        job.wait(lambda: _recovery(job, moment, broken), "a step after a hang", RESTART_SECONDS)
    recovery = _recovery(job, moment, broken)
    if recovery is None:
        return  # The last step had been done before.
    found.count += 1
    found.recoveries.append(recovery)
    print(f"  kill {found.count}: {what} {index} of {pods}, {recovery:.2f} s", flush=True)


def _recovery(job: Job, moment: float, broken: int | None) -> float | None:
    """Seconds to the first step after a kill that is not of the group that it has broken."""
    times = (n.time for n in job.notes() if n.time > moment and n.generation != broken)
    first = next(times, None)
    return first - moment if first else None


def _kill(job: Job, what: str, index: int) -> float | None:
    """When it was killed; None where it was not there."""
    if what == "coordinator":
        if job.coordinator is None:
            return None
        job.kill_coordinator()
    elif what == "process":
        if not job.kill_process(index):
            return None
    elif index not in job.agents:
        return None
    else:
        job.kill_pod(index)
    return time.monotonic()


@dataclass(frozen=True)
class GoodputPlan:
    """A training of so many seconds, with a kill in each `kill_every` of them.

    undisturbed: seconds before and after, that goodput is compared with. settled: the step with
    which it begins; until the occupancy grid has emptied, at some 600, a step trains fewer rays
    than later ones.
    """

    seconds: int
    kill_every: int
    undisturbed: float
    settled: int


def goodput(make: MakeJob, plan: GoodputPlan, seed: int) -> float:
    """New rays of a training with a pod killed so often, by those of an undisturbed one.

    Both by the second, of the same two pods: the undisturbed time lies before and after.
    """
    dice = random.Random(seed)
    with make("goodput", 10**6) as job:
        for index in range(2):
            job.start_pod(index)
        job.wait(lambda: job.step() >= plan.settled, "the occupancy grid has settled")
        before = _undisturbed(job, plan.undisturbed)
        begin = time.monotonic()
        for start in range(0, plan.seconds, plan.kill_every):
            _pass_time(job, begin + start + plan.kill_every / 3 - time.monotonic())
            job.kill_pod(dice.randrange(2))
            _pass_time(job, begin + start + plan.kill_every - time.monotonic())
        end = time.monotonic()
        rate = (before + _undisturbed(job, plan.undisturbed)) / 2
        return unique_rays(job.notes(), begin, end) / (rate * (end - begin))


def _undisturbed(job: Job, seconds: float) -> float:
    """Rays by the second of two pods."""
    job.wait_for_world(2, steps=10)
    begin = time.monotonic()
    _pass_time(job, seconds)
    return unique_rays(job.notes(), begin, time.monotonic()) / seconds
