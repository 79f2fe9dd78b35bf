"""Whether the job is over, and how it ended."""

from dataclasses import dataclass

from nerf_contract import reasons
from nerf_contract.progress import Progress
from nerf_contract.v1alpha1 import NeRFJobSpec, NeRFJobStatus
from nerf_operator.core import indices, replacement
from nerf_operator.core.failure import classify, told
from nerf_operator.core.observed import Observed, Pod

#: What to do where pods failed too often.
_AGAIN = (
    "Mend that, set checkpoint.volume.retentionPolicy to Retain (a claim of yours stays anyway), "
    "delete the job and create it again under its name: it goes on from its last checkpoint."
)
_SUCCESSES = frozenset({reasons.TRAINING_COMPLETED, reasons.TARGET_PSNR_REACHED})


@dataclass(frozen=True)
class Outcome:
    """The end of a job, or of its training."""

    succeeded: bool
    reason: str
    message: str
    progress: Progress | None = None


def recorded(status: NeRFJobStatus) -> Outcome | None:
    """The end that the status already tells of; it never changes."""
    for type_, succeeded in ((reasons.SUCCEEDED, True), (reasons.FAILED, False)):
        condition = status.condition(type_)
        if condition is not None and condition.status == "True":
            return Outcome(succeeded, condition.reason, condition.message)
    return None


def failed_training(spec: NeRFJobSpec, observed: Observed) -> Outcome | None:
    """The bad end that the workers tell of, or None while there is hope."""
    return _fatal(spec, observed) or _exhausted(spec, observed)


def finished(pod: Pod) -> bool:
    """Whether the pod's trainer reached its end; one that was stopped did not."""
    if pod.phase != "Succeeded":
        return False
    word = told(pod)
    return word.reason in _SUCCESSES if word else not pod.deleting


def training(observed: Observed) -> Outcome | None:
    """The good end that the writer tells of, or None."""
    for writer in observed.workers(0):
        if finished(writer):
            word = told(writer)
            if word is None:
                return Outcome(True, reasons.TRAINING_COMPLETED, "The training has finished.")
            return Outcome(True, word.reason, word.message, word.progress)
    return None


def _fatal(spec: NeRFJobSpec, observed: Observed) -> Outcome | None:
    """A failure that no new attempt can mend."""
    for pod in _failed(spec, observed):
        verdict = classify(pod)
        if not verdict.retryable:
            word = told(pod)
            return Outcome(False, verdict.reason, verdict.message, word.progress if word else None)
    return None


def _exhausted(spec: NeRFJobSpec, observed: Observed) -> Outcome | None:
    """More failures than the budget allows."""
    total = failures(spec, observed)
    limit = spec.run_policy.backoff_limit
    if total <= limit:
        return None
    spent = [pod for pod in _failed(spec, observed) if classify(pod).counts]
    last = max(spent, key=replacement.ended_at, default=None)
    cause = classify(last) if last else None
    told = f"{cause.reason}: {cause.message}".rstrip(".") if cause else ""
    tail = f" The last one, {last.name}: {told}." if last else ""
    times = "once" if total == 1 else f"{total} times"
    message = f"Workers failed {times}, more than runPolicy.backoffLimit {limit} allows."
    return Outcome(False, reasons.BACKOFF_LIMIT_EXCEEDED, f"{message}{tail} {_AGAIN}")


def failures(spec: NeRFJobSpec, observed: Observed) -> int:
    """Failed worker pods so far, over all workers that are wanted."""
    wanted = indices.choose(spec, observed)
    return sum(replacement.failures(observed.workers(index)) for index in wanted)


def replaced(spec: NeRFJobSpec, observed: Observed) -> int:
    """Failed worker pods that others have taken the place of."""
    wanted = indices.choose(spec, observed)
    return sum(max((p.failures for p in observed.workers(i)), default=0) for i in wanted)


def _failed(spec: NeRFJobSpec, observed: Observed) -> list[Pod]:
    pods = [pod for index in indices.choose(spec, observed) for pod in observed.workers(index)]
    return [pod for pod in pods if pod.phase == "Failed" and not pod.deleting]
