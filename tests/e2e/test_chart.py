"""`helm test`, upgrade, uninstall and install again, beside a job that trains."""

import subprocess
from collections.abc import Iterator

import pytest
from e2e_support.kube import ROOT, Job, Namespace, kubectl, wait_for
from e2e_support.manifests import nerf_job

pytestmark = pytest.mark.cluster
SYSTEM = Namespace("nerf-system")
RELEASE = ("nerf", "--namespace", SYSTEM.name)


def helm(*args: str) -> str:
    """What helm and its hooks say; its words are the failure."""
    done = subprocess.run(["helm", *args], text=True, capture_output=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def install() -> None:
    """As `make install` does."""
    subprocess.run([str(ROOT / "tools/demo/install")], check=True, stdout=subprocess.DEVNULL)


@pytest.fixture
def installed(cluster: None) -> Iterator[None]:
    """The operator of the other tests, also afterwards."""
    yield
    install()


def test_helm_test_trains_a_scene_and_leaves_nothing(cluster: None) -> None:
    told = helm("test", *RELEASE, "--timeout", "3m")
    assert "Succeeded: TrainingCompleted" in told
    wait_for("nothing is left", lambda: "/test-nerf" not in everything(), 60)


def everything() -> str:
    """Names of what is in the operator's namespace."""
    kinds = "nerfjobs,pods,pvc,roles,rolebindings,serviceaccounts,configmaps"
    return SYSTEM.run("get", kinds, "-o", "name")


def test_a_job_does_not_notice_upgrade_uninstall_and_install(
    installed: None, shared: Namespace
) -> None:
    endless = {"steps": 1_000_000, "evalEvery": 1_000_000}
    shared.apply(nerf_job("steady", training=endless))
    job = shared.job("steady")
    job.wait_step(20)
    before = job.identities()

    chart = str(ROOT / "charts/nerf-operator")
    change = ("--set", "logLevel=debug", "--set", "replicas=2")
    helm("upgrade", *RELEASE[:1], chart, *RELEASE[1:], "--reuse-values", *change, "--wait")
    goes_on(job)
    assert job.identities() == before

    helm("uninstall", *RELEASE, "--wait")
    operators = "app.kubernetes.io/name=nerf-operator"
    wait_for("no operator is left", lambda: not SYSTEM.items("pods", operators), 30)
    kubectl("get", "crd", "nerfjobs.nerfops.dev")
    claims = {claim["metadata"]["name"] for claim in shared.items("pvc")}
    assert "steady-checkpoint" in claims
    assert job.identities() == before

    install()
    goes_on(job)
    assert job.identities() == before
    job.delete()


def goes_on(job: Job) -> None:
    """The operator tells of later steps."""
    job.wait_step(job.step() + 20, deadline_s=60)
