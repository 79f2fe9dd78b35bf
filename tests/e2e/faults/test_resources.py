"""Memory and GPUs are too few."""

import json

import pytest
from e2e_support.kube import Namespace, kubectl
from e2e_support.manifests import nerf_job
from faults_support import Make

pytestmark = [pytest.mark.cluster, pytest.mark.faults]


def test_a_worker_is_out_of_memory(shared: Namespace) -> None:
    """The kernel ends it: told as such, and tried again as often as the budget allows."""
    amounts = {"requests": {"memory": "64Mi"}, "limits": {"memory": "96Mi"}}
    limited = {"replicas": 1, "resources": amounts}
    shared.apply(nerf_job("out-of-memory", workers=limited, runPolicy={"backoffLimit": 1}))
    job = shared.job("out-of-memory")
    failed = job.wait_condition("Failed", deadline_s=90)
    assert failed["reason"] == "BackoffLimitExceeded", failed
    assert "OutOfMemory" in failed["message"] or "memory" in failed["message"], failed
    assert job.status()["restarts"] == 1
    job.delete()


def test_there_are_gpus_for_some_workers_only(subject: Make) -> None:
    """The job trains with those, and asks for the others without end or haste."""
    few = {"replicas": 3, "max": 3, "gpusPerWorker": 2}
    with subject(workers=few, training={"device": "cpu", "shards": 8}, world=4) as it:
        it.strike()
        ready = it.job.condition("WorkersReady")
        assert "nvidia.com/gpu" in ready["message"], ready
        before = _writes()
        it.goes_on(60)
        # Progress is written every few seconds; a hot loop would write many times a second.
        assert _writes() - before < 60
        it.survived(lost_steps=0)


def _writes() -> float:
    """API calls of the operator so far that write."""
    labels = "app.kubernetes.io/name=nerf-operator"
    pods = json.loads(kubectl("-n", "nerf-system", "get", "pods", "-l", labels, "-o", "json"))
    pod = pods["items"][0]["metadata"]["name"]
    text = kubectl("get", "--raw", f"/api/v1/namespaces/nerf-system/pods/{pod}:9500/proxy/metrics")
    lines = [x for x in text.splitlines() if x.startswith("nerf_operator_api_requests_total{")]
    reads = ('verb="list"', 'verb="watch"', 'verb="get"')
    return sum(float(x.split()[-1]) for x in lines if not any(verb in x for verb in reads))
