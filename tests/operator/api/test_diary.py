"""The events of a job's life, read from the first to the last, are a diary."""

import json
from typing import Any

from operator_support.apiserver import wait_until
from operator_support.cluster import Namespace

from nerf_contract import reasons

POSES, WORKER, EXPORT = "demo-poses-0", "demo-worker-0-0", "demo-export-0"
FOUND = {"format": "photos", "photos": 20, "posed": 19, "poses": "0123456789abcdef"}


#: Beginnings of the entries.
STORY = (
    "ImagePullFailed: The image 'localhost/nerf-trainer:cpu' cannot be pulled (not found). Check",
    "StageRestarted: The poses stage starts again: demo-poses-0 ended with WorkerCrashed: no room.",
    "Recovered: What the job waited for has been done.",
    "PosesFound: 19 of 20.",
    "TrainingStarted: 1 of 1 workers is training.",
    "WorkerReplaced: Worker 0 gets attempt 1: demo-worker-0-0 ended with OutOfMemory: the kernel",
    "TrainingInterrupted: Worker 0 starts again: demo-worker-0-0 ended with OutOfMemory: the ",
    "TrainingStarted: 1 of 1 workers is training.",
    "Suspended: The job is suspended: its pods are removed.",
    "Resumed: The job is no longer suspended.",
    "Trained: Trained 200 steps.",
    "OutputsMade: Made mesh.ply.",
    "Succeeded: Trained 200 steps. Made mesh.ply.",
)


def word(reason: str, message: str, **more: Any) -> str:
    return json.dumps({"reason": reason, "message": message} | more)


def diary(lab: Namespace) -> list[str]:
    """Reasons and messages as `kubectl describe` has them: by the second, then by name."""
    events = sorted(lab.list("events"), key=lambda event: event["lastTimestamp"])
    return [f"{event['reason']}: {event['message']}" for event in events]


def until(lab: Namespace, begin: str) -> None:
    """Wait for the event, so that the next one is told after it."""
    wait_until(begin, lambda: any(line.startswith(begin) for line in diary(lab)), 10)


def test_a_life_with_setbacks(lab: Namespace) -> None:
    dataset = {"claimName": "photos", "format": "photos"}
    lab.job(dataset=dataset, workers={"replicas": 1}, outputs={"mesh": {}})
    lab.await_pods(POSES)
    lab.hold_pod(POSES, "ErrImagePull", "trainer:cpu: not found")
    until(lab, "ImagePullFailed")
    lab.end_pod(POSES, 1, word(reasons.CRASHED, "no room"))
    until(lab, "StageRestarted")
    lab.end_pod("demo-poses-1", 0, word(reasons.POSES_FOUND, "19 of 20.", dataset=FOUND))
    wait_until("a worker", lambda: WORKER in lab.pods(), 10)
    lab.run_pod(WORKER, "127.77.9.9")
    until(lab, "TrainingStarted")
    lab.end_pod(WORKER, 137, reason="OOMKilled")
    until(lab, "TrainingInterrupted")
    lab.run_pod("demo-worker-0-1", "127.77.9.9")
    lab.await_condition("Running", reasons.TRAINING)
    lab.patch("nerfjobs", "demo", {"spec": {"runPolicy": {"suspend": True}}})
    until(lab, "Suspended")
    lab.await_pods("demo-poses-1")
    lab.patch("nerfjobs", "demo", {"spec": {"runPolicy": {"suspend": False}}})
    until(lab, "Resumed")
    lab.await_pods("demo-poses-1", WORKER)
    lab.end_pod(WORKER, 0, word(reasons.TRAINING_COMPLETED, "Trained 200 steps."))
    until(lab, "Trained")
    lab.end_pod(EXPORT, 0, word(reasons.OUTPUTS_MADE, "Made mesh.ply.", outputs=["mesh.ply"]))
    wait_until("the whole diary", lambda: len(diary(lab)) >= len(STORY), 10)
    lines = diary(lab)
    assert [(a, b) for a, b in zip(lines, STORY, strict=True) if not a.startswith(b)] == []
