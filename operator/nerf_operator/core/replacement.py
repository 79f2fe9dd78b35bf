"""Which pod a worker has, or gets next: attempts, back-off and the count of failures."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from nerf_operator.core.failure import classify
from nerf_operator.core.observed import Pod

BACKOFF_MAX_SECONDS = 60


@dataclass(frozen=True)
class Slot:
    """The place of one worker (or of the coordinator).

    current: the pod that runs or will run.
    start: attempt to create now; None if none is to be created.
    failures: how often this place has failed so far.
    wait: seconds until `start` will be due.
    why: what became of the last pod, where a new one takes its place.
    """

    current: Pod | None = None
    start: int | None = None
    failures: int = 0
    wait: float | None = None
    why: str | None = None


def backoff_seconds(failures: int) -> int:
    """Pause before the next attempt: 0, 1, 2, 4 ... 60 seconds."""
    return 0 if failures <= 1 else min(BACKOFF_MAX_SECONDS, 1 << min(failures - 2, 10))


def failures(pods: Sequence[Pod]) -> int:
    """How often this place has failed, from the labels and ends of its pods."""
    return max((pod.failures + _counts(pod) for pod in pods), default=0)


def _counts(pod: Pod) -> bool:
    return pod.phase == "Failed" and not pod.deleting and classify(pod).counts


def ended_at(pod: Pod) -> datetime:
    """When it ended, as well as is known."""
    return (pod.termination.at if pod.termination else None) or pod.created


def decide(pods: Sequence[Pod], now: datetime) -> Slot:
    """The place of `pods` (oldest attempt first). A pod that succeeded stays its last one."""
    spent = failures(pods)
    alive = [pod for pod in pods if pod.alive]
    if alive:
        former = pods[-2] if len(pods) > 1 and alive[-1] is pods[-1] else None
        return Slot(current=alive[-1], failures=spent, why=why(former) if former else None)
    if not pods:
        return Slot(start=0)
    last = pods[-1]
    if last.deleting:
        return Slot(start=last.attempt + 1, failures=spent, why=why(last))
    if last.phase == "Succeeded":
        return Slot(current=last, failures=spent)
    return _after_failure(last, spent, now)


def _after_failure(last: Pod, spent: int, now: datetime) -> Slot:
    # A pod that the cluster keeps refusing must not be recreated in a hot loop either.
    rounds = spent if _counts(last) else last.attempt + 1
    due = ended_at(last) + timedelta(seconds=backoff_seconds(rounds))
    wait = (due - now).total_seconds()
    if wait > 0:
        return Slot(failures=spent, wait=wait, why=why(last))
    return Slot(start=last.attempt + 1, failures=spent, why=why(last))


def why(pod: Pod) -> str:
    """What became of a pod whose place another one takes."""
    if pod.phase == "Failed":
        verdict = classify(pod)
        return f"{pod.name} ended with {verdict.reason}: {verdict.message}"
    return f"{pod.name} {'was deleted' if pod.deleting else 'had finished'}"


def surplus(pods: Sequence[Pod]) -> list[Pod]:
    """Failed pods that need not be kept: all but the newest, whose logs a person may want."""
    failed = [pod for pod in pods if pod.phase == "Failed" and not pod.deleting]
    return failed[:-1]
