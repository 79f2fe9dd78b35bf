"""Children are made, healed and removed on a real API server."""

import base64
import json
import urllib.error
import urllib.parse

import pytest
from operator_support.apiserver import wait_until
from operator_support.cluster import Namespace, rejection

BOTH = ("demo-worker-0-0", "demo-worker-1-0")


def test_a_job_gets_its_children_and_all_conditions(lab: Namespace) -> None:
    job = lab.job()
    pods = lab.await_pods(*BOTH)
    wait_until("a status", lambda: "conditions" in lab.status(), 10)
    assert {c["type"] for c in lab.status()["conditions"]} == {
        *("Succeeded", "Failed", "PosesReady", "Running", "WorkersReady", "Trained"),
        *("OutputsReady", "Suspended", "Reconciling", "Stalled"),
    }
    children = [*pods.values(), lab.get("services", "demo")]
    children.append(lab.get("persistentvolumeclaims", "demo-checkpoint"))
    for child in children:
        assert child is not None
        owner = child["metadata"]["ownerReferences"][0]
        assert (owner["uid"], owner["controller"]) == (job["metadata"]["uid"], True)
        assert not owner.get("blockOwnerDeletion", False)
        assert child["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "nerf-operator"
        assert "finalizers" not in child["metadata"] or child["kind"] == "PersistentVolumeClaim"
    config = json.loads(pods[BOTH[0]]["metadata"]["annotations"]["nerfops.dev/trainer-config"])
    assert config["training"]["steps"] == 2000


def test_members_of_a_group_share_a_token_that_the_job_owns(lab: Namespace) -> None:
    job = lab.job(workers={"replicas": 2, "min": 1, "max": 4})
    pods = lab.await_pods("demo-coordinator-0", *BOTH)
    volumes = [v for pod in pods.values() for v in pod["spec"]["volumes"] if "secret" in v]
    [name] = {volume["secret"]["secretName"] for volume in volumes}
    assert len(volumes) == len(pods)
    before = lab.get("secrets", name)
    assert before is not None
    assert before["metadata"]["ownerReferences"][0]["uid"] == job["metadata"]["uid"]
    assert len(base64.b64decode(before["data"]["token"])) >= 32
    lab.delete("pods", BOTH[1])
    old = pods[BOTH[1]]["metadata"]["uid"]
    wait_until("another worker 1", lambda: _uids(lab, 1) and old not in _uids(lab, 1), 10)
    after = lab.get("secrets", name)
    assert after is not None and after["data"] == before["data"]


def test_a_deleted_service_and_pod_are_healed(lab: Namespace) -> None:
    lab.job()
    lab.await_pods(*BOTH)
    lab.delete("services", "demo")
    wait_until("the Service", lambda: lab.get("services", "demo"), 10)
    old = lab.pods()[BOTH[1]]["metadata"]["uid"]
    lab.delete("pods", BOTH[1])
    wait_until("another worker 1", lambda: _uids(lab, 1) and old not in _uids(lab, 1), 10)
    assert lab.status().get("restarts", 0) == 0


def test_a_place_whose_pods_are_deleted_at_once_is_not_filled_at_once(lab: Namespace) -> None:
    """As a policy does that likes none of them. What their place has spent is not forgotten."""
    lab.job(workers={"replicas": 1})
    lab.await_pods(BOTH[0])
    lab.end_pod(BOTH[0], 1, "boom")
    for attempt in range(1, 4):
        lab.await_pods(*{BOTH[0], f"demo-worker-0-{attempt}"})
        lab.delete("pods", f"demo-worker-0-{attempt}")
    meta = lab.await_pods(BOTH[0], "demo-worker-0-4")["demo-worker-0-4"]["metadata"]
    assert meta["annotations"]["nerfops.dev/failures-without-progress"] == "4"
    assert meta["labels"]["nerfops.dev/failures"] == "1"


def _uids(lab: Namespace, index: int) -> set[str]:
    label = "nerfops.dev/worker-index"
    pods = lab.pods().values()
    return {p["metadata"]["uid"] for p in pods if p["metadata"]["labels"].get(label) == str(index)}


def test_a_changed_service_is_put_right(lab: Namespace) -> None:
    lab.job()
    lab.await_pods(*BOTH)
    lab.patch("services", "demo", {"spec": {"selector": {"app": "other"}}})

    def healed() -> bool:
        found = lab.get("services", "demo")
        wanted = {"nerfops.dev/job": "demo", "nerfops.dev/coordinator": "true"}
        return bool(found) and wanted.items() <= found["spec"]["selector"].items()

    wait_until("the selector", healed, 10)


def test_an_elastic_job_has_a_coordinator(lab: Namespace) -> None:
    lab.job(workers={"replicas": 2, "min": 1, "max": 4})
    pods = lab.await_pods("demo-coordinator-0", *BOTH)
    labels = pods["demo-coordinator-0"]["metadata"]["labels"]
    assert labels["nerfops.dev/coordinator"] == "true"
    assert "nerfops.dev/coordinator" not in pods[BOTH[0]]["metadata"]["labels"]


def test_scaling_adds_and_removes_the_highest_workers(lab: Namespace) -> None:
    lab.job(workers={"replicas": 2, "min": 1, "max": 4})
    lab.await_pods("demo-coordinator-0", *BOTH)
    lab.patch("nerfjobs", "demo/scale", {"spec": {"replicas": 3}})
    lab.await_pods("demo-coordinator-0", *BOTH, "demo-worker-2-0")
    lab.patch("nerfjobs", "demo/scale", {"spec": {"replicas": 1}})
    lab.await_pods("demo-coordinator-0", BOTH[0])
    assert lab.get("nerfjobs", "demo")["spec"]["workers"]["replicas"] == 1  # type: ignore[index]


def test_scaling_an_elastic_job_down_spares_workers_that_run(lab: Namespace) -> None:
    lab.job(workers={"replicas": 3, "min": 1, "max": 4})
    lab.await_pods("demo-coordinator-0", *BOTH, "demo-worker-2-0")
    for name in (BOTH[0], "demo-worker-2-0"):
        lab.run_pod(name)
    wait_until("two are ready", lambda: lab.status()["workers"]["ready"] == 2, 10)
    lab.patch("nerfjobs", "demo/scale", {"spec": {"replicas": 2}})
    lab.await_pods("demo-coordinator-0", BOTH[0], "demo-worker-2-0")


def test_an_autoscaler_finds_size_and_pods(lab: Namespace) -> None:
    lab.job(workers={"replicas": 2, "min": 1, "max": 4})
    lab.await_pods("demo-coordinator-0", *BOTH)
    wait_until("a status", lambda: lab.status().get("selector"), 10)
    scale = lab.get("nerfjobs", "demo/scale")
    assert scale is not None
    assert (scale["apiVersion"], scale["kind"]) == ("autoscaling/v1", "Scale")
    assert scale["spec"]["replicas"] == scale["status"]["replicas"] == 2
    query = urllib.parse.urlencode({"labelSelector": scale["status"]["selector"]})
    found = lab.server.request("GET", f"{lab.path('pods')}?{query}")["items"]
    assert {pod["metadata"]["name"] for pod in found} == set(BOTH)


@pytest.mark.parametrize("index", [0, 1])
def test_a_pod_that_a_dead_node_keeps_is_replaced_beside_it(lab: Namespace, index: int) -> None:
    lab.job(runPolicy={"backoffLimit": 0})
    lab.await_pods(*BOTH)
    lab.place_pod(BOTH[index], "dead")
    lab.delete("pods", BOTH[index])
    pods = lab.await_pods(*BOTH, f"demo-worker-{index}-1")
    assert "deletionTimestamp" in pods[BOTH[index]]["metadata"]
    lab.await_condition("Failed", "NoFailure", "False")
    assert lab.status().get("restarts", 0) == 0


def test_scaling_out_of_bounds_is_rejected(lab: Namespace) -> None:
    lab.job(workers={"replicas": 2, "min": 1, "max": 3})
    with pytest.raises(urllib.error.HTTPError) as refused:
        lab.patch("nerfjobs", "demo/scale", {"spec": {"replicas": 4}})
    assert "workers.max" in rejection(refused.value)


def test_every_child_goes_with_the_job(lab: Namespace) -> None:
    lab.job()
    lab.await_pods(*BOTH)
    lab.delete("nerfjobs", "demo")
    lab.await_pods(seconds=30)
    wait_until("no Service", lambda: lab.get("services", "demo") is None, 30)
    wait_until("no claim of ours", lambda: _is_going(lab, "demo-checkpoint"), 30)
    assert lab.get("persistentvolumeclaims", "photos") is not None


def _is_going(lab: Namespace, claim: str) -> bool:
    # kube-controller-manager's claim protection, which lets it go, does not run in these tests.
    found = lab.get("persistentvolumeclaims", claim)
    return found is None or "deletionTimestamp" in found["metadata"]


def test_a_job_created_anew_gets_pods_of_its_own(lab: Namespace) -> None:
    first = lab.job()["metadata"]["uid"]
    lab.await_pods(*BOTH)
    lab.delete("nerfjobs", "demo")
    lab.patch("persistentvolumeclaims", "demo-checkpoint", {"metadata": {"finalizers": None}})
    second = lab.job()["metadata"]["uid"]
    assert first != second

    def owners() -> list[str]:
        return [p["metadata"]["ownerReferences"][0]["uid"] for p in lab.list("pods")]

    wait_until("pods of the second job only", lambda: owners() == [second, second], 30)


def test_a_service_of_someone_else_is_left_alone(lab: Namespace) -> None:
    spec = {"selector": {"app": "shop"}, "ports": [{"port": 80}]}
    lab.create("services", {"metadata": {"name": "demo"}, "spec": spec})
    lab.job()
    found = lab.await_condition("Stalled", "NameTaken")
    assert "demo" in found["message"]
    assert lab.pods() == {}
    assert lab.get("services", "demo")["spec"]["selector"] == {"app": "shop"}  # type: ignore[index]
    lab.delete("services", "demo")
    lab.await_pods(*BOTH)
    lab.await_condition("Stalled", "UpToDate", "False")


@pytest.mark.parametrize("name", ["demo", "demo-viewer"])
def test_a_service_without_a_selector_is_not_taken_over(lab: Namespace, name: str) -> None:
    """It leads to what its owner says elsewhere, such as a database: with our selector, to a pod
    whose image the job's owner chose."""
    lab.create("services", {"metadata": {"name": name}, "spec": {"ports": [{"port": 5432}]}})
    before = lab.get("services", name)
    lab.job(viewer={"enabled": True}, checkpoint={"volume": {"claimName": "photos"}})
    if name == "demo":
        lab.await_condition("Stalled", "NameTaken")
    else:
        for pod in lab.await_pods(*BOTH):
            lab.run_pod(pod)
        lab.await_condition("Running", "Training")
    assert lab.get("services", name) == before


def test_a_pod_that_a_policy_refuses_is_told_in_the_status(lab: Namespace) -> None:
    limit = {"type": "Container", "max": {"cpu": "500m"}}
    lab.create("limitranges", {"metadata": {"name": "small"}, "spec": {"limits": [limit]}})
    amounts = {"requests": {"cpu": "2"}, "limits": {"cpu": "2"}}
    lab.job(workers={"replicas": 2, "resources": amounts})
    found = lab.await_condition("Stalled", "Rejected")
    assert "maximum cpu usage per Container is 500m" in found["message"]
    lab.delete("limitranges", "small")
    lab.await_pods(*BOTH)
    lab.await_condition("Stalled", "UpToDate", "False")
