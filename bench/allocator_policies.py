"""What the allocator is compared with.

All are told the same, fit the same curves, pay the same for a change, and keep what the API
promises: 0 workers or from min to max, and a job that trains keeps min.
"""

import heapq
from collections.abc import Callable, Sequence

from allocator_simulator import Policy

from nerf_operator.allocation.allocate import allocate
from nerf_operator.allocation.curve import Curve
from nerf_operator.allocation.model import Capacity, Job, Tuning
from nerf_operator.allocation.prospects import curves

Gain = Callable[[Job, Curve, int], float]


def ours(tuning: Tuning | None = None) -> Policy:
    """The operator's."""

    def policy(jobs: Sequence[Job], gpus: int, now: float) -> dict[str, int]:
        found = allocate(jobs, Capacity((gpus,)), now, tuning)
        return {name: allocation.workers for name, allocation in found.items()}

    return policy


def fifo(requested: dict[str, int]) -> Policy:
    """Fixed at the requested size, in order: none overtakes the first that does not fit."""

    def policy(jobs: Sequence[Job], gpus: int, now: float) -> dict[str, int]:
        sizes = {job.name: job.workers for job in jobs if job.workers}
        free = gpus - sum(job.gpus for job in jobs)
        for job in jobs:
            needed = requested[job.name] * job.gpus_per_worker
            if job.workers:
                continue
            if needed > free:
                break
            sizes[job.name] = requested[job.name]
            free -= needed
        return sizes

    return policy


def equal_share(jobs: Sequence[Job], gpus: int, now: float) -> dict[str, int]:
    """The job with fewest GPUs gets the next worker; the first to come, of equals."""
    sizes, free = admitted(jobs, gpus)
    heap = [
        (sizes[job.name] * job.gpus_per_worker, order)
        for order, job in enumerate(jobs)
        if job.name in sizes
    ]
    heapq.heapify(heap)
    while heap and free > 0:
        held, order = heapq.heappop(heap)
        job = jobs[order]
        if sizes[job.name] < job.max and job.gpus_per_worker <= free:
            sizes[job.name] += 1
            free -= job.gpus_per_worker
            heapq.heappush(heap, (held + job.gpus_per_worker, order))
    return sizes


def optimus(jobs: Sequence[Job], gpus: int, now: float) -> dict[str, int]:
    """Peng et al., EuroSys 2018, section 4.1: each job gets its least, then the largest saving of
    remaining time for a GPU goes first, until none saves any; a job that is only beginning, whose
    estimates are poor, counts 0.95."""

    def gain(job: Job, curve: Curve, n: int) -> float:
        saved = job.remaining * (curve.seconds(n) - curve.seconds(n + 1)) / job.gpus_per_worker
        return saved if job.points else 0.95 * saved

    return greedy(jobs, gpus, gain)


class Pollux:
    """After Qiao et al., OSDI 2021, section 4.2: the power mean (p = -1) of speedups over a fair
    share is greatest, where a job that is changed counts less, the more often it was: the factor is
    (T - R d) / (T + d) for age T, R changes and d = 30 s. As the batch is fixed here, goodput is
    throughput. With p = -1 a greedy search finds what the genetic one looks for.
    """

    def __init__(self) -> None:
        self._changes: dict[str, int] = {}

    def __call__(self, jobs: Sequence[Job], gpus: int, now: float) -> dict[str, int]:
        """A round."""
        fair = {job.name: max(1, gpus // (len(jobs) * job.gpus_per_worker)) for job in jobs}

        def gain(job: Job, curve: Curve, n: int) -> float:
            base = curve.rate(min(fair[job.name], job.max))
            return base * (curve.seconds(n) - curve.seconds(n + 1)) / job.gpus_per_worker

        sizes = greedy(jobs, gpus, gain)
        self._keep(jobs, gpus, now, sizes)
        for job in jobs:
            changed = bool(job.workers) and sizes.get(job.name, 0) != job.workers
            self._changes[job.name] = self._changes.get(job.name, 0) + changed
        return sizes

    def _keep(self, jobs: Sequence[Job], gpus: int, now: float, sizes: dict[str, int]) -> None:
        """Undo growth that its penalty eats up, and shrinking that nobody needs."""
        by_curve = dict(zip((job.name for job in jobs), curves(jobs), strict=True))
        for job in jobs:
            curve, size = by_curve[job.name], sizes.get(job.name, 0)
            age = now - job.arrived
            factor = max(age - 30 * self._changes.get(job.name, 0), 0) / (age + 30)
            if 0 < job.workers < size and curve.rate(size) * factor <= curve.rate(job.workers):
                sizes[job.name] = job.workers
        free = gpus - sum(sizes.get(job.name, 0) * job.gpus_per_worker for job in jobs)
        for job in jobs:
            more = (job.workers - sizes.get(job.name, 0)) * job.gpus_per_worker
            if job.workers and 0 < more <= free:
                sizes[job.name] = job.workers
                free -= more


def every(seconds: float, policy: Policy) -> Policy:
    """Sizes change only so often; between, jobs that wait start with what is free."""
    last = [-seconds]

    def paced(jobs: Sequence[Job], gpus: int, now: float) -> dict[str, int]:
        if now - last[0] >= seconds:
            last[0] = now
            return policy(jobs, gpus, now)
        sizes = {job.name: job.workers for job in jobs if job.workers}
        free = gpus - sum(job.gpus for job in jobs)
        return sizes | _starting(jobs, free)[0]

    return paced


def admitted(jobs: Sequence[Job], gpus: int) -> tuple[dict[str, int], int]:
    """The least of those that train, then of those that wait, in order of arrival; what is free."""
    sizes = {job.name: job.min for job in jobs if job.workers}
    free = gpus - sum(job.min * job.gpus_per_worker for job in jobs if job.workers)
    started, free = _starting(jobs, free)
    return sizes | started, free


def greedy(jobs: Sequence[Job], gpus: int, gain: Gain) -> dict[str, int]:
    """After admission, each further worker goes to the job that gains most a GPU."""
    sizes, free = admitted(jobs, gpus)
    known = [(job, c) for job, c in zip(jobs, curves(jobs), strict=True) if job.name in sizes]
    heap = [(-gain(job, c, sizes[job.name]), k) for k, (job, c) in enumerate(known)]
    heapq.heapify(heap)
    while heap and free > 0:
        negative, index = heapq.heappop(heap)
        job, curve = known[index]
        if negative < 0 and sizes[job.name] < job.max and job.gpus_per_worker <= free:
            sizes[job.name] += 1
            free -= job.gpus_per_worker
            heapq.heappush(heap, (-gain(job, curve, sizes[job.name]), index))
    return sizes


def _starting(jobs: Sequence[Job], free: int) -> tuple[dict[str, int], int]:
    sizes = {}
    for job in jobs:
        needed = job.min * job.gpus_per_worker
        if not job.workers:
            if needed > free:
                break
            sizes[job.name] = job.min
            free -= needed
    return sizes, free
