"""Jobs that are to train and do not: since when, and why."""

from dataclasses import dataclass
from datetime import datetime

from nerf_contract import reasons
from nerf_contract.v1alpha1 import NeRFJobStatus

#: Facts by whose change a job may begin to wait.
_TURNS = (reasons.RUNNING, reasons.POSES_READY, reasons.SUSPENDED)


@dataclass(frozen=True)
class Pending:
    """since: when the job was last found to wait. reason: of its condition Stalled or Running."""

    since: datetime
    reason: str


def pending(status: NeRFJobStatus) -> Pending | None:
    """Since when, and why, a job with this status waits; None where it does not."""
    turns = [found for type_ in _TURNS if (found := status.condition(type_)) is not None]
    if status.phase != "Pending" or not turns:
        return None
    since = max(datetime.fromisoformat(turn.last_transition_time) for turn in turns)
    return Pending(since, _reason(status))


def _reason(status: NeRFJobStatus) -> str:
    stalled, running = status.condition(reasons.STALLED), status.condition(reasons.RUNNING)
    told = stalled if stalled is not None and stalled.status == "True" else running
    return told.reason if told is not None else reasons.PODS_PENDING


def waited(old: NeRFJobStatus, new: NeRFJobStatus, now: datetime) -> float | None:
    """Seconds for which a job was pending that trains now; None for every other change."""
    before = pending(old)
    if before is None or new.phase != "Running":
        return None
    return (now - before.since).total_seconds()
