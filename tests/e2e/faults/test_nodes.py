"""Nodes die, are cut off, or lose their kubelet or containerd for a while."""

import time

import pytest
from e2e_support.host import checkpoints, localkube
from e2e_support.kube import cordoned, wait_for
from faults_support import APART, ELASTIC, SHARED, Make, Subject

pytestmark = [pytest.mark.cluster, pytest.mark.faults]
#: From the loss of a node, on which the operator may have been too, to a pod elsewhere. Kubernetes'
#: own default is 300 s.
REPLACED_SECONDS = 90


def test_a_node_dies(subject: Make) -> None:
    with subject(workers=ELASTIC | APART, checkpoint=SHARED) as it:
        index = it.dice.randint(0, 1)
        node, old = it.node(index), it.pod(index)
        it.strike()
        localkube("node", "kill", node)
        try:
            it.goes_on()
            wait_for(
                "another pod elsewhere",
                lambda: _elsewhere(it, index, node),
                REPLACED_SECONDS,
            )
            it.whole()
        finally:
            localkube("node", "revive", node)
        wait_for("the old pod is gone", lambda: old not in _names(it.job.pods()), 60)
        it.goes_on()
        it.survived()


def test_the_writer_is_cut_off(subject: Make) -> None:
    with subject(workers=ELASTIC | APART, checkpoint=SHARED) as it:
        node, old = it.node(0), it.pod(0)
        _send_coordinator_from(it, node)
        it.strike()
        localkube("net", "cut", node)
        try:
            it.goes_on()
            alone = checkpoints(it.job)[-1:]
            wait_for("another elsewhere", lambda: _elsewhere(it, 0, node), REPLACED_SECONDS)
            assert checkpoints(it.job)[-1:] == alone, "who is cut off has written"
            it.whole()
            wait_for("the successor's checkpoints", lambda: checkpoints(it.job)[-1:] > alone, 30)
        finally:
            localkube("net", "mend", node)
        newest = checkpoints(it.job)[-1]
        wait_for("the old pod is gone", lambda: old not in _names(it.job.pods()), 60)
        assert checkpoints(it.job)[-1] >= newest
        it.goes_on()
        it.survived()


def test_kubelets_are_away(subject: Make) -> None:
    """For less than it takes until their nodes count as lost; a process dies meanwhile."""
    with subject() as it:
        nodes, before = {it.node(0), it.node(1)}, it.job.identities()
        it.strike()
        for node in nodes:
            localkube("kubelet", "stop", node)
        time.sleep(5)  # The outage itself.
        for node in nodes:
            localkube("kubelet", "start", node)
        it.goes_on(40)
        it.undisturbed(before)
        it.heals_a_crash()


def test_containerds_restart(subject: Make) -> None:
    with subject() as it:
        before = it.job.identities()
        it.strike()
        for node in {it.node(0), it.node(1)}:
            localkube("containerd", "restart", node)
        it.goes_on(40)
        it.undisturbed(before)
        it.heals_a_crash()


def _send_coordinator_from(it: Subject, node: str) -> None:
    """Who is with the coordinator goes on; it is the others who are cut off."""
    if it.node_of(it.coordinator()) != node:
        return
    with cordoned(node):
        it.job.namespace.run("delete", "pod", it.coordinator())
        wait_for("a coordinator elsewhere", it.coordinator, REPLACED_SECONDS)
        it.goes_on()


def _elsewhere(it: Subject, index: int, node: str) -> bool:
    """Whether the worker runs, on another node."""
    found = it.job.workers().get(index)
    return found is not None and found["spec"]["nodeName"] != node


def _names(pods: list[dict[str, object]]) -> set[object]:
    return {pod["metadata"]["name"] for pod in pods}  # type: ignore[index]
