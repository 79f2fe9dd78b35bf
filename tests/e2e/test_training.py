"""A NeRFJob trains to the end on a real cluster, whatever happens to its pods."""

import json
import signal
import time

import pytest
from e2e_support import processes
from e2e_support.kube import Job, Namespace, kubectl, wait_for
from e2e_support.manifests import nerf_job

pytestmark = pytest.mark.cluster

# More steps than any machine does before the test is over.
ENDLESS = {"steps": 1_000_000, "evalEvery": 1_000_000}
OPERATOR = ("-n", "nerf-system", "deployment/nerf-nerf-operator")


def test_job_becomes_a_scene_and_tells_about_it(shared: Namespace) -> None:
    shared.apply(nerf_job("plain", workers={"gpusPerWorker": 1}))
    job = shared.job("plain")
    job.wait_condition("Succeeded", deadline_s=150)
    status = job.status()
    assert status["phase"] == "Succeeded"
    assert status["progress"]["step"] == status["progress"]["totalSteps"] == 200
    # The mean colour as a guess scores below 9 dB on this scene.
    assert status["progress"]["psnr"] > 14
    assert "@sha256:" in status["image"]
    images = {p["spec"]["containers"][0]["image"] for p in job.pods()}
    assert images <= {status["image"], "localhost/nerf-trainer:cpu"}
    assert job.condition("Failed")["status"] == "False"
    assert job.condition("Reconciling")["status"] == "False"
    columns = shared.run("get", "nj", "plain").splitlines()
    assert columns[0].split()[:7] == ["NAME", "PHASE", "STEP", "%", "PSNR", "RAYS/S", "WORKERS"]
    story = shared.events("plain")
    assert any(line.startswith("Succeeded") for line in story), story
    job.delete()


def test_training_survives_the_loss_of_processes_pods_and_service(shared: Namespace) -> None:
    shared.apply(nerf_job("faults", training=ENDLESS))
    job = shared.job("faults")
    job.wait_step(50)
    processes.send(job, 1, signal.SIGKILL, newest=True)
    _goes_on(job)
    for index in (1, 0):
        job.replace_pod(index)
        _goes_on(job)
    shared.run("delete", "service", "faults")
    wait_for("the Service healed", lambda: shared.get("service", "faults"), 10)
    _goes_on(job)
    assert job.condition("Failed")["status"] == "False"
    assert job.status().get("restarts", 0) == 0, "lost pods must not spend the back-off budget"
    job.delete()


def test_no_pod_restarts_while_the_operator_does(shared: Namespace) -> None:
    """Nor while the API server is away: a row of the fault matrix."""
    shared.apply(nerf_job("calm", training=ENDLESS))
    job = shared.job("calm")
    job.wait_step(50)
    before = job.identities()
    kubectl("rollout", "restart", *OPERATOR)
    kubectl("rollout", "status", *OPERATOR, "--timeout=60s")
    _goes_on(job)
    assert job.identities() == before
    job.delete()


def test_workers_on_two_nodes_with_a_checkpoint_volume_for_one(shared: Namespace) -> None:
    # More than half of a node's CPUs each, so that no node takes both.
    cpus = _node_cpus()
    request = {"requests": {"cpu": f"{cpus * 1000 // 2 + 100}m"}}
    claim = {"size": "256Mi", "storageClassName": "standard"}
    shared.apply(
        nerf_job("apart", workers={"resources": request}, checkpoint={"volume": claim}),
    )
    job = shared.job("apart")
    job.wait_step(10)
    nodes = {pod["spec"]["nodeName"] for pod in job.workers().values()}
    assert len(nodes) == 2, nodes
    job.wait_condition("Succeeded", deadline_s=150)
    job.delete()


def test_every_child_goes_with_the_job_at_any_moment(shared: Namespace) -> None:
    delays = {"gone-0": 0.0, "gone-1": 0.5, "gone-2": 2.0, "gone-3": 6.0}
    for name, delay in delays.items():
        shared.apply(nerf_job(name))
        time.sleep(delay)  # The moment of the deletion is what is varied here.
        shared.run("delete", "nerfjob", name, "--wait=false")
    for name in delays:
        shared.job(name).wait_gone(deadline_s=60)


def test_delete_needs_no_operator(shared: Namespace) -> None:
    shared.apply(nerf_job("alone"))
    wait_for("pods", shared.job("alone").pods, 30)
    kubectl("scale", *OPERATOR, "--replicas=0")
    try:
        shared.job("alone").delete(deadline_s=60)
    finally:
        kubectl("scale", *OPERATOR, "--replicas=1")
        kubectl("rollout", "status", *OPERATOR, "--timeout=60s")


def _goes_on(job: Job) -> None:
    """The job trains at full size, and gets further than it was."""
    wait_for("all workers ready", lambda: _ready(job), 60)
    job.wait_step(job.step() + 20, deadline_s=60)


def _ready(job: Job) -> bool:
    workers = job.status().get("workers", {})
    return bool(workers) and workers["ready"] == workers["wanted"]


def _node_cpus() -> int:
    nodes = json.loads(kubectl("get", "nodes", "-o", "json"))["items"]
    return min(int(node["status"]["allocatable"]["cpu"]) for node in nodes)
