"""The status of a job, and whether it is worth a write."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from nerf_contract import reasons
from nerf_contract.progress import Progress
from nerf_contract.v1alpha1 import (
    Condition,
    DatasetStatus,
    GivenUpStatus,
    NeRFJobStatus,
    Phase,
    StageStatus,
    WorkersStatus,
)
from nerf_operator.core import auto, conditions, goodput, lifetime, progress, render
from nerf_operator.core.conditions import Facts
from nerf_operator.core.moment import rfc3339
from nerf_operator.core.observed import Job, Observed


@dataclass(frozen=True)
class Tally:
    """What stands beside the conditions. replicas: worker pods that run or will run.

    progress: of the training, where it told anything new. given_up: workers that no node takes.
    """

    replicas: int
    restarts: int
    image: str | None
    dataset: DatasetStatus | None = None
    stage: StageStatus | None = None
    outputs: list[str] = field(default_factory=list)
    progress: Progress | None = None
    given_up: GivenUpStatus | None = None


def build(job: Job, observed: Observed, facts: Facts, tally: Tally, now: datetime) -> NeRFJobStatus:
    """The whole new status."""
    old = job.status
    active = not facts.suspended and facts.outcome is None
    reported, checkpoint = progress.merge(old, tally.progress)
    found = conditions.build(facts, old, job.generation, now)
    return NeRFJobStatus(
        observed_generation=job.generation,
        phase=_phase(found),
        conditions=found,
        workers=WorkersStatus(
            wanted=facts.wanted,
            replicas=tally.replicas,
            ready=facts.ready,
            summary=f"{facts.ready}/{facts.wanted}",
            given_up=tally.given_up,
        ),
        allocation=auto.report(job, found, observed.allocation, tally.progress, now),
        selector=render.worker_selector(job.name),
        dataset=tally.dataset,
        stage=tally.stage,
        progress=reported,
        checkpoint=checkpoint,
        goodput=goodput.merge(old.goodput, tally.progress, observed),
        outputs=tally.outputs,
        restarts=max(old.restarts, tally.restarts),
        image=tally.image,
        start_time=old.start_time or (rfc3339(now) if active else None),
        active=lifetime.account(old, active, now),
        completion_time=_completion(old, facts, now),
    )


def _completion(old: NeRFJobStatus, facts: Facts, now: datetime) -> str | None:
    return (old.completion_time or rfc3339(now)) if facts.outcome else None


def _phase(found: list[Condition]) -> Phase:
    true = {condition.type for condition in found if condition.status == "True"}
    if reasons.SUCCEEDED in true:
        return "Succeeded"
    if reasons.FAILED in true:
        return "Failed"
    if reasons.SUSPENDED in true:
        return "Suspended"
    if reasons.RUNNING in true:
        return "Running"
    if reasons.TRAINED in true:
        return "Exporting"
    running = next(condition for condition in found if condition.type == reasons.RUNNING)
    return "Preparing" if running.reason == reasons.PREPARING else "Pending"


def postponed(
    old: NeRFJobStatus, new: NeRFJobStatus, observed: Observed, now: datetime
) -> float | None:
    """Seconds that writing `new` should wait, or None where it should be written now.

    What only tells of progress is written at a gentle pace; a change of state at once.
    """
    if observed.status_written is None or _state(old) != _state(new):
        return None
    pace = progress.pace_seconds(observed.progress, observed.status_interval)
    left = (observed.status_written + timedelta(seconds=pace) - now).total_seconds()
    return left if left > 0 else None


def _state(status: NeRFJobStatus) -> tuple[object, ...]:
    found = tuple((c.type, c.status, c.reason) for c in status.conditions)
    given_up = status.workers.given_up if status.workers else None
    known = status.observed_generation, status.restarts, given_up
    size = status.allocation.workers if status.allocation else None
    return found, status.phase, _world_size(status), size, *known


def _world_size(status: NeRFJobStatus) -> int | None:
    return status.progress.world_size if status.progress else None
