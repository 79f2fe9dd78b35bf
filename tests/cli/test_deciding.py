"""Decisions about jobs and pods: what to run, which pod to read, where a pod must be."""

from typing import Any

import pytest

from nerf_cli import choosing, origin, running, scaling, viewing
from nerf_cli.cluster import Object
from nerf_cli.errors import UserError
from nerf_cli.volume_pod import CONTAINER, Mount, holder, manifest, waiting_for
from nerf_contract import names


def job(end: str | None = None, files: str | None = "of chair", **sections: Any) -> Object:
    found: Object = {
        "metadata": {"name": "scene", "annotations": {origin.ANNOTATION: files} if files else None},
        "spec": {"dataset": {"claimName": "photos"}, **sections},
    }
    if end:
        condition = {"type": end, "status": "True", "reason": "R", "message": "M."}
        found["status"] = {"conditions": [condition]}
    return found


DEFAULTED = job(training={"steps": 2000, "shards": 4}, workers={"gpusPerWorker": 0})


@pytest.mark.parametrize(
    ("existing", "replace", "want"),
    [
        (None, False, "create"),
        (None, True, "create"),
        (DEFAULTED, False, "watch"),
        (DEFAULTED, True, "replace"),
        (job("Failed"), True, "replace"),
    ],
)
def test_what_run_begins_with(existing: Object | None, replace: bool, want: str) -> None:
    assert running.first_step(job(), existing, replace) == want


@pytest.mark.parametrize(
    ("existing", "words"),
    [
        (job("Succeeded"), r"has ended: Succeeded \(R\): M\. Fetch .* --replace"),
        (job("Failed"), "has ended: Failed"),
        (job(training={"steps": 5}), "with other settings"),
        (job(something={"new": 1}), "with other settings"),
        (job(files="of table"), "not made of the files .* another --name"),
        (job(files=None), "not made of the files"),
    ],
)
def test_a_job_that_is_there_is_never_replaced_in_silence(existing: Object, words: str) -> None:
    with pytest.raises(UserError, match=words):
        running.first_step(job(), existing, replace=False)


@pytest.mark.parametrize(
    ("workers", "wanted", "words"),
    [
        ({"replicas": 2, "min": 1, "max": 4}, 5, "may have 1 to 4 workers"),
        ({"replicas": 2, "min": 2, "max": 4}, 1, "may have 2 to 4 workers"),
        ({"replicas": 2, "min": 2}, 1, "may have 2 or more workers"),
        ({"replicas": 2}, 3, "is fixed, at 2"),
        ({}, 2, "is fixed, at 1"),
    ],
)
def test_scaling_has_bounds(workers: Object, wanted: int, words: str) -> None:
    with pytest.raises(UserError, match=words):
        scaling.check(job(workers=workers), wanted)


def test_scaling_within_bounds_and_after_the_end() -> None:
    elastic = {"replicas": 2, "min": 1, "max": 4}
    for wanted in (1, 4):
        scaling.check(job(workers=elastic), wanted)
    scaling.check(job(workers={"replicas": 1, "min": 1}), 3)
    with pytest.raises(UserError, match="has ended"):
        scaling.check(job("Succeeded", workers=elastic), 1)


def test_who_shares_gpus_is_not_scaled_by_hand() -> None:
    shared = job(workers={"min": 1, "max": 4}, scaling={"policy": "Auto"})
    with pytest.raises(UserError, match="from 1 to 4 workers: change"):
        scaling.check(shared, 2)


def test_a_viewer_must_be_asked_for() -> None:
    viewing.check_enabled(job(viewer={"enabled": True}))
    with pytest.raises(UserError, match="kubectl nerf view scene --enable"):
        viewing.check_enabled(job())


def pod(
    name: str, component: str, phase: str, created: int = 0, index: int | None = None
) -> Object:
    labels = {names.LABEL_COMPONENT: component}
    if index is not None:
        labels[names.LABEL_INDEX] = str(index)
    time = f"2026-01-01T00:00:{created:02}Z"
    return {
        "metadata": {"name": name, "labels": labels, "creationTimestamp": time},
        "spec": {},
        "status": {"phase": phase},
    }


