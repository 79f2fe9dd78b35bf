"""Trainings in pods, whose processes, pods and coordinators are killed at random."""

import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from elastic_pods_job import EndedError, PodJob

WORLD = 4
#: Kills are at a moment of the first so many seconds in which all train.
MOST_SECONDS = 2.0
#: Of the steps of a training, from where on nothing is killed any more.
LAST_SHARE = 0.85
#: What took longer is explained by the logs.
SLOW_SECONDS = 5.0
COORDINATOR = "coordinator"
KINDS = ("process", "pod", "process", "pod", COORDINATOR)


@dataclass
class Kills:
    """recoveries: seconds from each kill that broke the group to a survivor's next step.

    undisturbed: the same after kills of the coordinator, which break nothing.
    metrics: of each training.
    """

    count: int = 0
    hangs: int = 0
    recoveries: list[float] = field(default_factory=list)
    undisturbed: list[float] = field(default_factory=list)
    metrics: list[dict[str, Any]] = field(default_factory=list)


def random_kills(make: Callable[[str], PodJob], kills: int, steps: int, seed: int) -> Kills:
    """As many trainings of so many steps as it takes, each to its end."""
    dice, found = random.Random(seed), Kills()
    while found.count < kills:
        with make(f"killed-{len(found.metrics)}") as job:
            try:
                while found.count < kills and job.wait_for_world(WORLD) < LAST_SHARE * steps:
                    time.sleep(dice.uniform(0, MOST_SECONDS))
                    _kill_one(job, dice, found)
            except EndedError:
                print("  it ended before a pod that died again and again was replaced", flush=True)
            except TimeoutError as hang:
                found.hangs += 1
                print(hang, flush=True)
                continue
            found.metrics.append(job.metrics())
    return found


def _kill_one(job: PodJob, dice: random.Random, found: Kills) -> None:
    """The other pod lives on, and tells when it has done a step without what was killed."""
    index, what = dice.randrange(2), dice.choice(KINDS)
    kill = {
        "process": lambda: job.send(index, signal.SIGKILL, newest=True),
        "pod": lambda: job.kill(index),
        COORDINATOR: job.kill_coordinator,
    }[what]
    seconds = job.seconds_to_step(1 - index, kill, regrouped=what != COORDINATOR)
    found.count += 1
    (found.undisturbed if what == COORDINATOR else found.recoveries).append(seconds)
    print(f"  kill {found.count}: {what} of worker {index}, {seconds:.2f} s", flush=True)
    if seconds > SLOW_SECONDS:
        print(job.last_words(), flush=True)
