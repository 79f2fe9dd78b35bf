"""Which workers an elastic job has, and which it does without."""

from dataclasses import replace
from typing import Any

import pytest
from operator_support.builders import DEFAULTS, at, ended, job, observed, pod, running, spec

from nerf_contract import reasons
from nerf_contract.v1alpha1 import NeRFJobStatus
from nerf_operator.core import indices, size
from nerf_operator.core.actions import Create, Delete, Plan
from nerf_operator.core.observed import Job, Observed, Pod
from nerf_operator.core.plan import plan

NO_ROOM = "0/2 nodes are available: 2 Insufficient cpu."
PATIENCE = size.NODE_PATIENCE.total_seconds()


def elastic(replicas: int, fewest: int = 1) -> dict[str, Any]:
    return {"replicas": replicas, "min": fewest, "max": 4}


#: name -> (pods, replicas, indices)
KEPT: dict[str, tuple[list[Pod], int, tuple[int, ...]]] = {
    "nothing yet": ([], 3, (0, 1, 2)),
    "the highest goes": ([running(0), running(1), running(2)], 2, (0, 1)),
    "one without a node goes first": ([running(0), pod(1), running(2)], 2, (0, 2)),
    "then one that starts": ([running(0), running(1, ready=False), running(2)], 2, (0, 2)),
    "one without a node before one that starts": (
        [running(0), running(1, ready=False), pod(2), pod(3)],
        *(2, (0, 1)),
    ),
    "one that failed before one that waits": ([running(0), ended(1), pod(2)], 2, (0, 2)),
    "never the writer": ([pod(0), running(1), running(2)], 1, (0,)),
    "a hole stays": ([running(0), running(3)], 2, (0, 3)),
    "a hole is filled": ([running(0), running(3)], 3, (0, 1, 3)),
    "one that is replaced keeps its index": (
        [running(0), running(1), running(2, deleting=True)],
        *(3, (0, 1, 2)),
    ),
    "a failure is not forgotten for a pod that goes": (
        [running(0), running(1, deleting=True), ended(3)],
        *(2, (0, 3)),
    ),
}


@pytest.mark.parametrize("name", KEPT)
def test_indices_of_an_elastic_job(name: str) -> None:
    pods, replicas, wanted = KEPT[name]
    assert indices.choose(spec(workers=elastic(replicas)), observed(*pods)) == wanted


def test_a_job_of_fixed_size_has_no_holes() -> None:
    seen = observed(pod(0), pod(1), running(2))
    assert indices.choose(spec(workers={"replicas": 2}), seen) == (0, 1)


@pytest.mark.parametrize(("times", "minutes"), [(1, 10), (2, 20), (3, 40), (4, 60), (99, 60)])
def test_pauses_double_up_to_an_hour(times: int, minutes: int) -> None:
    assert size.pause(times).total_seconds() == 60 * minutes


# --- Workers that no node takes ------------------------------------------------------------------

TRAINING = (running(None), running(0))


def decide(seen: Observed, seconds: float, subject: Job) -> Plan:
    return plan(subject, seen, at(seconds), DEFAULTS)


def after(decided: Plan, subject: Job) -> Job:
    return replace(subject, status=decided.status or subject.status)


def stuck(index: int, attempt: int = 0, **fields: Any) -> Pod:
    return pod(index, attempt, unschedulable=NO_ROOM, **fields)


def changes(decided: Plan) -> list[str]:
    created = [a.pod["metadata"]["name"] for a in decided.actions if isinstance(a, Create)]
    return created + [f"-{a.name}" for a in decided.actions if isinstance(a, Delete)]


def given_up(status: NeRFJobStatus | None) -> tuple[int, int] | None:
    assert status is not None and status.workers is not None
    known = status.workers.given_up
    return None if known is None else (known.workers, known.times)


def gave_up(replicas: int = 3) -> Job:
    """A job that has given up all workers but the first, at PATIENCE."""
    subject = job(workers=elastic(replicas))
    seen = observed(*TRAINING, *(stuck(index) for index in range(1, replicas)))
    return after(decide(seen, PATIENCE, subject), subject)


def test_a_worker_that_no_node_takes_is_given_up() -> None:
    subject, seen = job(workers=elastic(3)), observed(*TRAINING, running(1), stuck(2))
    before = decide(seen, 30, subject)
    assert (changes(before), before.requeue_after) == ([], PATIENCE - 30)
    subject = after(before, subject)
    decided = decide(seen, PATIENCE, subject)
    assert changes(decided) == ["-demo-worker-2-0"]
    assert given_up(decided.status) == (1, 1)
    [event] = decided.events
    assert (event.reason, event.warning) == (reasons.WORKERS_GIVEN_UP, True)
    for words in ("with 2 of 3 workers", NO_ROOM, "add nodes", "2026-01-01T12:15:00Z"):
        assert words in event.message
    subject = after(decided, subject)
    ready = subject.status.condition(reasons.WORKERS_READY)
    assert ready is not None and (ready.status, ready.reason) == ("False", reasons.WORKERS_GIVEN_UP)
    running_ = subject.status.condition(reasons.RUNNING)
    assert running_ is not None and running_.status == "True"
    calm = decide(observed(*TRAINING, running(1)), PATIENCE + 1, subject)
    assert (calm.actions, calm.status, calm.requeue_after) == ((), None, 599)


