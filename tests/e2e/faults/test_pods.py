"""Pods and processes of a job die, freeze or have to leave."""

import json
import signal

import pytest
from e2e_support import processes
from e2e_support.host import checkpoints
from e2e_support.kube import wait_for
from faults_support import INTERVAL_SECONDS, Make, Subject

from faults import story

pytestmark = [pytest.mark.cluster, pytest.mark.faults]


@pytest.mark.parametrize("index", [1, 0], ids=["worker", "writer"])
def test_a_pod_crashes(subject: Make, index: int) -> None:
    with subject() as it:
        it.strike()
        it.kill_workers(index)
        it.whole()
        it.survived(restarts=1)


def test_the_coordinator_crashes(subject: Make) -> None:
    with subject() as it:
        workers = {index: pod["metadata"]["uid"] for index, pod in it.job.workers().items()}
        old = it.coordinator()
        it.strike()
        it.kill_workers(coordinator=True)
        wait_for("another coordinator", lambda: it.coordinator() not in ("", old), 30)
        it.goes_on(40)
        it.survived(restarts=1)
        assert {i: p["metadata"]["uid"] for i, p in it.job.workers().items()} == workers


def test_coordinator_and_worker_crash_together(subject: Make) -> None:
    with subject() as it:
        it.strike()
        it.kill_workers(it.dice.randint(0, 1), coordinator=True)
        it.whole()
        it.survived(restarts=2)


def test_all_pods_crash_at_once(subject: Make) -> None:
    with subject() as it:
        wait_for("a checkpoint", lambda: checkpoints(it.job), 30)
        it.strike()
        it.kill_workers(0, 1, coordinator=True)
        newest = checkpoints(it.job)[-1]
        it.whole()
        first = it.starts()[0]
        assert first.step >= newest
        # Checkpoints are due each interval, after a step; a copy is written in the background.
        assert story.lost_seconds(it.watch.samples(), first) <= INTERVAL_SECONDS + 2
        it.survived(lost_steps=None, restarts=3)


def test_pods_are_evicted(subject: Make) -> None:
    with subject() as it:
        for index in (1, 0):
            it.strike()
            before = it.watch.step()
            _evict(it, index)
            it.whole()
            if index == 0:
                assert checkpoints(it.job)[-1] >= before, "the writer saves before it leaves"
            it.goes_on()
        it.survived(lost_steps=0)


def _evict(it: Subject, index: int) -> None:
    """By the Eviction API, as a drain does it; until another pod is there."""
    old = it.job.workers()[index]["metadata"]
    path = f"/api/v1/namespaces/{old['namespace']}/pods/{old['name']}/eviction"
    meta = {"name": old["name"], "namespace": old["namespace"]}
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": meta}
    it.job.namespace.run("create", "--raw", path, "-f", "-", stdin=json.dumps(body))

    def replaced() -> bool:
        now = it.job.workers().get(index)
        return now is not None and now["metadata"]["uid"] != old["uid"]

    wait_for(f"another worker {index}", replaced, 60)


def test_a_worker_freezes_and_its_status_hangs(subject: Make) -> None:
    with subject() as it:
        it.strike()
        processes.send(it.job, 1, signal.SIGSTOP)
        it.watch.wait_for("a group without it", lambda all: all[-1].world == 1, 60)
        it.goes_on()
        told = it.job.step()
        wait_for("the status goes on", lambda: it.job.step() > told, 30)
        processes.send(it.job, 1, signal.SIGCONT)
        it.whole()
        it.survived()
