"""What a spec asks for is what real nodes, containers and volumes have."""

import json
from collections.abc import Iterator

import pytest
from e2e_support import host, processes
from e2e_support.kube import Job, Namespace, kubectl, wait_for
from e2e_support.manifests import nerf_job

pytestmark = pytest.mark.cluster

ENDLESS = {"steps": 1_000_000, "evalEvery": 1_000_000}
NODE = "node2"
TTL_SECONDS = 20


@pytest.fixture
def priority_class(shared: Namespace) -> Iterator[str]:
    """A PriorityClass of the test's own."""
    name = f"{shared.name}-knobs"
    kubectl("create", "priorityclass", name, "--value=7")
    yield name
    kubectl("delete", "priorityclass", name)


def test_a_job_runs_and_ends_as_its_spec_asks(shared: Namespace, priority_class: str) -> None:
    shared.apply(
        nerf_job(
            "knobs",
            training={"steps": 400},
            workers={
                "nodeSelector": {"kubernetes.io/hostname": NODE},
                "priorityClassName": priority_class,
                "labels": {"team": "maps"},
                "annotations": {"cost-centre": "7"},
                "sharedMemory": "96Mi",
                "terminationGracePeriodSeconds": 7,
                "resources": {"requests": {"cpu": "100m"}, "limits": {"memory": "3Gi"}},
            },
            checkpoint={"intervalSeconds": 1, "keep": 1, "volume": {"retentionPolicy": "Retain"}},
            runPolicy={"cleanPodPolicy": "All", "ttlSecondsAfterFinished": TTL_SECONDS},
        )
    )
    job = shared.job("knobs")
    job.wait_step(1)
    _check_pods(job, priority_class)
    claim = shared.items("pvc", "nerfops.dev/job=knobs")[0]["metadata"]["name"]
    job.wait_condition("Succeeded", deadline_s=150)
    # The newest one, and the best where that is another.
    assert 1 <= len(host.checkpoints(job)) <= 2
    wait_for("no pod is left", lambda: not job.pods(), 15)
    wait_for("the job is gone", lambda: shared.get("nerfjob", "knobs") is None, 30 + TTL_SECONDS)
    kept = shared.get("pvc", claim)
    assert kept is not None and "deletionTimestamp" not in kept["metadata"]
    shared.run("delete", "pvc", claim)


def _check_pods(job: Job, priority_class: str) -> None:
    """Both workers have what was asked for, and live with it."""
    for index, pod in job.workers().items():
        spec, meta = pod["spec"], pod["metadata"]
        assert spec["nodeName"] == NODE
        assert (spec["priorityClassName"], spec["priority"]) == (priority_class, 7)
        assert spec["terminationGracePeriodSeconds"] == 7
        assert (meta["labels"]["team"], meta["annotations"]["cost-centre"]) == ("maps", "7")
        assert processes.shared_memory_bytes(job, index) == 96 * 2**20
        assert spec["containers"][0]["resources"]["limits"]["memory"] == "3Gi"


def test_a_suspended_job_goes_on_from_where_it_was_until_its_deadline(shared: Namespace) -> None:
    shared.apply(nerf_job("rests", training=ENDLESS))
    job = shared.job("rests")
    job.wait_step(50)
    _set(job, suspend=True)
    job.wait_condition("Suspended", deadline_s=60)
    wait_for("no pod is left", lambda: not job.pods(), 60)
    reached = max(host.checkpoints(job))
    _set(job, suspend=False)
    job.wait_step(reached + 1)
    writer = job.workers()[0]["metadata"]["name"]
    assert f"the checkpoint of step {reached}" in shared.run("logs", writer)
    _set(job, activeDeadlineSeconds=1)
    assert job.wait_condition("Failed")["reason"] == "DeadlineExceeded"
    wait_for("no worker runs", lambda: not job.workers(), 60)
    assert max(host.checkpoints(job)) > reached
    job.delete()


def test_a_crash_beyond_the_backoff_limit_ends_the_job(shared: Namespace) -> None:
    shared.apply(nerf_job("once", training=ENDLESS, runPolicy={"backoffLimit": 0}))
    job = shared.job("once")
    job.wait_step(50)
    host.kill(shared, job.workers()[1]["metadata"]["name"])
    assert job.wait_condition("Failed", deadline_s=90)["reason"] == "BackoffLimitExceeded"
    job.delete()


def _set(job: Job, **policy: object) -> None:
    patch = {"spec": {"runPolicy": policy}}
    job.namespace.run("patch", "nerfjob", job.name, "--type=merge", "-p", json.dumps(patch))
