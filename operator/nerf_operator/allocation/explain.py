"""Why a job has its size: a word and a sentence."""

from collections.abc import Sequence

from nerf_operator.allocation import model
from nerf_operator.allocation.model import Allocation
from nerf_operator.allocation.prospects import Prospect
from nerf_operator.allocation.shares import Shares


def allocation(jobs: Sequence[Prospect], index: int, size: int, shares: Shares) -> Allocation:
    """Of the job at the index, that gets so many workers."""
    job = jobs[index]
    before = job.job.workers
    if not size:
        return Allocation(0, *_waits(jobs, index, shares))
    if size == before:
        return Allocation(size, *_stays(job, shares.sizes[index]))
    if not before:
        return Allocation(size, *_starts(job, size, index in shares.starved))
    return Allocation(size, *_changes(job, size))


def _waits(jobs: Sequence[Prospect], index: int, shares: Shares) -> tuple[str, str]:
    job = jobs[index]
    wants = f"{job.job.min} workers of {job.job.gpus_per_worker} GPUs"
    if job.job.workers:
        lost = "GPUs were lost, and the others are older or more important"
        return model.CAPACITY_LOST, f"{lost}. The job goes on when {wants} are free."
    if not job.fits:
        return model.EXCEEDS_CAPACITY, f"The nodes cannot hold {wants}. Add nodes, or lower min."
    if shares.held is not None and shares.held != index:
        older = jobs[shares.held].job.name
        return model.WAITING_FOR_OLDER_JOB, f"{older} has waited for longer, and starts first."
    return model.WAITING_FOR_GPUS, f"Waiting for {wants}."


def _starts(job: Prospect, size: int, starved: bool) -> tuple[str, str]:
    if starved:
        why = "It waited too long: others give up what they have above their min."
        return model.ADMITTED_AFTER_WAIT, f"Starts with {size} workers. {why}"
    return model.ADMITTED, f"Starts with {size} workers; wants {job.job.min} to {job.job.max}."


def _stays(job: Prospect, ideal: int) -> tuple[str, str]:
    size = job.job.workers
    if ideal != size:
        wish = f"{ideal} workers would be ideal, but the change would not pay for itself yet."
        return model.RESCALE_NOT_WORTHWHILE, f"{size} workers; {wish}"
    if size >= job.job.max:
        return model.AT_MAXIMUM, f"{size} workers are its max."
    if size >= job.most:
        percent = 100 * job.curve.speedup(size + 1) / (size + 1)
        wider = f"with one more, each would do {percent:.0f} % of what one does alone"
        return model.EFFICIENCY_FLOOR, f"{size} workers; {wider}."
    return model.BALANCED, f"{size} workers: more GPUs speed up other jobs by more."


def _changes(job: Prospect, size: int) -> tuple[str, str]:
    before = job.job.workers
    change = f"From {before} to {size} workers"
    if size < before:
        return model.SHRUNK, f"{change}: its GPUs are worth more elsewhere."
    saved = job.seconds(before) - job.seconds(size) - job.cost
    return model.GROWN, f"{change}: ends about {saved:.0f} s sooner."
