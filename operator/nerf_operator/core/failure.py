"""Why a pod ended, and whether trying again can help.

In this order: what the cluster did to the pod, the runtime's reason, the trainer's last word, its
exit code, the last line of its log.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import ValidationError

from nerf_contract import reasons
from nerf_contract.progress import TerminationMessage
from nerf_contract.reasons import Failure
from nerf_operator.core.observed import Pod

_MAX_MESSAGE = 1024


@dataclass(frozen=True)
class Verdict:
    """What a failed pod means."""

    failure: Failure
    message: str

    @property
    def reason(self) -> str:
        """A word for machines."""
        return self.failure.reason

    @property
    def retryable(self) -> bool:
        """Whether a new attempt may succeed without a person changing something."""
        return self.failure.retryable

    @property
    def counts(self) -> bool:
        """Whether it spends the job's restart budget."""
        return self.failure.counts


Rule = Callable[[Pod], Verdict | None]


def _found(reason: str, message: str) -> Verdict:
    failure = reasons.FOUND_FAILURES.get(reason) or reasons.FAILURES[reason]
    return Verdict(failure, message[:_MAX_MESSAGE])


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
    rules: tuple[Rule, ...] = (_overuse, _disruption, _runtime, _word, _exit_code)
    verdicts = (rule(pod) for rule in rules)
    return next((v for v in verdicts if v is not None), None) or _crash(_last_words(pod))


# --- The cluster ---------------------------------------------------------------------------------


def disruption(pod: Pod) -> str | None:
    """What the cluster did to the pod, if it was that: one of the reasons for a disruption."""
    for word in (pod.disruption, pod.reason):
        if word in reasons.BY_THE_CLUSTER:
            return reasons.BY_THE_CLUSTER[word]
    refused = pod.reason.startswith("OutOf")
    unaccounted = pod.termination is not None and pod.termination.reason == "ContainerStatusUnknown"
    if unaccounted:
        return reasons.NODE_LOST  # It was rebooted, and has lost track of the container.
    return reasons.DISRUPTED if refused or pod.disruption else None


#: The kubelet's words where a pod is evicted for what it did itself.
_OVERUSE = re.compile(r"exceeds the (total )?limit|exceeded its local ephemeral storage limit")


def _overuse(pod: Pod) -> Verdict | None:
    found = pod.reason == "Evicted" and _OVERUSE.search(pod.message)
    return _found(reasons.STORAGE_EXCEEDED, pod.message) if found else None


def _disruption(pod: Pod) -> Verdict | None:
    reason = disruption(pod)
    if reason is None:
        return None
    meaning = reasons.FOUND_FAILURES[reason].meaning
    return _found(reason, pod.message or meaning[:1].lower() + meaning[1:].rstrip("."))


# --- The container runtime -----------------------------------------------------------------------

_OOM_KILLED = (
    "the kernel killed the worker at its memory limit; raise spec.workers.resources.limits.memory "
    "while the job is suspended"
)
_NO_PROGRAM = re.compile(r"executable file not found|no such file or directory|permission denied")
#: By the shell's convention: not executable, not found.
_NO_PROGRAM_CODES = (126, 127)


def _runtime(pod: Pod) -> Verdict | None:
    end = pod.termination
    if end is None:
        return None
    if end.reason == "OOMKilled":
        return _found(reasons.OUT_OF_MEMORY, _OOM_KILLED)
    if end.exit_code in _NO_PROGRAM_CODES:
        return _found(reasons.IMAGE_UNUSABLE, _unusable(pod))
    if end.reason in ("StartError", "ContainerCannotRun"):
        missing = _NO_PROGRAM.search(end.message)
        reason = reasons.IMAGE_UNUSABLE if missing else reasons.CONTAINER_NOT_STARTED
        return _found(reason, _unusable(pod) if missing else _last_words(pod))
    return None


def _unusable(pod: Pod) -> str:
    return f"{pod.image!r} is no trainer image ({_last_words(pod)}); check spec.image"


# --- The trainer ---------------------------------------------------------------------------------

_KILLED = "a process of the pod was killed without a word, and the others were told to end"
_CUDA = re.compile(
    r"CUDA (runtime |driver )?error|CUDNN_STATUS_|CUBLAS_STATUS_|CUSPARSE_STATUS_|NCCL error"
    r"|ncclUnhandledCudaError|ncclSystemError|device-side assert|AcceleratorError"
)


def _word(pod: Pod) -> Verdict | None:
    word = told(pod)
    if word is None or word.reason not in reasons.FAILURES:
        return None
    if word.reason == reasons.WORKER_LEFT:
        return _found(reasons.CRASHED, _KILLED)  # It was not the pod that was told to end.
    if word.reason == reasons.CRASHED:
        return _crash(word.message)
    if word.reason == reasons.CUDA_UNAVAILABLE and pod.first_step:
        return _found(reasons.CUDA_ERROR, word.message)  # Image and spec have shown what they can.
    return _found(word.reason, word.message)


_BY_EXIT_CODE = {f.exit_code: f.reason for f in reasons.FAILURES.values() if f.kind != "Disruption"}


def _exit_code(pod: Pod) -> Verdict | None:
    """torchrun ends with 1 whatever its processes say, but the stages do not run under it."""
    reason = _BY_EXIT_CODE.get(pod.termination.exit_code) if pod.termination else None
    if reason is None or reason == reasons.CRASHED:
        return None
    return _found(reason, _last_words(pod))


def _crash(message: str) -> Verdict:
    return _found(reasons.CUDA_ERROR if _CUDA.search(message) else reasons.CRASHED, message)


def _last_words(pod: Pod) -> str:
    end = pod.termination
    if end is None:
        return pod.message or "the pod failed before its container ran"
    lines = [line.strip() for line in end.message.splitlines() if line.strip()]
    what = f"exit code {end.exit_code}"
    return f"{what}: {lines[-1][:_MAX_MESSAGE]}" if lines else what
