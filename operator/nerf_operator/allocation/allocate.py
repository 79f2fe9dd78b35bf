"""The decision: a size and a reason for each Auto job."""

from collections.abc import Sequence

from nerf_operator.allocation import explain
from nerf_operator.allocation.model import Allocation, Capacity, Job, Tuning
from nerf_operator.allocation.moves import Moves
from nerf_operator.allocation.prospects import Prospect, prospects
from nerf_operator.allocation.shares import ideal


def allocate(
    jobs: Sequence[Job], capacity: Capacity, now: float, tuning: Tuning | None = None
) -> dict[str, Allocation]:
    """Sizes at `now` (seconds), by the names of the jobs, which are unique.

    Never more GPUs than there are, and for each job 0 or from min to max workers. A job that has
    workers keeps its min, unless GPUs were lost. The same jobs in any order get the same sizes, and
    once they have them they keep them until something changes, or a job has waited for too long.
    """
    tuning = tuning or Tuning()
    known = prospects(jobs, capacity, now, tuning)
    kept = _fit(known, capacity.total)
    starved = _starved(known, kept, now, tuning)
    shares = ideal(known, kept, capacity.total, starved)
    moves = Moves(known, kept, capacity.total, now, tuning)
    moves.settle(shares)
    return {
        job.job.name: explain.allocation(known, index, moves.sizes[index], shares)
        for index, job in enumerate(known)
    }


def _starved(
    jobs: Sequence[Prospect], kept: Sequence[int], now: float, tuning: Tuning
) -> list[int]:
    """Who has waited for too long, first who has waited longest for its length."""
    waited = {}
    for index, job in enumerate(jobs):
        patience = max(tuning.patience, tuning.stretch * job.seconds(job.job.min))
        if job.fits and not kept[index] and now - job.job.arrived >= patience:
            waited[index] = (now - job.job.arrived) / job.seconds(job.job.min)
    return sorted(waited, key=lambda index: (-waited[index], index))


def _fit(jobs: Sequence[Prospect], total: int) -> list[int]:
    """The present sizes, within their bounds, less what is lost with nodes that are gone.

    What is above min goes first, then whole jobs: the least priority, and of those the youngest.
    """
    sizes = [min(max(p.job.workers, p.job.min), p.job.max) if p.job.workers else 0 for p in jobs]
    over = sum(n * p.job.gpus_per_worker for n, p in zip(sizes, jobs, strict=True)) - total
    cheapest = sorted(range(len(jobs)), key=lambda i: (jobs[i].value, -i)) if over > 0 else []
    for floor in (True, False):
        if not floor:
            cheapest.sort(key=lambda i: (jobs[i].job.priority, -jobs[i].job.arrived, -i))
        for index in cheapest:
            job = jobs[index].job
            if over <= 0 or not sizes[index]:
                continue
            workers = min(sizes[index] - job.min, -(-over // job.gpus_per_worker))
            left = sizes[index] - workers if floor else 0
            over -= (sizes[index] - left) * job.gpus_per_worker
            sizes[index] = left
    return sizes
