"""Why a job has its size: a word and a sentence."""

from collections.abc import Sequence

from nerf_contract import reasons
from nerf_operator.allocation.model import Allocation
from nerf_operator.allocation.prospects import Prospect
from nerf_operator.allocation.shares import Shares


def allocation(jobs: Sequence[Prospect], index: int, size: int, shares: Shares) -> Allocation:
    """Of the job at the index, that gets so many workers."""
    job = jobs[index]
    before = job.job.workers
    if not size:
        return Allocation(0, *_waits(jobs, index, shares), before)
    if size == before:
        return Allocation(size, *_stays(job, shares.sizes[index]), before)
    if not before:
        return Allocation(size, *_starts(job, size, index in shares.starved), before)
    return Allocation(size, *_changes(job, size), before)


def _waits(jobs: Sequence[Prospect], index: int, shares: Shares) -> tuple[str, str]:
    job = jobs[index]
    each = _count(job.job.gpus_per_worker, "GPU")
    wants = f"{_count(job.job.min, 'worker')} of {each}"
    if job.job.workers:
        lost = "GPUs were lost, and the others are older or more important"
        return reasons.CAPACITY_LOST, f"{lost}. The job goes on when {wants} are free."
    if not job.fits:
        lack = f"The nodes cannot hold {wants} beside what others have there"
        return reasons.EXCEEDS_CAPACITY, f"{lack}. Add nodes, or lower min."
    if shares.held is not None and shares.held != index:
        older = jobs[shares.held].job.name
        return reasons.WAITING_FOR_OLDER_JOB, f"{older} has waited for longer, and starts first."
    return reasons.WAITING_FOR_GPUS, f"Waiting for {wants}."


def _starts(job: Prospect, size: int, starved: bool) -> tuple[str, str]:
    if starved:
        why = "It waited too long: others give up what they have above their min."
        return reasons.ADMITTED_AFTER_WAIT, f"Starts with {_count(size, 'worker')}. {why}"
    wants = f"wants {job.job.min} to {job.job.max}"
    return reasons.ADMITTED, f"Starts with {_count(size, 'worker')}; {wants}."


def _stays(job: Prospect, ideal: int) -> tuple[str, str]:
    size = job.job.workers
    if ideal != size:
        wish = f"{ideal} would be ideal, but the change would not pay for itself yet."
        return reasons.RESCALE_NOT_WORTHWHILE, f"{_count(size, 'worker')}; {wish}"
    if size >= job.job.max:
        return reasons.AT_MAXIMUM, f"It has its max, {size}."
    if size >= job.place:
        return reasons.AT_CAPACITY, f"{_count(size, 'worker')}: the nodes hold no more."
    if size >= job.most:
        percent = 100 * job.curve.speedup(size + 1) / (size + 1)
        wider = f"with one more, each would do {percent:.0f} % of what one does alone"
        return reasons.EFFICIENCY_FLOOR, f"{_count(size, 'worker')}; {wider}."
    return reasons.BALANCED, f"{_count(size, 'worker')}: more GPUs speed up other jobs by more."


def _changes(job: Prospect, size: int) -> tuple[str, str]:
    before = job.job.workers
    change = f"From {before} to {_count(size, 'worker')}"
    saved = job.seconds(before) - job.seconds(size) - job.cost
    if size < before and saved <= 0:
        return reasons.SHRUNK, f"{change}: its GPUs are worth more elsewhere."
    reason = reasons.GROWN if size > before else reasons.SHRUNK
    return reason, f"{change}: ends about {saved:.0f} s sooner."


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
