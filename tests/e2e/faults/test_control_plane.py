"""The control plane is away, and what it should have done is made good."""

import time

import pytest
from e2e_support.host import localkube
from e2e_support.kube import kubectl, wait_for
from faults_support import Make

pytestmark = [pytest.mark.cluster, pytest.mark.faults]
OPERATOR = ("-n", "nerf-system", "deployment/nerf-nerf-operator")


def test_the_api_server_is_away(subject: Make) -> None:
    """For longer than it takes until silent nodes count as lost and their pods are evicted."""
    with subject() as it:
        before = it.job.identities()
        it.strike()
        localkube("apiserver", "stop")
        try:
            it.goes_on(20)
            time.sleep(60)  # The outage itself.
            it.goes_on(5)
        finally:
            localkube("apiserver", "start")
        told = it.watch.step()
        wait_for("the status has caught up", lambda: it.job.step() >= told, 30)
        it.undisturbed(before)
        it.heals_a_crash()


def test_dns_is_away(subject: Make) -> None:
    """Who trains needs none; who is to join waits for it, and spends no budget meanwhile."""
    with subject() as it:
        localkube("dns", "stop")
        try:
            it.strike()
            it.kill_workers(1)
            it.goes_on(40)
        finally:
            localkube("dns", "start")
        it.whole()
        it.survived(restarts=1)


def test_the_operator_is_away_while_pods_crash(subject: Make) -> None:
    with subject() as it:
        kubectl("scale", *OPERATOR, "--replicas=0")
        try:
            wait_for("no operator", lambda: not _operators(), 30)
            it.strike()
            it.kill_workers(1)
            it.goes_on(20)
            it.kill_workers(coordinator=True)
            it.job.namespace.run("delete", "service", it.job.name)
            it.goes_on(20)
        finally:
            kubectl("scale", *OPERATOR, "--replicas=1")
        it.whole()
        it.survived(restarts=2)


def _operators() -> str:
    labels = "app.kubernetes.io/name=nerf-operator"
    return kubectl("-n", "nerf-system", "get", "pods", "-l", labels, "-o", "name")
