"""GPUs that are shared: sizes follow the jobs that come and go, and nobody else sets them."""

import json
import urllib.error
from collections.abc import Iterator
from typing import Any

import pytest
from operator_support.apiserver import ApiServer, wait_until
from operator_support.cluster import MERGE, Namespace, rejection
from operator_support.process import Operator

AUTO: dict[str, Any] = {"scaling": {"policy": "Auto"}, "workers": {"min": 1, "gpusPerWorker": 1}}
DONE = json.dumps({"reason": "TrainingCompleted", "message": "Trained."})
NODES = "/api/v1/nodes"


def make_node(server: ApiServer, name: str, gpus: int) -> None:
    """A node that is ready, with so many GPUs."""
    server.request("POST", NODES, {"metadata": {"name": name}})
    status = {
        "allocatable": {"nvidia.com/gpu": str(gpus)},
        "capacity": {"nvidia.com/gpu": str(gpus)},
        "conditions": [{"type": "Ready", "status": "True", "reason": "r", "message": "m"}],
    }
    server.request("PATCH", f"{NODES}/{name}/status", {"status": status}, MERGE)


@pytest.fixture
def gpus(lab: Namespace) -> Iterator[ApiServer]:
    """Two nodes of two GPUs each; the jobs that share them are gone afterwards."""
    server = lab.server
    for name in ("one", "two"):
        make_node(server, f"{lab.name}-{name}", 2)
    yield server
    for job in lab.list("nerfjobs"):
        lab.delete("nerfjobs", job["metadata"]["name"])
    for node in server.request("GET", NODES)["items"]:
        server.request("DELETE", f"{NODES}/{node['metadata']['name']}")


def make(lab: Namespace, name: str, most: int, steps: int, fewest: int = 1) -> None:
    """An Auto job of so many steps."""
    workers = {"min": fewest, "max": most, "gpusPerWorker": 1}
    training = {"steps": steps, "shards": 8}
    lab.job(name, scaling={"policy": "Auto"}, workers=workers, training=training)


def size(lab: Namespace, name: str) -> int | None:
    """Of the job, as its status tells."""
    found = lab.status(name).get("allocation")
    return found["workers"] if found else None


def await_size(lab: Namespace, name: str, wanted: int, seconds: float = 40) -> None:
    """Until the job has so many workers, and their pods."""

    def there() -> bool:
        pods = [pod for pod in lab.pods() if pod.startswith(f"{name}-worker-")]
        return size(lab, name) == wanted and len(pods) == wanted

    try:
        wait_until(f"{name} has {wanted} workers", there, seconds)
    except TimeoutError as error:
        raise AssertionError(f"{error}: {lab.status(name).get('allocation')}") from None


def told(lab: Namespace, name: str) -> list[str]:
    """Reasons of the events about a job."""
    events = lab.list("events")
    return [e["reason"] for e in events if e["involvedObject"]["name"] == name]


def test_what_others_hold_is_not_shared(lab: Namespace, gpus: ApiServer) -> None:
    """A pod of someone else, and a job of fixed size."""
    limits = {"limits": {"nvidia.com/gpu": "2"}}
    container = {"name": "c", "image": "i", "resources": limits}
    lab.create("pods", {"metadata": {"name": "other"}, "spec": {"containers": [container]}})
    lab.place_pod("other", f"{lab.name}-one")
    lab.job("fixed", workers={"replicas": 1, "gpusPerWorker": 1})
    wait_until("its pod", lambda: "fixed-worker-0-0" in lab.pods(), 10)
    lab.place_pod("fixed-worker-0-0", f"{lab.name}-two")
    make(lab, "shared", most=4, steps=9000)
    await_size(lab, "shared", 1)


def test_three_jobs_share_four_gpus(lab: Namespace, gpus: ApiServer, operator: Operator) -> None:
    make(lab, "long", most=4, steps=9000)
    await_size(lab, "long", 4)
    make(lab, "short", most=2, steps=3000)
    await_size(lab, "short", 2)
    await_size(lab, "long", 2)
    make(lab, "late", most=1, steps=1000)
    await_size(lab, "late", 1)
    sizes = {name: size(lab, name) for name in ("long", "short", "late")}
    assert sum(count or 0 for count in sizes.values()) <= 4
    assert all(sizes.values()), sizes
    for name in [pod for pod in lab.pods() if pod.startswith("late-worker")]:
        lab.end_pod(name, 0, DONE)
    lab.await_condition("Succeeded", "TrainingCompleted", name="late")
    lab.delete("nerfjobs", "short")
    await_size(lab, "long", 4)
    assert lab.status("late")["allocation"]["reason"] == "NotTraining"
    wait_until("the diary", lambda: told(lab, "long").count("Shrunk") >= 1, 10)
    assert {"Admitted", "Shrunk", "Grown"} <= set(told(lab, "long"))
    assert "Admitted" in told(lab, "late")
    for line in ('gpus{state="total"} 4.0', 'changes_total{reason="Admitted"}'):
        assert f"nerf_operator_allocation_{line}" in operator.ask("/metrics")


