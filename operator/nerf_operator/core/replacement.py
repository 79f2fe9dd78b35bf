"""Which pod a worker has, or gets next: attempts, back-off and the count of failures."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from nerf_operator.core.failure import classify, disruption, told
from nerf_operator.core.moment import rfc3339
from nerf_operator.core.observed import Pod

BACKOFF_MAX_SECONDS = 60
#: As many nodes are remembered at most.
AVOIDED_NODES = 8


@dataclass(frozen=True)
class Slot:
    """The place of one worker (or of the coordinator).

    current: the pod that runs or will run, or has done all that there was to do.
    start: attempt to create now; None if none is to be created.
    failures: how often this place has failed so far; rounds: how often in a row, without progress.
    avoid: nodes to which the next attempt prefers others.
    wait: seconds until `start` will be due, which is at `due`.
    why: what became of the last pod, where a new one takes its place.
    """

    current: Pod | None = None
    start: int | None = None
    failures: int = 0
    rounds: int = 0
    avoid: tuple[str, ...] = ()
    wait: float | None = None
    due: datetime | None = None
    why: str | None = None


def backoff_seconds(rounds: int) -> int:
    """Pause before the next attempt: 0, 1, 2, 4 ... 60 seconds."""
    return 0 if rounds <= 1 else min(BACKOFF_MAX_SECONDS, 1 << min(rounds - 2, 10))


def failures(pods: Sequence[Pod]) -> int:
    """How often this place has failed, from the labels and ends of its pods."""
    return max((pod.failures + _counts(pod) for pod in pods), default=0)


def _counts(pod: Pod) -> bool:
    return pod.phase == "Failed" and not pod.deleting and classify(pod).counts


def ended_at(pod: Pod) -> datetime:
    """When it ended, as well as is known."""
    return (pod.termination.at if pod.termination else None) or pod.created


def _never(pod: Pod) -> bool:
    return False


def decide(
    pods: Sequence[Pod],
    now: datetime,
    step: int | None = None,
    finished: Callable[[Pod], bool] = _never,
) -> Slot:
    """The place of `pods` (oldest attempt first).

    step: what the training has reached, where none of it is done without this place.
    finished: whether a pod was the last one that its place needs. That a pod succeeded does not
    tell: so end also containers that are told to, as where their node is rebooted.
    """
    spent = failures(pods)
    alive = [pod for pod in pods if pod.alive]
    if alive:
        former = pods[-2] if len(pods) > 1 and alive[-1] is pods[-1] else None
        return Slot(current=alive[-1], failures=spent, why=why(former) if former else None)
    if not pods:
        return Slot(start=0)
    last = pods[-1]
    if last.deleting:
        return _after_deletion(last, spent, now)
    if finished(last):
        return Slot(current=last, failures=spent)
    return _after_end(last, spent, now, step)


def _after_deletion(last: Pod, spent: int, now: datetime) -> Slot:
    """At once, but where someone deletes every pod as soon as it is there, and none gets to run."""
    young = (now - last.created).total_seconds() < BACKOFF_MAX_SECONDS
    refused = young and last.started_at is None
    rounds = last.rounds + (1 if refused else 0)
    slot = Slot(failures=spent, rounds=rounds, avoid=last.avoided, why=why(last))
    return _again(last, slot, last.created, now)


def _after_end(last: Pod, spent: int, now: datetime, step: int | None) -> Slot:
    # A pod that the cluster keeps refusing must not be recreated in a hot loop either.
    progressed = _progressed(last, step)
    rounds = 1 if progressed else last.rounds + 1
    avoid = _avoid(last, () if progressed else last.avoided)
    slot = Slot(failures=spent, rounds=rounds, avoid=avoid, why=why(last))
    return _again(last, slot, ended_at(last), now)


def _again(last: Pod, slot: Slot, since: datetime, now: datetime) -> Slot:
    """The next attempt: now, or once the pause since then is over.

    `since` is of another machine's clock. Where that is ahead of ours, pauses are longer, but where
    there is none nothing is waited for.
    """
    pause = backoff_seconds(slot.rounds)
    due = since + timedelta(seconds=pause)
    wait = (due - now).total_seconds()
    if pause and wait > 0:
        return replace(slot, wait=wait, due=due)
    return replace(slot, start=last.attempt + 1)


def _avoid(last: Pod, known: tuple[str, ...]) -> tuple[str, ...]:
    """The newest nodes on which attempts in a row failed by what may be the node's fault."""
    if last.node is None or last.phase != "Failed" or not classify(last).failure.of_node:
        return known
    return (*(node for node in known if node != last.node), last.node)[-AVOIDED_NODES:]


def _progressed(pod: Pod, step: int | None) -> bool:
    """Whether it took the training beyond the step at the last failure."""
    word = told(pod)
    own = word.progress.step if word and word.progress else None
    reached = max((s for s in (own, step) if s is not None), default=0)
    return pod.first_step is not None and reached > pod.first_step


def why(pod: Pod) -> str:
    """What became of a pod whose place another one takes."""
    if pod.phase == "Failed":
        verdict = classify(pod)
        return f"{pod.name} ended with {verdict.reason}: {verdict.message}"
    if pod.deleting:
        cause = disruption(pod)
        return f"{pod.name} was deleted" + (f" ({cause})" if cause else "")
    return f"{pod.name} had ended without a failure"


def elsewhere(slot: Slot) -> str:
    """Which nodes the next attempt avoids where it can; "" where it does not care."""
    return f" Other nodes are preferred to {', '.join(slot.avoid)}." if slot.avoid else ""


def outlook(slots: Iterable[Slot], spent: int, limit: int) -> str:
    """What is left of the budget, and when the next attempt begins; "" where nothing waits.

    spent, limit: failures so far, and as many as `runPolicy.backoffLimit` allows.
    """
    due = min((slot.due for slot in slots if slot.due is not None), default=None)
    told = [f"Failures so far: {spent} of the {limit} that runPolicy.backoffLimit allows."]
    begins = [f"The next attempt begins at {rfc3339(due)}."] if due else []
    return "".join(f" {sentence}" for sentence in [*(told if spent else []), *begins])


def surplus(pods: Sequence[Pod]) -> list[Pod]:
    """Pods that ended and need not be kept: a person may want the logs of the newest one, and of
    the newest that failed."""
    ended = [pod for pod in pods if pod.ended and not pod.deleting]
    failed = [pod for pod in ended if pod.phase == "Failed"]
    return [pod for pod in ended if pod not in (*ended[-1:], *failed[-1:])]
