"""What is said of a job's status, in lines and at its end."""

from collections.abc import Iterator
from typing import Any

import pytest

from nerf_cli import telling, watching
from nerf_cli.cluster import Object
from nerf_contract import reasons
from nerf_contract.v1alpha1 import NeRFJobStatus


def condition(type_: str, status: str, reason: str = "Because", message: str = "So.") -> Object:
    time = "2026-01-01T00:00:00Z"
    return {
        **{"type": type_, "status": status, "reason": reason, "message": message},
        **{"lastTransitionTime": time, "observedGeneration": 1},
    }


def job(*conditions: Object, **status: Any) -> Object:
    """A job as the API writes it; that the status is one of our API's is checked."""
    status = {"conditions": list(conditions), **status}
    NeRFJobStatus.model_validate(status)
    return {"metadata": {"name": "scene"}, "spec": {}, "status": status}


PROGRESS = {"step": 185, "totalSteps": 1500, "percent": 12, "raysPerSecond": 15372, "eta": "56s"}
WORKERS = {"wanted": 2, "replicas": 2, "ready": 2, "summary": "2/2"}
STAGE = {"name": "poses", "activity": "matching", "percent": 40, "eta": "1m10s"}


@pytest.mark.parametrize(
    ("given", "want"),
    [
        ({"metadata": {}, "spec": {}}, "Pending    workers 0/?  waiting for the operator"),
        (
            job(phase="Running", progress=PROGRESS, workers=WORKERS),
            "Running    [###...........................]  12 %  step 185/1500  15,372 rays/s  "
            "PSNR -  workers 2/2  ETA 56s",
        ),
        (
            job(phase="Running", progress={**PROGRESS, "psnr": 28.981}, workers=WORKERS),
            "Running    [###...........................]  12 %  step 185/1500  15,372 rays/s  "
            "PSNR 28.98 dB  workers 2/2  ETA 56s",
        ),
        (
            job(phase="Preparing", stage=STAGE),
            "Preparing  [############..................]  40 %  poses: matching  ETA 1m10s",
        ),
        (
            job(condition("WorkersReady", "False", message="Pulling."), workers=WORKERS),
            "Pending    workers 2/2  Pulling.",
        ),
        (
            job(condition("Stalled", "True", "ClaimNotFound"), phase="Pending"),
            "Pending    workers 0/?  stalled: ClaimNotFound",
        ),
    ],
)
def test_a_job_in_a_line(given: Object, want: str) -> None:
    assert telling.line(given) == want


def test_a_newer_operator_may_tell_more() -> None:
    newer = job(phase="Running", progress=PROGRESS)
    newer["status"] |= {"weather": "fine", "phase": "Dreaming"}
    assert telling.line(newer).startswith("Dreaming")


@pytest.mark.parametrize(
    ("found", "bad"),
    [
        (condition("Stalled", "True"), True),
        (condition("Stalled", "False"), False),
        (condition("Failed", "True"), True),
        (condition("Succeeded", "False"), False),
        (condition("PosesReady", "False", reasons.PREPARING), False),
        (condition("PosesReady", "False", reasons.POSES_FAILED), True),
        (condition("OutputsReady", "False", reasons.OUTPUTS_FAILED), True),
        (condition("OutputsReady", "False", reasons.BACKOFF_LIMIT_EXCEEDED), True),
        (condition("OutputsReady", "False", reasons.NOT_WANTED), False),
        (condition("WorkersReady", "False", reasons.PODS_STARTING), False),
    ],
)
def test_trouble_is_told_from_waiting(found: Object, bad: bool) -> None:
    assert telling.is_trouble(found) == bad
    assert (found in telling.troubles(job(found))) == bad


def test_a_failure_is_told_once() -> None:
    given = job(condition("Failed", "True", "DatasetInvalid", "x."), condition("Stalled", "True"))
    assert [c["type"] for c in telling.troubles(given)] == ["Failed"]
    assert telling.end(given) == "Failed (DatasetInvalid): x."


def test_the_dataset_and_photos_without_poses() -> None:
    found = {"format": "photos", "photos": 30, "posed": 25, "unposed": ["a.jpg", "b.jpg"]}
    assert telling.dataset(job(dataset=found)) == (
        "25 of 30 photos are used (format photos); not posed: a.jpg, b.jpg and 3 more"
    )
    assert telling.dataset(job()) == ""


def test_lines_come_for_changes_now_and_then_and_for_trouble_at_once() -> None:
    told: list[str] = []
    stalled = condition("Stalled", "True", "ImagePullFailed", "No image.")
    story = [
        (0, job(phase="Running", progress={**PROGRESS, "step": 1})),
        (2, job(phase="Running", progress={**PROGRESS, "step": 2})),
        (6, job(phase="Running", progress={**PROGRESS, "step": 3})),
        (12, job(phase="Running", progress={**PROGRESS, "step": 3})),
        (13, job(stalled, phase="Running", progress={**PROGRESS, "step": 4})),
        (14, job(stalled, phase="Running", progress={**PROGRESS, "step": 5})),
        (15, job(condition("Succeeded", "True"), phase="Succeeded")),
        (16, job(phase="Failed")),
    ]

    clock = [0.0]

    def versions() -> Iterator[Object]:
        for now, version in story:
            clock[0] = now
            yield version

    last = watching.show_lines(versions(), told.append, lambda: clock[0])
    assert last == story[-2][1]
    shown = [line.split("step ")[1].split("/")[0] if "step " in line else line for line in told]
    assert shown == ["1", "3", "Stalled (ImagePullFailed): No image.", "4"]
