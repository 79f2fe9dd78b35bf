"""The conditions of a job, from what is known of it."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from nerf_contract import reasons
from nerf_contract.v1alpha1 import Condition, NeRFJobStatus
from nerf_operator.core.moment import rfc3339
from nerf_operator.core.outcome import Outcome
from nerf_operator.core.waiting import Waiting

Truth = Literal["True", "False", "Unknown"]


@dataclass(frozen=True)
class Fact:
    """A condition without its times."""

    status: Truth
    reason: str
    message: str


@dataclass(frozen=True)
class Facts:
    """What the conditions are made from.

    fewest: ready workers with which training goes on.
    starting: reason and sentence for workers that are not ready.
    halted: nothing is done before a person has removed the obstacle, whoever is ready.
    poses, trained, outputs: of the stages; None leaves them as they were.
    suspended: no pods are wanted for now; leaving: those that are still there.
    unsaved: a sentence of why the training that goes on is not kept, if it is not.
    """

    wanted: int
    fewest: int
    ready: int
    starting: Waiting
    obstacle: Waiting | None = None
    outcome: Outcome | None = None
    halted: bool = False
    suspended: bool = False
    leaving: int = 0
    poses: Fact | None = None
    trained: Fact | None = None
    outputs: Fact | None = None
    unsaved: str | None = None

    @property
    def complete(self) -> bool:
        """Whether all workers are ready, and there are any."""
        return self.ready >= max(self.wanted, self.fewest)

    @property
    def stalled(self) -> bool:
        """An elastic job that trains with fewer workers than wanted is not stalled."""
        return self.obstacle is not None and (self.halted or self.ready < self.fewest)


def build(facts: Facts, old: NeRFJobStatus, generation: int, now: datetime) -> list[Condition]:
    """All conditions; `lastTransitionTime` changes only with the status."""
    found = _facts(facts, old) | _stages(facts, old)
    return [_condition(t, found[t], old, generation, now) for t in reasons.CONDITION_TYPES]


def _condition(
    type_: str, fact: Fact, old: NeRFJobStatus, generation: int, now: datetime
) -> Condition:
    before = old.condition(type_)
    same = before is not None and before.status == fact.status
    return Condition(
        type=type_,
        status=fact.status,
        reason=fact.reason,
        message=fact.message,
        last_transition_time=before.last_transition_time if before and same else rfc3339(now),
        observed_generation=generation,
    )


def _facts(facts: Facts, old: NeRFJobStatus) -> dict[str, Fact]:
    if facts.outcome is not None:
        return _ended(facts.outcome)
    if facts.suspended:
        return _suspended(facts)
    return {
        reasons.SUSPENDED: Fact("False", _why_not_suspended(old), "Pods may run."),
        reasons.SUCCEEDED: _unfinished(facts),
        reasons.FAILED: _NO_FAILURE,
        reasons.RUNNING: _running(facts),
        reasons.WORKERS_READY: _workers_ready(facts),
        reasons.RECONCILING: _reconciling(facts),
        reasons.STALLED: _stalled(facts),
    }


def _why_not_suspended(old: NeRFJobStatus) -> str:
    """That it was is remembered: pods from before may take long to leave."""
    before = old.condition(reasons.SUSPENDED)
    was = before is not None and (before.status == "True" or before.reason == reasons.RESUMED)
    return reasons.RESUMED if was else reasons.NOT_SUSPENDED


def _unfinished(facts: Facts) -> Fact:
    if facts.trained is not None and facts.trained.status == "True":
        return Fact("False", reasons.EXPORTING, "The outputs are not made yet.")
    return Fact("False", reasons.NOT_FINISHED, "The training has not finished.")


def _stages(facts: Facts, old: NeRFJobStatus) -> dict[str, Fact]:
    told = {
        reasons.POSES_READY: facts.poses,
        reasons.TRAINED: facts.trained,
        reasons.OUTPUTS_READY: facts.outputs,
    }
    return {type_: fact or _as_before(type_, old) for type_, fact in told.items()}


def _as_before(type_: str, old: NeRFJobStatus) -> Fact:
    known = old.condition(type_)
    if known is None:
        return Fact("Unknown", reasons.INVALID_SPEC, "Not known before the spec makes sense.")
    return Fact(known.status, known.reason, known.message)


def _ended(outcome: Outcome) -> dict[str, Fact]:
    end = Fact("True", outcome.reason, outcome.message)
    reason = reasons.JOB_SUCCEEDED if outcome.succeeded else reasons.JOB_FAILED
    over = Fact("False", reason, "The job has ended.")
    stalled = Fact("True", reason, f"{outcome.reason}: {outcome.message}")
    return {
        reasons.SUCCEEDED: end if outcome.succeeded else over,
        reasons.FAILED: over if outcome.succeeded else end,
        reasons.RUNNING: over,
        reasons.WORKERS_READY: over,
        reasons.SUSPENDED: over,
        reasons.RECONCILING: over,
        reasons.STALLED: over if outcome.succeeded else stalled,
    }


def _suspended(facts: Facts) -> dict[str, Fact]:
    """Nobody is waited for: that the job rests is what the spec asks for."""
    rests = Fact("False", reasons.JOB_SUSPENDED, _SUSPENDED)
    gone = Fact("False", reasons.UP_TO_DATE, "The job is suspended, and its pods are gone.")
    count = f"{facts.leaving} {'pod leaves' if facts.leaving == 1 else 'pods leave'}."
    leaving = Fact("True", reasons.JOB_SUSPENDED, count)
    return {
        reasons.SUCCEEDED: _unfinished(facts),
        reasons.FAILED: _NO_FAILURE,
        reasons.RUNNING: rests,
        reasons.WORKERS_READY: rests,
        reasons.SUSPENDED: replace(rests, status="True"),
        reasons.RECONCILING: leaving if facts.leaving else gone,
        reasons.STALLED: _NOT_STALLED,
    }


_SUSPENDED = (
    "The job has no pods, and goes on from where it was once spec.runPolicy.suspend is false."
)
_NO_FAILURE = Fact("False", reasons.NO_FAILURE, "Nothing has failed for good.")
_NOT_STALLED = Fact("False", reasons.UP_TO_DATE, "Nothing waits for a person.")


def _running(facts: Facts) -> Fact:
    if facts.ready >= facts.fewest:
        message = f"{facts.ready} of {facts.wanted} workers {_are(facts.ready)} training."
        unsaved = f" {facts.unsaved}" if facts.unsaved else ""
        return Fact("True", reasons.TRAINING, message + unsaved)
    why = facts.obstacle or facts.starting
    return Fact("False", why.reason, why.message)


def _workers_ready(facts: Facts) -> Fact:
    if facts.complete:
        all_ready = "The worker is" if facts.wanted == 1 else f"All {facts.wanted} workers are"
        return Fact("True", reasons.ALL_READY, f"{all_ready} ready.")
    why = facts.obstacle or facts.starting
    counted = f"{facts.ready} of {facts.wanted} workers {_are(facts.ready)} ready. "
    return Fact("False", why.reason, f"{counted if facts.wanted else ''}{why.message}")


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _reconciling(facts: Facts) -> Fact:
    if facts.stalled:
        return Fact("False", reasons.STALLED, "Waiting for a person; see the condition Stalled.")
    if facts.complete:
        return Fact("False", reasons.UP_TO_DATE, "Everything is as the spec asks for.")
    return Fact("True", facts.starting.reason, facts.starting.message)


def _stalled(facts: Facts) -> Fact:
    if facts.obstacle is not None and facts.stalled:
        return Fact("True", facts.obstacle.reason, facts.obstacle.message)
    return _NOT_STALLED
