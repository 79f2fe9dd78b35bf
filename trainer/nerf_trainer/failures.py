"""How a worker ends: a reason for machines, a sentence for people, in the termination log.

Only the standard library and the contract: a failure can be told before anything else works.
"""

import json
import os
from contextlib import suppress
from pathlib import Path

from nerf_contract import names
from nerf_contract.progress import DatasetReport, Progress, TerminationMessage
from nerf_contract.reasons import FAILURES, WORKER_LEFT

#: Kubernetes keeps 4096 bytes of a termination message.
MESSAGE_BYTES = 4096
#: Leaves room for quoting and the progress beside it.
SENTENCE_BYTES = 1500


class TrainerFailure(Exception):  # noqa: N818 (the contract calls it a failure)
    """Training cannot go on, for a reason of `nerf_contract.reasons.FAILURES`."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.failure = FAILURES[reason]
        self.message = message

    @property
    def reason(self) -> str:
        """The word for machines."""
        return self.failure.reason


def write_termination(
    reason: str,
    message: str,
    progress: Progress | None = None,
    dataset: DatasetReport | None = None,
    outputs: list[str] | None = None,
) -> None:
    """Leave the last word where the kubelet looks for it. Silent where there is no such place.

    A failure that no retry can cure is not overwritten by another process of the same pod that
    merely lost its peer; and no failure is by one that was told to end because of it.
    """
    path = termination_log()
    if path is None or _stands(path, reason):
        return
    last_word = TerminationMessage(
        reason=reason, message=message, progress=progress, dataset=dataset, outputs=outputs
    )
    path.write_bytes(_shortened(last_word))


def clear_termination() -> None:
    """Forget the last word of processes that are to start again: it is not that of the next ones.

    The log is a file that the kubelet mounts: it stays there.
    """
    path = termination_log()
    if path is not None:
        with suppress(OSError):
            path.write_bytes(b"")


def _shortened(last_word: TerminationMessage) -> bytes:
    """The termination message as JSON; sentence and names are cut until the whole fits."""
    size = SENTENCE_BYTES
    while True:
        sentence = last_word.message.encode()[:size].decode(errors="ignore")
        fitting = last_word.model_copy(update={"message": sentence} | _fewer(last_word, size))
        text = fitting.model_dump_json(by_alias=True, exclude_none=True).encode()
        if len(text) <= MESSAGE_BYTES or not size:
            return text
        size //= 2


def _fewer(last_word: TerminationMessage, size: int) -> dict[str, object]:
    """The lists of a last word with no more than their share of what there is room for."""
    found: dict[str, object] = {}
    if last_word.dataset is not None:
        names_ = _within(last_word.dataset.unposed, size)
        found["dataset"] = last_word.dataset.model_copy(update={"unposed": names_})
    if last_word.outputs is not None:
        found["outputs"] = _within(last_word.outputs, size)
    return found


def _within(listed: list[str], size: int) -> list[str]:
    """The first of the names that take so many bytes in JSON, which writes them in UTF-8."""
    kept: list[str] = []
    for name in listed:
        size -= len(json.dumps(name, ensure_ascii=False).encode()) + 1
        if size < 0:
            break
        kept.append(name)
    return kept


def termination_log() -> Path | None:
    """The termination log, or None outside a pod."""
    told = os.environ.get(names.ENV_TERMINATION_LOG)
    path = Path(told or names.TERMINATION_LOG)
    return path if told or path.exists() else None


def _stands(path: Path, reason: str) -> bool:
    """Whether the last word that is there says more than one with this reason."""
    try:
        failure = FAILURES.get(json.loads(path.read_text()).get("reason"))
    except (OSError, ValueError, AttributeError):
        return False
    return failure is not None and (not failure.retryable or reason == WORKER_LEFT)