POSES = pod("poses", "poses", "Succeeded", 1)
FIRST, SECOND = (pod(f"w{i}", "worker", "Running", 3, i) for i in (0, 1))
REPLACED = pod("w0-new", "worker", "Running", 9, 0)
DEAD = pod("w1-dead", "worker", "Failed", 2, 1)
VIEWER = pod("viewer", "viewer", "Running", 8)
EXPORT = pod("export", "export", "Failed", 20)


@pytest.mark.parametrize(
    ("pods", "stage", "worker", "want"),
    [
        ([POSES, FIRST, SECOND, VIEWER], None, None, "w0"),
        ([POSES, DEAD, SECOND], None, None, "w1"),
        ([POSES, DEAD], None, None, "w1-dead"),
        ([POSES, FIRST, REPLACED], None, None, "w0-new"),
        ([POSES, FIRST, SECOND], None, 1, "w1"),
        ([POSES, FIRST, SECOND], "poses", None, "poses"),
        ([FIRST, VIEWER], "viewer", None, "viewer"),
        ([POSES, DEAD, EXPORT, VIEWER], None, None, "export"),
    ],
)
def test_the_pod_whose_log_is_meant(
    pods: list[Object], stage: choosing.Stage | None, worker: int | None, want: str
) -> None:
    assert choosing.to_read(pods, stage, worker)["metadata"]["name"] == want


def test_no_pod_to_read_is_said_with_those_that_are_there() -> None:
    with pytest.raises(UserError, match=r"No pod of stage export has a log yet.* one: poses, w0"):
        choosing.to_read([FIRST, POSES], "export", None)


def test_the_pod_that_failed_last() -> None:
    assert choosing.failed([POSES, DEAD, EXPORT]) == EXPORT
    assert choosing.failed([POSES, FIRST]) is None


def test_a_volume_that_is_in_use_is_read_on_the_node_that_holds_it() -> None:
    user = pod("w0", "worker", "Running")
    user["spec"] = {
        "nodeName": "node2",
        "volumes": [{"name": "x"}, {"persistentVolumeClaim": {"claimName": "results"}}],
    }
    ended = {**user, "spec": {**user["spec"], "nodeName": "old"}, "status": {"phase": "Failed"}}
    assert holder([ended, user], "results") == "node2"
    assert holder([ended], "results") is None
    body = manifest("reader", Mount("results", "image", read_only=True, node="node2"))
    [term] = body["spec"]["affinity"]["nodeAffinity"][
        "requiredDuringSchedulingIgnoredDuringExecution"
    ]["nodeSelectorTerms"]
    assert term["matchFields"][0]["values"] == ["node2"]


def test_a_pod_that_writes_photos_stays_with_others_of_the_dataset() -> None:
    body = manifest("copy", Mount("photos", "image", together=True))
    assert body["metadata"]["labels"][names.LABEL_DATASET_CLAIM] == "photos"
    [term] = body["spec"]["affinity"]["podAffinity"][
        "requiredDuringSchedulingIgnoredDuringExecution"
    ]
    assert term["labelSelector"]["matchLabels"] == {names.LABEL_DATASET_CLAIM: "photos"}
    assert body["spec"]["activeDeadlineSeconds"] > 0


@pytest.mark.parametrize(
    ("status", "want"),
    [
        ({}, "its volume is not mounted"),
        ({"phase": "Failed", "reason": "DeadlineExceeded"}, "it ended: DeadlineExceeded"),
        (
            {"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/2 nodes"}]},
            "no node takes it: 0/2 nodes",
        ),
        (
            {
                "containerStatuses": [
                    {
                        "name": CONTAINER,
                        "state": {"waiting": {"reason": "ErrImagePull", "message": "no such"}},
                    }
                ]
            },
            "ErrImagePull: no such",
        ),
    ],
)
def test_why_a_pod_is_waited_for(status: Object, want: str) -> None:
    assert waiting_for({"status": status, "spec": {}}).startswith(want)
