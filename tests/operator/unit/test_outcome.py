"""When a job is over, and how it ended."""

from typing import Any

import pytest
from operator_support.builders import (
    at,
    ended,
    job,
    observed,
    pod,
    running,
    spec,
    succeeded,
    word,
)

from nerf_contract import reasons
from nerf_operator.core import stages
from nerf_operator.core.observed import Pod
from nerf_operator.core.outcome import Outcome

#: name -> (pods, succeeded, reason, words of the message)
CASES: dict[str, tuple[list[Pod], bool, str, str]] = {
    "the writer finished": (
        [succeeded(0), running(1)],
        *(True, reasons.TRAINING_COMPLETED, "200 steps."),
    ),
    "target reached": (
        [ended(0, phase="Succeeded", exit_code=0, message=word(reasons.TARGET_PSNR_REACHED))],
        *(True, reasons.TARGET_PSNR_REACHED, "why"),
    ),
    "finished without a word": (
        [ended(0, phase="Succeeded", exit_code=0)],
        *(True, reasons.TRAINING_COMPLETED, "finished"),
    ),
    "a failure that nobody can mend": (
        [running(0), ended(1, message=word(reasons.DATASET_INVALID, "no photos"))],
        *(False, reasons.DATASET_INVALID, "no photos"),
    ),
    "success wins over a late failure": (
        [succeeded(0), ended(1, message=word(reasons.NON_FINITE_LOSS))],
        *(True, reasons.TRAINING_COMPLETED, ""),
    ),
    "the budget of all workers is spent": (
        [ended(0, 1, failures=1), ended(1, 4, failures=4, message="boom")],
        *(False, reasons.BACKOFF_LIMIT_EXCEEDED, "failed 7 times"),
    ),
}


def decide(pods: list[Pod], **sections: Any) -> Outcome | None:
    seen, wanted = observed(*pods), spec(**sections)
    return stages.end(wanted, seen, stages.read(job(**sections), wanted, seen))


@pytest.mark.parametrize("name", CASES)
def test_over(name: str) -> None:
    pods, good, reason, words = CASES[name]
    found = decide(pods)
    assert found is not None
    assert (found.succeeded, found.reason) == (good, reason)
    assert words in found.message


GOES_ON: dict[str, list[Pod]] = {
    "nothing yet": [],
    "training": [running(0), running(1)],
    "the budget is not quite spent": [ended(0, 1, failures=1), ended(1, 3, failures=3)],
    "evictions spend nothing": [pod(0, 9, phase="Failed", reason="Evicted")],
    "pods that were told to leave spend nothing": [
        ended(0, 9, message=word(reasons.WORKER_LEFT), deleting=True),
        ended(1, 9, message=word(reasons.WORKER_LEFT), deleting=True),
    ],
    "another worker finished first": [running(0), succeeded(1)],
    "the writer was stopped, and said goodbye": [
        ended(0, phase="Succeeded", exit_code=0, deleting=True)
    ],
    "a broken pod that is being deleted": [
        ended(0, message=word(reasons.DATASET_INVALID), deleting=True)
    ],
    "a worker that is no longer wanted": [ended(7, message=word(reasons.DATASET_INVALID))],
}


@pytest.mark.parametrize("name", GOES_ON)
def test_goes_on(name: str) -> None:
    assert decide(GOES_ON[name]) is None


def test_the_last_failure_is_named() -> None:
    found = decide([ended(1, message="no such device")], runPolicy={"backoffLimit": 0})
    assert found is not None
    assert "demo-worker-1-0: WorkerCrashed: exit code 1: no such device. Mend" in found.message


def test_a_pod_that_left_later_is_not_named_as_the_last_failure() -> None:
    left = ended(0, message=word(reasons.WORKER_LEFT), when=at(5), deleting=True)
    found = decide([left, ended(1, message="no such device")], runPolicy={"backoffLimit": 0})
    assert found is not None
    assert "Workers failed once, more than" in found.message
    assert "demo-worker-1-0: WorkerCrashed" in found.message