def test_all_that_wait_are_given_up_together() -> None:
    seen = observed(*TRAINING, stuck(1), stuck(2, created=at(PATIENCE - 1)))
    decided = decide(seen, PATIENCE, job(workers=elastic(3)))
    assert changes(decided) == ["-demo-worker-1-0", "-demo-worker-2-0"]


def test_one_that_waits_for_its_next_attempt_is_not_given_up_for_another() -> None:
    subject = job(workers=elastic(4))
    train = (*TRAINING, running(1))
    failed = ended(3, 2, failures=2, rounds=9, when=at(PATIENCE - 1))
    decided = decide(observed(*train, stuck(2), failed), PATIENCE, subject)
    assert (changes(decided), given_up(decided.status)) == (["-demo-worker-2-0"], (1, 1))
    subject, leaving = after(decided, subject), stuck(2, deleting=True)
    for rest in ((leaving, failed), (failed,)):
        calm = decide(observed(*train, *rest), PATIENCE + 1, subject)
        assert (changes(calm), calm.status) == ([], None)


WAITED_FOR: dict[str, tuple[list[Pod], dict[str, Any]]] = {
    "too few train": ([running(None), running(0), stuck(1)], elastic(2, fewest=2)),
    "the writer": ([running(None), pod(0), running(1)], elastic(2)),
    "a job of fixed size": ([running(0), stuck(1)], {"replicas": 2}),
    "it has a node": ([running(None), running(0), pod(1, node="n")], elastic(2)),
}


@pytest.mark.parametrize("name", WAITED_FOR)
def test_not_given_up(name: str) -> None:
    pods, workers = WAITED_FOR[name]
    decided = decide(observed(*pods), 10 * PATIENCE, job(workers=workers))
    assert (changes(decided), given_up(decided.status)) == ([], None)


def test_they_are_tried_again_with_longer_pauses() -> None:
    subject, due = gave_up(), PATIENCE + 600
    seen = observed(*TRAINING)
    assert changes(decide(seen, due - 1, subject)) == []
    again = decide(seen, due, subject)
    assert changes(again) == ["demo-worker-1-0", "demo-worker-2-0"]
    assert [event.reason for event in again.events] == ["WorkersTriedAgain"]
    assert given_up(again.status) == (0, 1)
    subject = after(again, subject)
    seen = observed(*TRAINING, stuck(1, created=at(due)), stuck(2, created=at(due)))
    assert changes(decide(seen, due + PATIENCE - 1, subject)) == []
    decided = decide(seen, due + PATIENCE, subject)
    assert given_up(decided.status) == (2, 2)
    assert [event.reason for event in decided.events] == [reasons.WORKERS_GIVEN_UP]
    calm = decide(observed(*TRAINING), due + PATIENCE, after(decided, subject))
    assert calm.requeue_after == 1200


def test_what_was_given_up_is_forgotten_once_all_have_nodes() -> None:
    subject, due = gave_up(2), PATIENCE + 600
    subject = after(decide(observed(*TRAINING), due, subject), subject)
    seen = observed(*TRAINING, running(1, created=at(due)))
    assert given_up(decide(seen, due + 5, subject).status) is None


def test_another_spec_is_tried_at_once() -> None:
    former = gave_up()
    subject = replace(job(workers=elastic(2)), status=former.status, generation=2)
    decided = decide(observed(*TRAINING), PATIENCE + 1, subject)
    assert changes(decided) == ["demo-worker-1-0"]
    assert given_up(decided.status) is None
    assert "Resized" in [event.reason for event in decided.events]


def test_a_lost_worker_that_no_node_takes_adds_to_those_that_were_given_up() -> None:
    subject, later = job(workers=elastic(4)), PATIENCE + 400
    seen = observed(*TRAINING, running(1), stuck(2), stuck(3))
    subject = after(decide(seen, PATIENCE, subject), subject)
    assert given_up(subject.status) == (2, 1)
    seen = observed(*TRAINING, stuck(1, 1, created=at(later - PATIENCE)))
    decided = decide(seen, later, subject)
    assert (changes(decided), given_up(decided.status)) == (["-demo-worker-1-1"], (3, 2))


# --- A node that is gone -------------------------------------------------------------------------


@pytest.mark.parametrize("index", [0, 1])
def test_a_pod_that_never_ends_is_replaced_at_once_and_spends_nothing(index: int) -> None:
    """Its kubelet is gone: Kubernetes deletes the pod, and it stays."""
    subject = job(workers=elastic(2), runPolicy={"backoffLimit": 0})
    lost = running(index, ready=False, deleting=True, node="dead", failures=0)
    decided = decide(observed(running(None), running(1 - index), lost), 1, subject)
    assert changes(decided) == [f"demo-worker-{index}-1"]
    assert decided.status is not None and decided.status.restarts == 0
    gone = ended(index, reason="Error", exit_code=137, disruption="DeletionByTaintManager")
    decided = decide(observed(running(None), running(1 - index), gone), 1, subject)
    assert changes(decided) == [f"demo-worker-{index}-1"]
    assert decided.status is not None and decided.status.restarts == 0
