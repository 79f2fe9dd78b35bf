"""Jobs with scaling.policy Auto: what the allocator is told, and what becomes of its answer.

An answer goes into the status first. Only the size that stands there is acted on, so that an
operator that is started anew goes on from it.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from nerf_contract import reasons
from nerf_contract.progress import Progress
from nerf_contract.v1alpha1 import (
    AllocationStatus,
    Condition,
    NeRFJobSpec,
    NeRFJobStatus,
    SpeedStatus,
)
from nerf_operator.allocation import model
from nerf_operator.allocation.model import Allocation
from nerf_operator.core import speeds
from nerf_operator.core.moment import rfc3339
from nerf_operator.core.observed import Job
from nerf_operator.core.stages import Stages
from nerf_operator.core.waiting import Waiting

#: Without workers, and only a person can change that.
NEEDS_A_PERSON: Final = (reasons.EXCEEDS_CAPACITY, reasons.CAPACITY_UNKNOWN)
_ENDS: Final = (reasons.SUCCEEDED, reasons.FAILED, reasons.TRAINED, reasons.SUSPENDED)


def sized(job: Job) -> Job:
    """An Auto job with its allocated size as if the spec asked for it; others as they are."""
    if job.spec is None or not job.spec.auto:
        return job
    count = job.status.allocation.workers if job.status.allocation else 0
    workers = job.spec.workers.model_copy(update={"replicas": count})
    return replace(job, spec=job.spec.model_copy(update={"workers": workers}))


def wanted(spec: NeRFJobSpec, at: Stages) -> int:
    """Workers that are wanted now; an Auto job wants some only while it trains."""
    idle = spec.run_policy.suspend or at.current != "training"
    return 0 if spec.auto and idle else spec.workers.wanted


def waits(job: Job) -> Waiting | None:
    """Why an Auto job has no workers; None where it has some, and for other jobs."""
    if job.spec is None or not job.spec.auto:
        return None
    known = job.status.allocation
    if known is None or (not known.workers and known.reason == reasons.NOT_TRAINING):
        return _UNDECIDED
    return None if known.workers else Waiting(known.reason, known.message)


_UNDECIDED = Waiting(reasons.NOT_DECIDED, "The operator is about to look for free GPUs.")


def obstacle(waiting: Waiting) -> Waiting | None:
    """The same, where it does not change by itself."""
    return waiting if waiting.reason in NEEDS_A_PERSON else None


def wants_workers(conditions: Sequence[Condition]) -> bool:
    """Whether a job with these conditions trains, or would with workers."""
    true = {condition.type for condition in conditions if condition.status == "True"}
    return reasons.POSES_READY in true and not true.intersection(_ENDS)


def competes(job: Job) -> bool:
    """Whether the job is one of those that share the GPUs now, as far as its status tells."""
    if job.deleting or job.spec is None or not job.spec.auto or job.spec.run_policy.suspend:
        return False
    return job.status.allocation is not None and wants_workers(job.status.conditions)


def request(job: Job, least_cost: float) -> model.Job:
    """What the allocator is told of a job that competes.

    least_cost: seconds that any change costs, as the start of a pod is not measured.
    """
    spec, known, done = job.spec, job.status.allocation, job.status.progress
    assert spec is not None and known is not None and spec.workers.min and spec.workers.max
    steps = spec.training.steps - (done.step if done else 0)
    pause = done.last_regroup_seconds if done else None
    return model.Job(
        name=f"{job.namespace}/{job.name}",
        min=spec.workers.min,
        max=spec.workers.max,
        remaining=float(max(steps, 1) * spec.training.rays_per_batch),
        arrived=_seconds(known.requested or known.since),
        points=speeds.points(known.speeds),
        workers=known.workers,
        since=_seconds(known.since),
        rescale_cost=None if pause is None else max(pause, least_cost),
        gpus_per_worker=spec.workers.gpus_per_worker,
    )


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def report(
    job: Job,
    conditions: Sequence[Condition],
    answer: Allocation | None,
    progress: Progress | None,
    now: datetime,
) -> AllocationStatus | None:
    """The allocation for the status. conditions: of the status that it is for."""
    old = job.status.allocation
    if job.spec is None:
        return old
    if not job.spec.auto:
        return None
    known = speeds.learn(job.spec, old, conditions, progress, now)
    if not wants_workers(conditions):
        return _none(old, known, now) if old else None
    if old is None or old.requested is None:
        return AllocationStatus(
            workers=0,
            reason=_UNDECIDED.reason,
            message=_UNDECIDED.message,
            since=old.since if old and not old.workers else rfc3339(now),
            requested=rfc3339(now),
            speeds=known,
        )
    return _answered(old, answer, known, now)


def _none(old: AllocationStatus, known: list[SpeedStatus], now: datetime) -> AllocationStatus:
    return AllocationStatus(
        workers=0,
        reason=reasons.NOT_TRAINING,
        message="The job does not train, and needs no workers.",
        since=rfc3339(now) if old.workers else old.since,
        speeds=known,
    )


def _answered(
    old: AllocationStatus, answer: Allocation | None, known: list[SpeedStatus], now: datetime
) -> AllocationStatus:
    """An answer to another question than how to go on from the present size is out of date."""
    same = old.model_copy(update={"speeds": known})
    if answer is None or old.workers not in (answer.before, answer.workers):
        return same
    if (answer.workers, answer.reason) == (old.workers, old.reason):
        return same
    since = old.since if answer.workers == old.workers else rfc3339(now)
    told = {"workers": answer.workers, "reason": answer.reason, "message": answer.message}
    return same.model_copy(update=told | {"since": since})


def waits_for_gpus(status: NeRFJobStatus) -> bool:
    """Whether it was decided that the job has to wait until others have left."""
    known = status.allocation
    return known is not None and known.reason in _WAITS


_WAITS: Final = (
    *(reasons.WAITING_FOR_GPUS, reasons.WAITING_FOR_OLDER_JOB),
    *(reasons.CAPACITY_LOST, reasons.EXCEEDS_CAPACITY),
)


def resized(old: NeRFJobStatus, new: NeRFJobStatus) -> AllocationStatus | None:
    """The new allocation, where the allocator gave the job another size than before."""
    before = old.allocation.workers if old.allocation else 0
    after = new.allocation
    if after is None or after.workers == before or after.reason == reasons.NOT_TRAINING:
        return None
    return after
