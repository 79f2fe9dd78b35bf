"""The ideal sizes: GPUs go, one step after the other, to where they are worth most.

The worth of a job's speedup is concave in its size, so the greedy choice is the best one, as in
Optimus, whose marginal gain this is with other values (see `weights`).
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

from nerf_operator.allocation.prospects import Prospect


@dataclass(frozen=True, slots=True)
class Shares:
    """sizes: workers of each job. starved: went first, as they have waited too long. held: for whom
    nobody else starts now, the index of a job."""

    sizes: list[int]
    starved: frozenset[int]
    held: int | None


def ideal(jobs: Sequence[Prospect], kept: Sequence[int], total: int, starved: list[int]) -> Shares:
    """Sizes, if changes were free.

    kept: workers that each job has; those that have some keep their min. starved: indices of jobs
    that have waited for too long, first come first served: each gets its min before any other has
    more than min. While one of them does not fit, no other job starts, but the rest is lent.
    """
    sizes = [job.job.min if now else 0 for job, now in zip(jobs, kept, strict=True)]
    free = total - sum(job.least for job, now in zip(jobs, kept, strict=True) if now)
    served, held = [], None
    for index in starved:
        if jobs[index].least > free:
            held = index
            break
        sizes[index] = jobs[index].job.min
        free -= jobs[index].least
        served.append(index)
    _spread(jobs, sizes, free, starts=held is None)
    return Shares(sizes, frozenset(served), held)


def _spread(jobs: Sequence[Prospect], sizes: list[int], free: int, starts: bool) -> None:
    """Add the best step as long as one fits: a worker, or all of min at once."""
    heap = [
        (-_next(job, sizes[index]), index)
        for index, job in enumerate(jobs)
        if job.fits and (starts or sizes[index])
    ]
    heapq.heapify(heap)
    while heap and free > 0:
        negative, index = heap[0]
        job = jobs[index]
        step = 1 if sizes[index] else job.job.min
        gpus = step * job.job.gpus_per_worker
        if negative >= 0:
            break
        if gpus > free:
            heapq.heappop(heap)
            continue
        sizes[index] += step
        free -= gpus
        heapq.heapreplace(heap, (-_next(job, sizes[index]), index))


def _next(job: Prospect, size: int) -> float:
    """What a GPU of the next step is worth; 0 where there is none."""
    if size >= job.most:
        return 0.0
    if not size:
        return job.per_gpu(0, job.job.min)
    return job.scale * (1 / job.curve.seconds(size + 1) - 1 / job.curve.seconds(size))
