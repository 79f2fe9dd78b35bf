"""`kubectl nerf explain` reads a real API server, with an operator that serves it."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from operator_support.apiserver import ApiServer, wait_until
from operator_support.cluster import MERGE, Namespace
from typer.testing import CliRunner

from nerf_cli.app import app

#: The API server of the tests has a certificate of its own making.
pytestmark = pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
BOTH = ("demo-worker-0-0", "demo-worker-1-0")
NO_GPU = "0/2 nodes are available: 2 Insufficient nvidia.com/gpu."


def explain(lab: Namespace, kubeconfig: Path | None = None) -> str:
    """All that it prints."""
    config = str(kubeconfig or lab.server.kubeconfig)
    args = ["explain", "demo", "--namespace", lab.name, "--kubeconfig", config]
    done = CliRunner().invoke(app, args)
    assert done.exit_code == 0, done.output
    return str(done.stdout)


def test_a_job_that_trains_is_well(lab: Namespace) -> None:
    lab.job()
    lab.await_pods(*BOTH)
    for name in BOTH:
        lab.run_pod(name, "127.77.9.9")
    lab.await_condition("WorkersReady", "AllReady")
    assert explain(lab).splitlines()[1:] == ["Nothing stands in its way."]


def test_from_the_condition_to_the_nodes(lab: Namespace) -> None:
    lab.job(workers={"replicas": 2, "gpusPerWorker": 1})
    lab.await_pods(*BOTH)
    for name in BOTH:
        lab.refuse_pod(name, NO_GPU)
    lab.await_condition("Stalled", "Unschedulable")
    told = explain(lab)
    assert f"Stalled (Unschedulable): No node takes demo-worker-0-0. {NO_GPU}" in told.replace(
        "The scheduler says: ", ""
    )
    assert "because demo-worker-0-0 and 1 more: no node takes it" in told
    assert "because on 2 of 2 nodes: too few GPUs are free; the pod asks for 1" in told
    wait_until("the event", lambda: "Unschedulable: No node takes" in explain(lab), 10)


def test_a_crash_tells_its_last_word_the_budget_and_the_next_attempt(lab: Namespace) -> None:
    lab.job(runPolicy={"backoffLimit": 3})
    lab.await_pods(*BOTH)
    crash = json.dumps({"reason": "WorkerCrashed", "message": "no such device"})
    lab.end_pod(BOTH[1], 1, crash)
    lab.await_pods(*BOTH, "demo-worker-1-1")
    lab.await_condition("Running", "RestartingWorkers", "False")
    told = explain(lab)
    assert "Failures so far: 1 of the 3 that runPolicy.backoffLimit allows." in told
    assert "because demo-worker-1-0: it ended with exit code 1" in told
    assert "because WorkerCrashed: no such device" in told


def test_a_quota_is_told_by_its_numbers(lab: Namespace) -> None:
    hard, used = {"requests.cpu": "3"}, {"requests.cpu": "0"}
    lab.create("resourcequotas", {"metadata": {"name": "small"}, "spec": {"hard": hard}})
    status = {"status": {"hard": hard, "used": used}}
    lab.patch("resourcequotas", "small/status", status)  # As its controller would.
    lab.job(workers={"replicas": 2, "resources": {"requests": {"cpu": "2"}}})
    lab.await_condition("Stalled", "Rejected")
    told = explain(lab)
    assert "because the ResourceQuota small allows requests.cpu=3; requests.cpu=2 is used" in told


def test_a_lease_that_nobody_renews_comes_first(lab: Namespace, two_operators: ApiServer) -> None:
    lab.job(runPolicy={"suspend": True})
    lab.await_condition("Suspended", "JobSuspended")
    assert explain(lab).splitlines()[0].startswith("no operator works: the Lease nerf, ")
    lease = f"/apis/coordination.k8s.io/v1/namespaces/{lab.name}/leases/nerf"
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    two_operators.request("PATCH", lease, {"spec": {"renewTime": now}}, MERGE)
    assert "no operator works" not in explain(lab)


@pytest.fixture
def two_operators(lab: Namespace) -> Iterator[ApiServer]:
    """A Deployment as of the chart with two replicas, and the Lease that one of them had."""
    meta = {"name": "nerf-operator", "labels": {"app.kubernetes.io/name": "nerf-operator"}}
    env = [{"name": "LEASE_NAME", "value": "nerf"}]
    pod = {"containers": [{"name": "operator", "image": "operator:1", "env": env}]}
    template = {"metadata": {"labels": meta["labels"]}, "spec": pod}
    spec = {"replicas": 2, "selector": {"matchLabels": meta["labels"]}, "template": template}
    deployments = f"/apis/apps/v1/namespaces/{lab.name}/deployments"
    ready = {"replicas": 2, "readyReplicas": 2, "availableReplicas": 2}
    leases = f"/apis/coordination.k8s.io/v1/namespaces/{lab.name}/leases"
    held = {"holderIdentity": "one", "renewTime": "2026-01-01T12:00:00.000000Z"}
    lab.server.request("POST", leases, {"metadata": {"name": "nerf"}, "spec": held})
    lab.server.request("POST", deployments, {"metadata": meta, "spec": spec})
    lab.server.request("PATCH", f"{deployments}/nerf-operator/status", {"status": ready}, MERGE)
    yield lab.server
    lab.server.request("DELETE", f"{deployments}/nerf-operator")


def test_what_a_user_may_not_read_is_told_and_the_rest_is_explained(
    lab: Namespace, server: ApiServer, tmp_path: Path
) -> None:
    lab.job(runPolicy={"suspend": True})
    lab.await_condition("Suspended", "JobSuspended")
    told = explain(lab, reader_of_jobs(lab, server, tmp_path / "kubeconfig"))
    assert "Suspended (JobSuspended): The job has no pods" in told
    hidden = "pods, events, claims, nodes, the operator's Deployment"
    assert f"not looked at, as you may not: {hidden}" in told


def reader_of_jobs(lab: Namespace, server: ApiServer, path: Path) -> Path:
    """The kubeconfig of someone who may read the namespace's jobs, and nothing else."""
    name = {"metadata": {"name": "reader"}}
    rules = [{"apiGroups": ["nerfops.dev"], "resources": ["nerfjobs"], "verbs": ["get"]}]
    lab.create("serviceaccounts", name)
    lab.create("roles", name | {"rules": rules})
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"}
    subject = {"kind": "ServiceAccount", "name": "reader", "namespace": lab.name}
    lab.create("rolebindings", name | {"roleRef": role, "subjects": [subject]})
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    made = server.request("POST", lab.path("serviceaccounts", "reader/token"), request)
    return server.write_kubeconfig(path, made["status"]["token"])
