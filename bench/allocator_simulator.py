"""A cluster in simulated time: jobs come, train at their true speed, pause at changes, and end."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from allocator_jobs import Task

from nerf_operator.allocation.model import Job

#: Seconds: decisions are made at its multiples, and after so many of them even if nothing changed.
ROUND = 30.0
_IDLE_ROUNDS = 10
#: Seconds from a worker's pod to its first step, and until a size has been measured.
_START, _MEASURED = 30.0, 20.0

#: Jobs in order of arrival, GPUs and time, to workers by name; where one is missing it has none.
Policy = Callable[[Sequence[Job], int, float], dict[str, int]]


class OverCapacityError(Exception):
    """A policy gave away more than there is, or a size that the job does not take."""


@dataclass
class Run:
    """A task on its way. left: rays at `at`; nothing is trained before `ready`."""

    task: Task
    left: float
    at: float
    ready: float = 0.0
    workers: int = 0
    since: float = 0.0
    changes: int = 0
    points: dict[int, float] = field(default_factory=dict)

    def advance(self, now: float) -> None:
        """Train until `now`."""
        if self.workers:
            trained = max(0.0, now - max(self.at, self.ready))
            self.left -= trained * self.task.truth.rays(self.workers)
        self.at = now

    def end(self) -> float:
        """When it ends, if it is left alone."""
        if not self.workers:
            return float("inf")
        return max(self.at, self.ready) + self.left / self.task.truth.rays(self.workers)

    def resize(self, workers: int, now: float) -> None:
        """Change the size, with what it costs."""
        if workers != self.workers:
            first = not self.workers
            self.changes += not first
            self.ready = now + (_START if first else self.task.pause)
            self.workers, self.since = workers, now

    def seen(self, now: float) -> Job:
        """What every policy is told: no truth, but what was measured."""
        if self.workers and now - self.ready >= _MEASURED and self.workers not in self.points:
            rate = self.task.truth.rays(self.workers) * (1 + self.task.noise[self.workers])
            self.points[self.workers] = rate
        task = self.task
        return Job(
            name=task.name,
            min=task.min,
            max=task.max,
            remaining=self.left,
            arrived=task.arrival,
            points=tuple(self.points.items()),
            workers=self.workers,
            since=self.since,
            rescale_cost=task.pause if self.changes else None,
            gpus_per_worker=task.gpus_per_worker,
        )


@dataclass(frozen=True)
class Outcome:
    """completion: seconds from arrival to end, of each task. changes: of size, in all."""

    completion: list[float]
    changes: int


def simulate(tasks: Sequence[Task], gpus: int, policy: Policy) -> Outcome:
    """Until all tasks, in order of arrival, are done."""
    coming = list(reversed(tasks))
    active: list[Run] = []
    completion: dict[str, float] = {}
    changes, now, last = 0, 0.0, 0.0
    while coming or active:
        happens = min([run.end() for run in active] + [task.arrival for task in coming[-1:]])
        if active:
            happens = min(happens, last + _IDLE_ROUNDS * ROUND)
        now = max(now + ROUND, -(-happens // ROUND) * ROUND)
        for run in [run for run in active if run.end() <= now]:
            completion[run.task.name] = run.end() - run.task.arrival
            changes += run.changes
            active.remove(run)
        while coming and coming[-1].arrival <= now:
            task = coming.pop()
            active.append(Run(task, task.work, now))
        _decide(active, gpus, policy, now)
        last = now
    return Outcome([completion[task.name] for task in tasks], changes)


def _decide(active: list[Run], gpus: int, policy: Policy, now: float) -> None:
    for run in active:
        run.advance(now)
    sizes = policy([run.seen(now) for run in active], gpus, now)
    used = 0
    for run in active:
        task, workers = run.task, sizes.get(run.task.name, 0)
        used += workers * task.gpus_per_worker
        if used > gpus or (workers and not task.min <= workers <= task.max):
            raise OverCapacityError(f"{task.name}: {workers} workers, {used} of {gpus} GPUs used")
        run.resize(workers, now)
