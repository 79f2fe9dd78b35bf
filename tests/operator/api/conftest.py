"""One API server and one operator for all tests of this folder; a namespace for each test."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from operator_support import apiserver, process
from operator_support.apiserver import ApiServer
from operator_support.cluster import Namespace
from operator_support.process import Operator
from operator_support.stage import Stage


@pytest.fixture(scope="session")
def server() -> Iterator[ApiServer]:
    """A fresh API server."""
    with apiserver.running() as found:
        yield found


@pytest.fixture(scope="session")
def account(server: ApiServer) -> Path:
    """The operator installed, but for its Deployment: its kubeconfig."""
    kubeconfig = process.install(server)
    server.start_controllers()
    return kubeconfig


@pytest.fixture(scope="session")
def operator(account: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """The running operator."""
    found = Operator(account, tmp_path_factory.mktemp("operator") / "log")
    found.start()
    yield found
    found.kill()


@pytest.fixture(scope="module")
def alone(operator: Operator) -> Iterator[None]:
    """The operator of the other tests is away."""
    operator.kill()
    yield
    operator.start()


@pytest.fixture(scope="module")
def stage(server: ApiServer, account: Path, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """For operators behind proxies."""
    return Stage(server, account, tmp_path_factory.mktemp("stage"))


@pytest.fixture
def bare(server: ApiServer, account: Path) -> Namespace:
    """An empty namespace."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    server.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    return Namespace(server, name)


@pytest.fixture
def lab(bare: Namespace, operator: Operator) -> Iterator[Namespace]:
    """A namespace with photos in it, and an operator that serves it.

    Its jobs go with the test: the operator would be busy with those that wait for something.
    """
    bare.claim()
    yield bare
    bare.server.request("DELETE", bare.path("nerfjobs"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Show the end of the operator's log where a test fails."""
    report = yield
    operator = getattr(item, "funcargs", {}).get("operator")
    if report.failed and operator is not None:
        report.sections.append(("operator", operator.log.read_text()[-4000:]))
    return report
