"""Suspending, ending and clearing away jobs, on a real API server."""

import json

import pytest
from operator_support.apiserver import wait_until
from operator_support.cluster import Namespace, Object
from operator_support.process import Operator

BOTH = ("demo-worker-0-0", "demo-worker-1-0")
DONE = json.dumps({"reason": "TrainingCompleted", "message": "Trained 200 steps."})
BAD = json.dumps({"reason": "DatasetInvalid", "message": "no photos"})


def run(lab: Namespace, **sections: object) -> None:
    """A job whose workers are ready; nobody answers at their address."""
    lab.job(**sections)
    lab.await_pods(*BOTH)
    for name in BOTH:
        lab.run_pod(name, "127.77.9.9")
    lab.await_condition("WorkersReady", "AllReady")


def finish(lab: Namespace, *pods: str) -> None:
    for name in pods:
        lab.end_pod(name, 0, DONE)


def set_policy(lab: Namespace, **policy: object) -> None:
    lab.patch("nerfjobs", "demo", {"spec": {"runPolicy": policy}})


def test_a_suspended_job_keeps_its_volumes_and_goes_on_later(lab: Namespace) -> None:
    run(lab)
    start = lab.status()["startTime"]
    set_policy(lab, suspend=True)
    lab.await_pods()
    lab.await_condition("Suspended", "JobSuspended")
    lab.await_condition("Reconciling", "UpToDate", "False")
    assert lab.status()["phase"] == "Suspended"
    assert "since" not in lab.status()["active"]
    for kind, name in (("services", "demo"), ("persistentvolumeclaims", "demo-checkpoint")):
        assert lab.get(kind, name) is not None
    set_policy(lab, suspend=False)
    lab.await_pods(*BOTH)
    lab.await_condition("Suspended", "Resumed", "False")
    assert lab.status()["startTime"] == start
    wait_until("the events", lambda: {"Suspended", "Resumed"} <= set(lab.events()), 10)


def test_a_job_that_is_created_suspended_makes_nothing(lab: Namespace) -> None:
    lab.job(runPolicy={"suspend": True})
    lab.await_condition("Suspended", "JobSuspended")
    assert (lab.pods(), lab.get("services", "demo")) == ({}, None)
    assert len(lab.status()["conditions"]) == 10
    generation = lab.get("nerfjobs", "demo")["metadata"]["generation"]  # type: ignore[index]
    assert {c["observedGeneration"] for c in lab.status()["conditions"]} == {generation}
    set_policy(lab, suspend=False)
    lab.await_pods(*BOTH)


def test_a_deadline_ends_the_job(lab: Namespace) -> None:
    run(lab, runPolicy={"activeDeadlineSeconds": 3600})
    set_policy(lab, activeDeadlineSeconds=1)
    found = lab.await_condition("Failed", "DeadlineExceeded")
    assert "activeDeadlineSeconds" in found["message"]
    lab.await_pods()


def test_a_finished_job_goes_with_its_children_but_not_with_the_users_volume(
    lab: Namespace, operator: Operator
) -> None:
    run(lab, runPolicy={"ttlSecondsAfterFinished": 3})
    finish(lab, *BOTH)
    lab.await_condition("Succeeded", "TrainingCompleted")
    operator.kill()
    operator.start()  # What the one before had in mind, this one finds in the status.
    wait_until("the job is gone", lambda: lab.get("nerfjobs", "demo") is None, 20)
    lab.await_pods(seconds=60)
    assert lab.get("persistentvolumeclaims", "photos") is not None


#: cleanPodPolicy -> what is left of a job whose second worker fails for good
LEFT = {"None": BOTH, "Running": BOTH[1:], "All": ()}


@pytest.mark.parametrize("policy", LEFT)
def test_pods_are_cleaned_up_as_asked_for(lab: Namespace, policy: str) -> None:
    run(lab, runPolicy={"cleanPodPolicy": policy})
    lab.end_pod(BOTH[1], 65, BAD)
    lab.await_condition("Failed", "DatasetInvalid")
    lab.await_pods(*LEFT[policy])


@pytest.mark.parametrize("asked", ["from the first", "while it runs", "after its failure"])
def test_a_claim_that_is_retained_outlives_its_job(lab: Namespace, asked: str) -> None:
    retained = {"volume": {"retentionPolicy": "Retain"}}
    run(lab, **({"checkpoint": retained} if asked == "from the first" else {}))
    if asked == "after its failure":
        lab.end_pod(BOTH[0], 65, BAD)
        lab.await_condition("Failed", "DatasetInvalid")
    if asked != "from the first":
        assert _owners(lab)
        lab.patch("nerfjobs", "demo", {"spec": {"checkpoint": retained}})
    wait_until("nobody owns the claim", lambda: not _owners(lab), 10)
    lab.delete("nerfjobs", "demo")
    lab.await_pods(seconds=60)
    claim = lab.get("persistentvolumeclaims", "demo-checkpoint")
    assert claim is not None and "deletionTimestamp" not in claim["metadata"]
    lab.job()
    lab.await_pods(*BOTH)
    assert not _owners(lab)


