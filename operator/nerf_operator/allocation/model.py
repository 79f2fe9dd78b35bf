"""What the allocator is told, and what it answers."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Job:
    """An Auto job that is not done. Times are seconds of one clock.

    min, max: of workers, 1 <= min <= max. remaining: rays until the end. arrived: since when it
    wants workers. priority: a weight > 0; its delay counts so many times. points: measured
    (workers, rays/s), one a size. workers: that it has now, 0 or at least min. since: when it got
    its size. rescale_cost: seconds of training that a change of size costs, None before the first.
    gpus_per_worker: at least 1.
    """

    name: str
    min: int
    max: int
    remaining: float
    arrived: float
    priority: float = 1.0
    points: tuple[tuple[int, float], ...] = ()
    workers: int = 0
    since: float = 0.0
    rescale_cost: float | None = None
    gpus_per_worker: int = 1

    @property
    def gpus(self) -> int:
        """That it holds."""
        return self.workers * self.gpus_per_worker


@dataclass(frozen=True, slots=True)
class Capacity:
    """GPUs that Auto jobs may have: free ones, and those that they hold.

    nodes: GPUs of each node. A sum is one node: then no job is refused for want of a node that
    is large enough for one of its workers.
    """

    nodes: tuple[int, ...]

    @property
    def total(self) -> int:
        """GPUs of all nodes."""
        return sum(self.nodes)

    def workers(self, gpus_per_worker: int) -> int:
        """How many of that size fit, if nobody else is there."""
        return sum(gpus // gpus_per_worker for gpus in self.nodes)


@dataclass(frozen=True, slots=True)
class Tuning:
    """What an administrator may set; docs/decisions/0005-allocator.md says what was measured.

    efficiency_floor: least rays/s of a worker, as a part of those of a worker alone, above min.
    patience: seconds that a job waits at least until it goes first, and stretch: how many times as
    long as it would train with min workers. tail: a job that trains and ends so many times later
    than the mean counts double. payoff: how many times its cost a change must save beyond it.
    rescale_cost: seconds, where a job's own is not known. least_cost: seconds that any change is
    taken to cost by who measures it, as the start of pods is no pause of the training. rest: a job
    that was changed is left alone for so many times the cost, unless others wait for its GPUs.
    """

    efficiency_floor: float = 0.5
    patience: float = 900.0
    stretch: float = 1.0
    tail: float = 2.0
    payoff: float = 0.5
    rescale_cost: float = 10.0
    least_cost: float = 5.0
    rest: float = 2.0


@dataclass(frozen=True, slots=True)
class Allocation:
    """workers: 0, or from min to max. reason: one of `nerf_contract.reasons`; message: a sentence.
    before: workers that the job had when this was decided."""

    workers: int
    reason: str
    message: str
    before: int = 0