def test_a_job_that_does_not_fit_waits_without_pods(lab: Namespace, gpus: ApiServer) -> None:
    make(lab, "first", most=3, steps=9000, fewest=3)
    await_size(lab, "first", 3)
    make(lab, "second", most=2, steps=9000, fewest=2)
    found = lab.await_condition("Running", "WaitingForGPUs", "False", name="second")
    assert found["message"] == "Waiting for 2 workers of 1 GPU."
    assert [pod for pod in lab.pods() if pod.startswith("second")] == []
    make(lab, "huge", most=5, steps=9000, fewest=5)
    lab.await_condition("Stalled", "ExceedsCapacity", name="huge")
    lab.patch("nerfjobs", "first", {"spec": {"runPolicy": {"suspend": True}}})
    await_size(lab, "second", 2)
    assert size(lab, "first") == 0


def test_a_restart_of_the_operator_is_invisible(
    lab: Namespace, gpus: ApiServer, operator: Operator
) -> None:
    make(lab, "calm", most=3, steps=9000)
    await_size(lab, "calm", 3)
    before = {name: pod["metadata"]["uid"] for name, pod in lab.pods().items()}
    lab.await_condition("Running", "PodsPending", "False", name="calm")
    allocated = lab.status("calm")["allocation"]
    operator.kill()
    operator.start()
    passes = operator.passes()
    lab.patch("nerfjobs", "calm", {"metadata": {"labels": {"seen": "yes"}}})
    wait_until("a pass", lambda: operator.passes() > passes, 20)
    assert {name: pod["metadata"]["uid"] for name, pod in lab.pods().items()} == before
    assert lab.status("calm")["allocation"]["since"] == allocated["since"]


#: what -> (sections, words of the answer)
WRONG: dict[str, tuple[dict[str, Any], list[str]]] = {
    "replicas": (
        {"scaling": {"policy": "Auto"}, "workers": AUTO["workers"] | {"replicas": 2, "max": 2}},
        ["workers.replicas must be absent", "workers.min to workers.max"],
    ),
    "no max": (AUTO, ["needs workers.min and workers.max"]),
    "no GPUs": (
        {"scaling": {"policy": "Auto"}, "workers": {"min": 1, "max": 2}},
        ["set workers.gpusPerWorker to 1 or more"],
    ),
    "policy": ({"scaling": {"policy": "Greedy"}}, ["spec.scaling.policy", "Auto"]),
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_scaling_is_rejected_with_what_to_do(bare: Namespace, what: str) -> None:
    sections, words = WRONG[what]
    with pytest.raises(urllib.error.HTTPError) as refused:
        bare.job(**sections)
    message = rejection(refused.value)
    assert [word for word in words if word not in message] == [], message


def test_such_a_job_cannot_be_scaled_by_hand(bare: Namespace) -> None:
    bare.job(scaling={"policy": "Auto"}, workers={"min": 1, "max": 4, "gpusPerWorker": 1})
    with pytest.raises(urllib.error.HTTPError) as refused:
        bare.patch("nerfjobs", "demo/scale", {"spec": {"replicas": 2}})
    message = rejection(refused.value)
    for word in ("cannot be scaled by hand", "Change workers.max", "scaling.policy to Fixed"):
        assert word in message
    bare.patch("nerfjobs", "demo", {"spec": {"workers": {"max": 3}}})
    bare.delete("nerfjobs", "demo")


def test_a_job_without_replicas_can_be_scaled(bare: Namespace) -> None:
    bare.job(workers={"min": 1, "max": 4})
    bare.patch("nerfjobs", "demo/scale", {"spec": {"replicas": 2}})
    assert bare.get("nerfjobs", "demo")["spec"]["workers"]["replicas"] == 2  # type: ignore[index]


def test_the_policy_changes_only_while_there_are_no_pods(bare: Namespace) -> None:
    bare.job(workers={"min": 1, "max": 4, "gpusPerWorker": 1})
    with pytest.raises(urllib.error.HTTPError) as refused:
        bare.patch("nerfjobs", "demo", {"spec": {"scaling": {"policy": "Auto"}}})
    assert "scaling.policy can be changed only" in rejection(refused.value)
    bare.patch("nerfjobs", "demo", {"spec": {"runPolicy": {"suspend": True}}})
    bare.patch("nerfjobs", "demo", {"spec": {"scaling": {"policy": "Auto"}}})
    bare.delete("nerfjobs", "demo")
