"""Classes of failure: by termination message, kernel, cluster or mere exit code."""

import pytest
from operator_support.builders import ended, pod, word

from nerf_contract import reasons
from nerf_operator.core.failure import classify, told
from nerf_operator.core.observed import Pod

TRACEBACK = "Traceback (most recent call last):\n  File 'x.py', line 1\nKeyError: 'frames'\n"

#: name -> (pod, reason, retryable, counts, words of the message)
CASES: dict[str, tuple[Pod, str, bool, bool, str]] = {
    "data": (
        ended(message=word(reasons.DATASET_INVALID, "demo/a.jpg is missing")),
        *(reasons.DATASET_INVALID, False, True, "demo/a.jpg is missing"),
    ),
    "cuda": (
        ended(message=word(reasons.CUDA_UNAVAILABLE, "torch 2.6, no driver")),
        *(reasons.CUDA_UNAVAILABLE, False, True, "no driver"),
    ),
    "cuda, where the job has trained before": (
        ended(message=word(reasons.CUDA_UNAVAILABLE, "torch 2.6, no driver"), first_step=40),
        *(reasons.CUDA_ERROR, True, True, "no driver"),
    ),
    "cuda, before the first step": (
        ended(message=word(reasons.CUDA_UNAVAILABLE, "torch 2.6, no driver"), first_step=0),
        *(reasons.CUDA_UNAVAILABLE, False, True, "no driver"),
    ),
    "checkpoint volume": (
        ended(message=word(reasons.CHECKPOINT_VOLUME, "no space left")),
        *(reasons.CHECKPOINT_VOLUME, True, True, "no space left"),
    ),
    "killed by the kernel": (
        ended(exit_code=137, reason="OOMKilled"),
        *(reasons.OUT_OF_MEMORY, True, True, "limits.memory"),
    ),
    "killed after its last word": (
        ended(exit_code=137, reason="OOMKilled", message=word(reasons.CRASHED)),
        *(reasons.OUT_OF_MEMORY, True, True, "limits.memory"),
    ),
    "a crash, last line only": (
        ended(exit_code=1, message=TRACEBACK),
        *(reasons.CRASHED, True, True, "exit code 1: KeyError: 'frames'"),
    ),
    "killed without a word": (
        ended(exit_code=137, reason="Error"),
        *(reasons.CRASHED, True, True, "exit code 137"),
    ),
    "a reason that nobody knows": (
        ended(exit_code=3, message=word("Whatever")),
        *(reasons.CRASHED, True, True, "exit code 3"),
    ),
    "told to end, though its pod was not": (
        ended(message=word(reasons.WORKER_LEFT, "left after step 12")),
        *(reasons.CRASHED, True, True, "killed without a word"),
    ),
    "evicted": (
        pod(phase="Failed", reason="Evicted", message="low on memory"),
        *(reasons.EVICTED, True, False, "low on memory"),
    ),
    "evicted for what it wrote itself": (
        pod(
            phase="Failed",
            reason="Evicted",
            message='Usage of EmptyDir volume "shm" exceeds the limit "1Gi". ',
        ),
        *(reasons.STORAGE_EXCEEDED, True, True, "shm"),
    ),
    "preempted": (
        ended(exit_code=143, disruption="PreemptionByScheduler"),
        *(reasons.PREEMPTED, True, False, "higher priority"),
    ),
    "drained": (
        ended(exit_code=143, disruption="EvictionByEvictionAPI"),
        *(reasons.EVICTED, True, False, "put the pod out"),
    ),
    "its node is gone": (
        ended(exit_code=137, disruption="DeletionByTaintManager"),
        *(reasons.NODE_LOST, True, False, "lost"),
    ),
    "its node was rebooted": (
        ended(exit_code=137, reason="ContainerStatusUnknown"),
        *(reasons.NODE_LOST, True, False, "lost"),
    ),
    "its node was shut down": (
        pod(phase="Failed", reason="Terminated", message="Pod was terminated for node shutdown."),
        *(reasons.NODE_LOST, True, False, "shutdown"),
    ),
    "ended by the cluster for whatever reason": (
        ended(exit_code=137, disruption="SomethingNew"),
        *(reasons.DISRUPTED, True, False, "cluster"),
    ),
    "an error of CUDA in the last word": (
        ended(message=word(reasons.CRASHED, "RuntimeError: CUDA error: an illegal memory access")),
        *(reasons.CUDA_ERROR, True, True, "illegal memory access"),
    ),
    "an error of NCCL without a last word": (
        ended(message="x\nDistBackendError: NCCL error in: c10d.cpp, ncclSystemError\n"),
        *(reasons.CUDA_ERROR, True, True, "NCCL"),
    ),
    "a stage, by its exit code": (
        ended(exit_code=65, message="no transforms.json"),
        *(reasons.DATASET_INVALID, False, True, "no transforms.json"),
    ),
    "no such program": (
        ended(exit_code=127, message="torchrun: not found"),
        *(reasons.IMAGE_UNUSABLE, False, True, "spec.image"),
    ),
    "an image of something else": (
        ended(
            exit_code=128,
            reason="StartError",
            message='exec: "torchrun": executable file not found in $PATH: unknown',
        ),
        *(reasons.IMAGE_UNUSABLE, False, True, "spec.image"),
    ),
    "a node whose driver does not work": (
        ended(exit_code=128, reason="StartError", message="nvidia-container-cli: driver error"),
        *(reasons.CONTAINER_NOT_STARTED, True, True, "nvidia-container-cli"),
    ),
    "refused by its node": (
        pod(phase="Failed", reason="OutOfnvidia.com/gpu", message="no GPU left"),
        *("Disrupted", True, False, "no GPU left"),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_verdict(name: str) -> None:
    failed, reason, retryable, counts, words = CASES[name]
    verdict = classify(failed)
    assert (verdict.reason, verdict.retryable, verdict.counts) == (reason, retryable, counts)
    assert words in verdict.message
    assert "Traceback" not in verdict.message


def test_every_class_has_a_way_to_fail() -> None:
    table = [*reasons.FAILURES.values(), *reasons.FOUND_FAILURES.values()]
    assert {failure.kind for failure in table} == set(reasons.FailureClass)
    users = [f for f in table if f.kind in ("UserError", "DataError")]
    assert not any(failure.retryable for failure in users)


@pytest.mark.parametrize("reason", sorted(reasons.FAILURES.keys() - {reasons.WORKER_LEFT}))
def test_every_way_to_fail_of_the_contract_is_understood(reason: str) -> None:
    verdict = classify(ended(message=word(reason)))
    assert (verdict.reason, verdict.retryable) == (reason, reasons.FAILURES[reason].retryable)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"reason": 1}', "\x00\xff", "x" * 9000])
def test_nonsense_is_no_last_word(text: str) -> None:
    failed = ended(message=text)
    assert told(failed) is None
    assert len(classify(failed).message) < 1100