@pytest.mark.parametrize("ttl", [None, 0])
def test_a_claim_that_its_user_has_enlarged_is_let_go_of(lab: Namespace, ttl: int | None) -> None:
    """As the runbook of a full volume says; its size is no longer what the spec asks for."""
    kind = {"metadata": {"name": lab.name}, "provisioner": "none", "allowVolumeExpansion": True}
    lab.server.request("POST", "/apis/storage.k8s.io/v1/storageclasses", kind)
    run(lab, checkpoint={"volume": {"storageClassName": lab.name}})
    bound = {"phase": "Bound", "capacity": {"storage": "1Gi"}}
    lab.patch("persistentvolumeclaims", "demo-checkpoint/status", {"status": bound})
    larger = {"resources": {"requests": {"storage": "77Gi"}}}
    lab.patch("persistentvolumeclaims", "demo-checkpoint", {"spec": larger})
    retained: Object = {"checkpoint": {"volume": {"retentionPolicy": "Retain"}}}
    if ttl is not None:
        finish(lab, *BOTH)
        lab.await_condition("Succeeded", "TrainingCompleted")
        retained["runPolicy"] = {"ttlSecondsAfterFinished": ttl}
    lab.patch("nerfjobs", "demo", {"spec": retained})
    wait_until("nobody owns the claim", lambda: not _owners(lab), 10)
    if ttl is None:
        assert lab.condition("WorkersReady")["reason"] == "AllReady"
    else:
        wait_until("the job is gone", lambda: lab.get("nerfjobs", "demo") is None, 20)
    claim = lab.get("persistentvolumeclaims", "demo-checkpoint")
    assert claim is not None and claim["spec"]["resources"]["requests"]["storage"] == "77Gi"


def _owners(lab: Namespace) -> list[Object]:
    claim = lab.get("persistentvolumeclaims", "demo-checkpoint")
    assert claim is not None
    found: list[Object] = claim["metadata"].get("ownerReferences", [])
    return found


#: reason of the condition DisruptionTarget -> what the event calls it
DISRUPTIONS = {
    "PreemptionByScheduler": "Preempted",
    "EvictionByEvictionAPI": "Evicted",
    "DeletionByTaintManager": "NodeLost",
}


@pytest.mark.parametrize("cause", DISRUPTIONS)
def test_what_the_cluster_does_to_a_pod_spends_no_budget(lab: Namespace, cause: str) -> None:
    run(lab, runPolicy={"backoffLimit": 0})
    target = {"type": "DisruptionTarget", "status": "True", "reason": cause}
    status = {"phase": "Failed", "conditions": [target]}
    lab.patch("pods", f"{BOTH[1]}/status", {"status": status})
    lab.await_pods(*BOTH, "demo-worker-1-1")
    lab.await_condition("Failed", "NoFailure", "False")
    assert lab.status().get("restarts", 0) == 0
    wait_until("the event", lambda: "WorkerReplaced" in lab.events(), 10)
    assert DISRUPTIONS[cause] in lab.events()["WorkerReplaced"]


def test_an_image_without_the_trainer_is_not_tried_again(lab: Namespace) -> None:
    run(lab)
    lab.end_pod(BOTH[0], 127, "torchrun: not found")
    found = lab.await_condition("Failed", "ImageUnusable")
    assert "spec.image" in found["message"]


def test_an_error_of_cuda_is_counted_and_tried_again_on_another_node(lab: Namespace) -> None:
    run(lab)
    lab.place_pod(BOTH[1], "bad-node")
    crash = {"reason": "WorkerCrashed", "message": "RuntimeError: CUDA error: unspecified"}
    lab.end_pod(BOTH[1], 1, json.dumps(crash))
    again = lab.await_pods(*BOTH, "demo-worker-1-1")["demo-worker-1-1"]
    affinity = again["spec"]["affinity"]["nodeAffinity"]
    [wish] = affinity["preferredDuringSchedulingIgnoredDuringExecution"]
    [field] = wish["preference"]["matchFields"]
    assert field == {"key": "metadata.name", "operator": "NotIn", "values": ["bad-node"]}
    wait_until("it is counted", lambda: lab.status().get("restarts") == 1, 10)
    wait_until("the event", lambda: "WorkerReplaced" in lab.events(), 10)
    told = lab.events()["WorkerReplaced"]
    assert "CudaError" in told and "Other nodes are preferred to bad-node." in told
