"""Attempts, back-off and the count of failures of one place."""

from dataclasses import replace
from datetime import datetime

import pytest
from operator_support.builders import NOW, at, ended, pod, progress, running, succeeded, word

from nerf_contract import reasons
from nerf_operator.core import outcome
from nerf_operator.core.observed import Pod, Termination
from nerf_operator.core.replacement import (
    Slot,
    backoff_seconds,
    decide,
    elsewhere,
    failures,
    outlook,
    surplus,
)


@pytest.mark.parametrize(
    ("count", "seconds"), [(0, 0), (1, 0), (2, 1), (3, 2), (4, 4), (7, 32), (8, 60), (10_000, 60)]
)
def test_backoff_doubles_up_to_a_minute(count: int, seconds: int) -> None:
    assert backoff_seconds(count) == seconds


TOLD_50 = word(reasons.CRASHED, progress=progress(step=50))
STOPPED = replace(succeeded(), termination=Termination(0, "", word(reasons.WORKER_LEFT), NOW))
EVICTED = {"disruption": "EvictionByEvictionAPI"}

#: name -> (pods, start, failures, wait)
CASES: dict[str, tuple[list[Pod], int | None, int, float | None]] = {
    "nothing yet": ([], 0, 0, None),
    "pending": ([pod()], None, 0, None),
    "running": ([running(attempt=3, failures=2)], None, 2, None),
    "failed once: at once": ([ended()], 1, 1, None),
    "failed once, by a clock that is ahead of ours: at once": ([ended(when=at(600))], 1, 1, None),
    "failed again: a second later": ([ended(attempt=1, failures=1, rounds=1)], None, 2, 1.0),
    "failed after progress: at once": (
        [ended(attempt=5, failures=5, rounds=5, first_step=40, message=TOLD_50)],
        *(6, 6, None),
    ),
    "failed at the step of the last failure: later": (
        [ended(attempt=5, failures=5, rounds=5, first_step=50, message=TOLD_50)],
        *(None, 6, 16.0),
    ),
    "evicted after progress: at once": (
        [ended(attempt=3, rounds=3, first_step=40, message=TOLD_50, reason="", **EVICTED)],
        *(4, 0, None),
    ),
    "failed again: a second has passed": (
        [ended(attempt=1, failures=1, rounds=1, when=at(-1))],
        *(2, 2, None),
    ),
    "being deleted: at once": ([running(deleting=True)], 1, 0, None),
    "failed and deleted: not counted": ([ended(deleting=True)], 1, 0, None),
    "evicted: not counted": ([pod(phase="Failed", reason="Evicted")], 1, 0, None),
    "told to leave: not counted": (
        [ended(message=word(reasons.WORKER_LEFT), deleting=True)],
        *(1, 0, None),
    ),
    "evicted again and again: slower": (
        [pod(attempt=3, rounds=3, phase="Failed", reason="Evicted")],
        *(None, 0, 4.0),
    ),
    "deleted as soon as it was made, again and again: slower": (
        [pod(attempt=3, rounds=3, failures=1, deleting=True)],
        *(None, 1, 4.0),
    ),
    "deleted as soon as it ran, again and again: at once": (
        [running(attempt=3, failures=1, deleting=True, started_at=NOW)],
        *(4, 1, None),
    ),
    "deleted after a while: at once": (
        [pod(attempt=3, rounds=3, failures=1, deleting=True, created=at(-60))],
        *(4, 1, None),
    ),
    "finished": ([succeeded()], None, 0, None),
    "succeeded before it had finished: at once": ([STOPPED], 1, 0, None),
    "succeeded again before it had finished: later": (
        [replace(STOPPED, attempt=3, rounds=3, failures=1)],
        *(None, 1, 4.0),
    ),
    "replaced already": ([ended(), running(attempt=1, failures=1)], None, 1, None),
    "the replacement is being deleted": (
        [ended(), running(attempt=1, failures=1, deleting=True)],
        *(2, 1, None),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_decision(name: str) -> None:
    pods, start, count, wait = CASES[name]
    slot = decide(pods, NOW, finished=outcome.finished)
    assert (slot.start, slot.failures, slot.wait) == (start, count, wait)


def test_the_next_attempt_tells_what_became_of_the_last() -> None:
    assert decide([ended(message="boom")], NOW).why == (
        "demo-worker-0-0 ended with WorkerCrashed: exit code 1: boom"
    )
    assert decide([running(deleting=True)], NOW).why == "demo-worker-0-0 was deleted"


@pytest.mark.parametrize(("started", "rounds"), [(None, 4), (NOW, 3)])
def test_a_deletion_does_not_hide_how_often_a_place_has_failed(
    started: datetime | None, rounds: int
) -> None:
    removed = running(attempt=3, rounds=3, failures=3, deleting=True, started_at=started)
    assert decide([removed], NOW).rounds == rounds


@pytest.mark.parametrize(("step", "rounds"), [(41, 1), (40, 4), (None, 4)])
def test_what_the_job_has_reached_is_progress_of_a_place_that_it_needs(
    step: int | None, rounds: int
) -> None:
    """Without a last word, as of a pod that was killed."""
    killed = ended(attempt=3, rounds=3, failures=3, first_step=40, exit_code=137)
    assert decide([killed], NOW, step).rounds == rounds


CUDA = word(reasons.CRASHED, "CUDA error: uncorrectable ECC error", progress=progress(step=50))
KNOWN = ("node-2", "node-1", "node-3")

#: name -> (the last pod of the place, nodes to which the next attempt prefers others)
AVOIDED: dict[str, tuple[Pod, tuple[str, ...]]] = {
    "a GPU that is broken": (ended(node="node-1", message=CUDA), ("node-1",)),
    "a container that does not start": (
        ended(node="node-1", exit_code=128, reason="StartError", message="driver error"),
        ("node-1",),
    ),
    "a node that refuses the pod": (
        pod(node="node-1", phase="Failed", reason="UnexpectedAdmissionError"),
        ("node-1",),
    ),
    "no fault of the node": (ended(node="node-1", message="KeyError"), ()),
    "out of memory": (ended(node="node-1", exit_code=137, reason="OOMKilled"), ()),
    "no fault of this node, but of those before": (ended(node="node-9", avoided=KNOWN), KNOWN),
    "one after the other": (
        ended(node="node-1", avoided=KNOWN, message=CUDA),
        ("node-2", "node-3", "node-1"),
    ),
    "after progress": (
        ended(node="node-9", avoided=KNOWN, first_step=40, message=CUDA),
        ("node-9",),
    ),
    "deleted": (running(node="node-9", avoided=KNOWN, deleting=True), KNOWN),
}


@pytest.mark.parametrize("name", AVOIDED)
def test_nodes_that_may_be_to_blame_are_avoided(name: str) -> None:
    last, nodes = AVOIDED[name]
    slot = decide([last], NOW)
    assert slot.avoid == nodes
    assert all(node in elsewhere(slot) for node in nodes)


def test_no_more_nodes_are_remembered_than_fit_a_pod() -> None:
    many = tuple(f"node-{number}" for number in range(8))
    assert decide([ended(node="last", avoided=many, message=CUDA)], NOW).avoid == (
        *many[1:],
        "last",
    )


def test_a_cause_of_the_cluster_is_told() -> None:
    drained = running(deleting=True, disruption="EvictionByEvictionAPI")
    assert decide([drained], NOW).why == "demo-worker-0-0 was deleted (Evicted)"


def test_the_only_pod_is_current() -> None:
    only = running()
    assert decide([only], NOW) == Slot(current=only)


@pytest.mark.parametrize("phase", ["Failed", "Succeeded"])
def test_only_the_newest_pod_that_ended_is_kept(phase: str) -> None:
    old, new = ended(attempt=0, phase=phase), ended(attempt=1, failures=1)
    assert surplus([old, new, running(attempt=2)]) == [old]
    assert failures([old, new]) == 2


def test_the_last_failure_is_kept_though_the_next_attempt_finished() -> None:
    first, last, done = ended(attempt=0), ended(attempt=1), ended(attempt=2, phase="Succeeded")
    assert surplus([first, last, done]) == [first]


def test_the_budget_and_the_next_attempt_are_told() -> None:
    waits = decide([ended(attempt=1, failures=1, rounds=1)], NOW)
    assert outlook([Slot(start=0), waits], 2, 6) == (
        " Failures so far: 2 of the 6 that runPolicy.backoffLimit allows."
        " The next attempt begins at 2026-01-01T12:00:01Z."
    )
    assert outlook([Slot(start=0)], 0, 6) == ""
