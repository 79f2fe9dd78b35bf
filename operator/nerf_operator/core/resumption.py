"""A job that goes on after it was suspended: every place begins with a fresh count of failures."""

from dataclasses import replace
from datetime import datetime

from nerf_contract import reasons
from nerf_contract.v1alpha1 import NeRFJobStatus
from nerf_operator.core.observed import Observed, Pod


def afresh(status: NeRFJobStatus, observed: Observed, now: datetime) -> Observed:
    """What is observed, without what pods from before the suspension know of failures.

    They may take long to leave, and lend new pods nothing but the number of their attempt.
    """
    resumed = _resumed(status, now)
    if resumed is None:
        return observed
    return replace(observed, pods=tuple(_reset(pod, resumed) for pod in observed.pods))


def _resumed(status: NeRFJobStatus, now: datetime) -> datetime | None:
    """Since when pods may be made again: the job is suspended, or was until then."""
    known = status.condition(reasons.SUSPENDED)
    if known is not None and known.status == "True":
        return now
    if known is not None and known.reason == reasons.RESUMED:
        return datetime.fromisoformat(known.last_transition_time)
    return None


def _is_former(pod: Pod, resumed: datetime) -> bool:
    """One that has failed since is none, whatever the clocks say: those of a suspended job go."""
    return pod.created <= resumed and (pod.deleting or pod.phase == "Succeeded")


def _reset(pod: Pod, resumed: datetime) -> Pod:
    return replace(pod, failures=0, rounds=0, avoided=()) if _is_former(pod, resumed) else pod
