"""What processes note of each step they have done, and the figures that follow from it."""

import json
import math
import os
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

from nerf_contract.names import ENV_WORKER_INDEX

#: Folder of the notes; set for every worker process.
ENV_NOTES: Final = "BENCH_NOTES"
#: File that a process waits for before it joins, after it has left one with the ending READY.
ENV_GATE: Final = "BENCH_GATE"
READY: Final = ".ready"


class Note(NamedTuple):
    """A step that a process has done. time: its end, in seconds of the machine's monotonic clock.

    rays: of all processes in this step. pod: number of the process's pod. phases: seconds of this
    process by phase, where it tells them.
    """

    time: float
    step: int
    generation: int
    world: int
    rays: int
    pod: int
    pid: int
    phases: Mapping[str, float] = {}


class Notebook:
    """Where this process writes its notes."""

    def __init__(self) -> None:
        self._pod, self._pid = int(os.environ[ENV_WORKER_INDEX]), os.getpid()
        path = Path(os.environ[ENV_NOTES]) / f"{self._pod}-{self._pid}.jsonl"
        self._file = path.open("a", buffering=1)

    def write(
        self,
        step: int,
        generation: int,
        world: int,
        rays: int,
        phases: Mapping[str, float] | None = None,
    ) -> None:
        """The step has just ended."""
        place = (self._pod, self._pid, dict(phases or {}))
        note = Note(time.monotonic(), step, generation, world, rays, *place)
        self._file.write(json.dumps(note) + "\n")


class Notes:
    """All processes' notes so far, in the order of time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[Path, int] = defaultdict(int)
        self._notes: list[Note] = []

    def all(self) -> list[Note]:
        """Those of whole lines, new ones included."""
        for path in self._folder.glob("*.jsonl"):
            with path.open() as file:
                file.seek(self._read[path])
                whole, newline, _ = file.read().rpartition("\n")
            self._notes += [Note(*json.loads(line)) for line in whole.splitlines()]
            self._read[path] += len(whole + newline)
        self._notes.sort()
        return self._notes


Survivor = Callable[[Note], int]


def by_process(note: Note) -> int:
    """A survivor is a process that lives on."""
    return note.pid


def by_pod(note: Note) -> int:
    """A survivor is a pod, whatever becomes of its processes."""
    return note.pod


def pauses(notes: Iterable[Note], survivor: Survivor) -> list[float]:
    """Seconds without training at each change of the group, as seen by who waited longest.

    From the end of the last step before to the end of the first one after, less a median step.
    """
    steps: dict[int, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for note in notes:
        steps[note.generation][survivor(note)].append(note.time)
    found = []
    for old, new in pairwise(sorted(steps)):
        usual = median_step(steps[new].values())
        waits = [
            times[0] - steps[old][who][-1] - usual
            for who, times in steps[new].items()
            if who in steps[old]
        ]
        if waits and not math.isnan(usual):
            found.append(max(0.0, *waits))
    return found


def median_step(times: Iterable[list[float]]) -> float:
    """Median of the seconds between two steps of a process; nan where none did two."""
    lengths = [after - before for of_one in times for before, after in pairwise(of_one)]
    return statistics.median(lengths) if lengths else math.nan


def lost_steps(notes: list[Note], steps: int) -> int:
    """How many of the steps 1 to `steps` nobody has done."""
    return len(set(range(1, steps + 1)) - {note.step for note in notes})


def repeated_steps(notes: list[Note]) -> int:
    """How many steps a process has done that it had done before."""
    return len(notes) - len({(note.pid, note.step) for note in notes})


def redone_steps(notes: list[Note]) -> int:
    """How many steps were done that an earlier group had done; processes died with them."""
    groups: dict[int, set[int]] = defaultdict(set)
    for note in notes:
        groups[note.generation].add(note.step)
    return sum(map(len, groups.values())) - len(set().union(*groups.values()))


def unique_rays(notes: list[Note], begin: float, end: float) -> int:
    """Rays of the steps that were done for the first time from `begin` to `end`."""
    first: dict[int, Note] = {}
    for note in notes:
        first.setdefault(note.step, note)
    return sum(note.rays for note in first.values() if begin <= note.time < end)
