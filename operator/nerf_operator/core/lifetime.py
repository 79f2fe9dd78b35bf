"""How long a job has been active, and what its deadline and its time to live say to that."""

from datetime import datetime, timedelta

from nerf_contract import reasons
from nerf_contract.v1alpha1 import ActiveStatus, NeRFJobSpec, NeRFJobStatus
from nerf_operator.core.moment import rfc3339
from nerf_operator.core.outcome import Outcome


def account(old: NeRFJobStatus, active: bool, now: datetime) -> ActiveStatus:
    """The active time to report: a stretch of it begins, goes on or has just ended."""
    known = _known(old)
    if active:
        return known if known.since else ActiveStatus(seconds=known.seconds, since=rfc3339(now))
    return ActiveStatus(seconds=int(_spent(known, now)))


def _known(old: NeRFJobStatus) -> ActiveStatus:
    """A status of an operator that knew of no active time has but the start."""
    return old.active or ActiveStatus(seconds=0, since=old.start_time)


def _spent(known: ActiveStatus, now: datetime) -> float:
    if known.since is None:
        return known.seconds
    return known.seconds + (now - datetime.fromisoformat(known.since)).total_seconds()


def deadline_left(spec: NeRFJobSpec, old: NeRFJobStatus, now: datetime) -> float | None:
    """Active seconds until the deadline, not above 0 once it has passed; None without one."""
    deadline = spec.run_policy.active_deadline_seconds
    return None if deadline is None else deadline - _spent(_known(old), now)


def overdue(spec: NeRFJobSpec, old: NeRFJobStatus, now: datetime) -> Outcome | None:
    """The end by the deadline, once it has passed."""
    left = deadline_left(spec, old, now)
    if left is None or left > 0:
        return None
    return Outcome(
        False,
        reasons.DEADLINE_EXCEEDED,
        f"The job was active for {spec.run_policy.active_deadline_seconds} s, which is all that "
        "runPolicy.activeDeadlineSeconds allows. To go on from its last checkpoint, set "
        "checkpoint.volume.retentionPolicy to Retain (a claim of yours stays anyway), delete it "
        "and create it again under the same name, with more time.",
    )


def to_live(spec: NeRFJobSpec, status: NeRFJobStatus, now: datetime) -> float | None:
    """Seconds until a job that has ended is deleted; None where it is kept."""
    ttl = spec.run_policy.ttl_seconds_after_finished
    if ttl is None or status.completion_time is None:
        return None
    end = datetime.fromisoformat(status.completion_time) + timedelta(seconds=ttl)
    return (end - now).total_seconds()
