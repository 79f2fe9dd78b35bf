"""Why a pod ended, and whether trying again can help."""

from dataclasses import dataclass

from pydantic import ValidationError

from nerf_contract import reasons
from nerf_contract.progress import TerminationMessage
from nerf_operator.core.observed import Pod

#: Reasons in a pod's status that blame the cluster, not the program in the pod.
_CLUSTER_REASONS = frozenset(
    {
        *("Evicted", "Preempting", "Shutdown", "NodeShutdown", "Terminated", "NodeLost"),
        *("NodeAffinity", "UnexpectedAdmissionError", "OutOfcpu", "OutOfmemory", "OutOfpods"),
    }
)
_MAX_MESSAGE = 1024


@dataclass(frozen=True)
class Verdict:
    """What a failed pod means.

    counts: whether it spends the job's restart budget.
    retryable: whether a new attempt may succeed without a person changing something.
    """

    reason: str
    message: str
    retryable: bool = True
    counts: bool = True


def told(pod: Pod) -> TerminationMessage | None:
    """The last word of the pod's trainer, if it left one."""
    if pod.termination is None or not pod.termination.message.lstrip().startswith("{"):
        return None
    try:
        return TerminationMessage.model_validate_json(pod.termination.message)
    except ValidationError:
        return None


def classify(pod: Pod) -> Verdict:
    """Verdict on a pod in phase Failed."""
    if pod.disrupted or pod.reason in _CLUSTER_REASONS or pod.reason.startswith("OutOf"):
        return Verdict("Disrupted", pod.message or pod.reason or "lost", counts=False)
    if pod.termination is not None and pod.termination.reason == "OOMKilled":
        return Verdict(reasons.OUT_OF_MEMORY, _OOM_KILLED)
    word = told(pod)
    if word is not None and word.reason == reasons.WORKER_LEFT:
        return Verdict(reasons.CRASHED, _KILLED)  # It was not the pod that was told to end.
    if word is not None and word.reason in reasons.FAILURES:
        known = reasons.FAILURES[word.reason]
        return Verdict(known.reason, word.message[:_MAX_MESSAGE], known.retryable)
    return Verdict(reasons.CRASHED, _last_words(pod))


_KILLED = "a process of the pod was killed without a word, and the others were told to end"
_OOM_KILLED = (
    "the kernel killed the worker at its memory limit; raise spec.workers.resources.limits.memory"
)


def _last_words(pod: Pod) -> str:
    end = pod.termination
    if end is None:
        return pod.message or "the pod failed before its container ran"
    lines = [line.strip() for line in end.message.splitlines() if line.strip()]
    what = f"exit code {end.exit_code}"
    return f"{what}: {lines[-1][:_MAX_MESSAGE]}" if lines else what
