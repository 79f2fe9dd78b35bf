"""Jobs of the allocator's benchmark: when they come, how large they are, how they really scale."""

import math
import random
from dataclasses import dataclass

#: Workers on one node: beyond, gradients go through the network.
_NODE = 8
_DAY = 86_400.0


@dataclass(frozen=True)
class Truth:
    """How a job really scales, which the fitted curve has no term for: a node's edge, stragglers.

    rate: rays/s of one worker. fixed, near, far: of a step's time with one worker, what each worker
    repeats, what is sent within a node, and between nodes. straggle: for each doubling.
    """

    rate: float
    fixed: float
    near: float
    far: float
    straggle: float

    def rays(self, workers: int) -> float:
        """rays/s."""
        doublings = math.log2(workers)
        shared = (1 - self.fixed) / workers * (1 + self.straggle * doublings)
        wire = self.near if workers <= _NODE else self.far
        sent = wire * 2 * (workers - 1) / workers
        return self.rate / (shared + self.fixed + sent + 0.0005 * doublings)


@dataclass(frozen=True)
class Task:
    """A job to come. work: rays. requested: workers, between min and max. pause: seconds that a
    change of size really costs. noise: of each measurement, by its size, relative."""

    name: str
    arrival: float
    work: float
    requested: int
    min: int
    max: int
    gpus_per_worker: int
    pause: float
    truth: Truth
    noise: tuple[float, ...]


@dataclass(frozen=True)
class Setting:
    """gpus: of the cluster. jobs: in all. hours: of one GPU, the median of the jobs' work.

    widest: workers that one may have. load: the GPU time that the jobs need with one worker each,
    where none is lost to scaling, as a part of what there is while they arrive.
    """

    gpus: int
    jobs: int
    hours: float
    widest: int
    gpus_per_worker: int = 1
    load: float = 0.95
    diurnal: bool = False


def tasks(setting: Setting, seed: int) -> list[Task]:
    """In order of arrival. Work is log-normal, up to 40 times the median."""
    rng = random.Random(f"{seed} {setting}")
    drawn = [_task(rng, setting, number) for number in range(setting.jobs)]
    busy = sum(task.work / task.truth.rays(1) * task.gpus_per_worker for task in drawn)
    span = busy / setting.gpus / setting.load
    arrivals = sorted(_arrival(rng, setting, span) for _ in drawn)
    return [
        Task(**(vars(task) | {"arrival": at})) for task, at in zip(drawn, arrivals, strict=True)
    ]


def _task(rng: random.Random, setting: Setting, number: int) -> Task:
    work_hours = setting.hours * min(40.0, math.exp(rng.gauss(0, 1.4)))
    truth = _truth(rng)
    # People ask for more workers for more work, but not by much, and they do not measure.
    guess = math.sqrt(work_hours / setting.hours) * 4 * math.exp(rng.gauss(0, 0.6))
    top = setting.widest // 2
    requested = min(top, 2 ** max(0, round(math.log2(guess))))
    seconds = max(60.0, work_hours * 3600 / setting.gpus_per_worker)
    return Task(
        name=f"job-{number:04d}",
        arrival=0.0,
        work=seconds * truth.rate,
        requested=requested,
        min=max(1, requested // 4),
        max=min(setting.widest, requested * 4),
        gpus_per_worker=setting.gpus_per_worker,
        pause=min(60.0, 5 * math.exp(rng.gauss(0, 0.8))),
        truth=truth,
        noise=tuple(rng.gauss(0, 0.03) for _ in range(setting.widest + 1)),
    )


def _truth(rng: random.Random) -> Truth:
    """Half are hash grids, whose short steps are soon all overhead; half are large networks."""
    grid = rng.random() < 0.5
    near = rng.uniform(0.005, 0.03) if grid else rng.uniform(0.0005, 0.004)
    return Truth(
        rate=20_000 * math.exp(rng.gauss(0, 0.7)),
        fixed=rng.uniform(0.02, 0.12) if grid else rng.uniform(0.001, 0.01),
        near=near,
        far=near * rng.uniform(1, 4),
        straggle=rng.uniform(0.0, 0.03),
    )


def _arrival(rng: random.Random, setting: Setting, span: float) -> float:
    """Uniform: a Poisson process of a known number; or by day, three times as many as by night."""
    while True:
        at = rng.uniform(0, span)
        day = 0.5 + 0.5 * math.sin(2 * math.pi * at / min(_DAY, span / 2))
        if not setting.diurnal or rng.random() < (1 + 2 * day) / 3:
            return at
