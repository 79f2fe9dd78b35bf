"""The cluster of the end-to-end tests, and what is printed where one fails."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from e2e_support import manifests
from e2e_support.kube import LOCALKUBE, ROOT, Namespace, create_namespace, kubectl


@pytest.fixture(scope="session")
def cluster() -> None:
    """A cluster with two nodes of two (advertised) GPUs, our images and the operator on it.

    With CLUSTER=current it is the one that kubectl talks to, with images and operator in place.
    """
    if os.environ.get("CLUSTER", "local") == "current":
        return
    subprocess.run([LOCALKUBE, "up", "--nodes", "2", "--gpus", "2"], check=True)
    subprocess.run([str(ROOT / "tools/images/images.py"), "load", "local"], check=True)
    path = subprocess.run([LOCALKUBE, "kubeconfig"], check=True, text=True, capture_output=True)
    os.environ["KUBECONFIG"] = path.stdout.strip()
    subprocess.run([str(ROOT / "tools/demo/install")], check=True, stdout=subprocess.DEVNULL)


@pytest.fixture(scope="session")
def shared(cluster: None) -> Iterator[Namespace]:
    """A namespace with the demo photos on a shared volume (ReadWriteMany)."""
    namespace = create_namespace("e2e-shared")
    manifests.render_photos(namespace)
    yield namespace
    kubectl("delete", "namespace", namespace.name, "--wait=false")


@pytest.fixture
def fresh(cluster: None) -> Iterator[Namespace]:
    """An empty namespace, which the test may delete."""
    namespace = create_namespace("e2e-fresh")
    yield namespace
    kubectl("delete", "namespace", namespace.name, "--wait=false", "--ignore-not-found")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Print the state of the test's namespaces at the moment that it fails."""
    report = yield
    if report.failed and call.when in ("setup", "call"):
        for value in getattr(item, "funcargs", {}).values():
            if isinstance(value, Namespace):
                report.sections.append((f"namespace {value.name}", _describe(value)))
    return report


def _describe(namespace: Namespace) -> str:
    asked = (
        ["get", "nerfjobs,pods,services,pvc", "-o", "wide"],
        ["get", "nerfjobs", "-o", "yaml"],
        ["get", "events", "--sort-by=.lastTimestamp"],
        ["logs", "-l", "app.kubernetes.io/managed-by=nerf-operator", "--tail=25", "--prefix"],
    )
    texts = [_try("-n", namespace.name, *args) for args in asked]
    operator = _try("-n", "nerf-system", "logs", "deploy/nerf-nerf-operator", "--tail=30")
    return "\n\n".join([*texts, operator])


def _try(*args: str) -> str:
    done = subprocess.run(["kubectl", *args], text=True, capture_output=True, timeout=60)
    return f"$ kubectl {' '.join(args)}\n{done.stdout}{done.stderr}"
