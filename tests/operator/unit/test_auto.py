"""The size of an Auto job: from the allocator's answer to the status, and from there to pods."""

from dataclasses import replace
from typing import Any

import pytest
from operator_support.builders import (
    DEFAULTS,
    NOW,
    at,
    job,
    observed,
    pod,
    progress,
    running,
    succeeded,
)

from nerf_contract import reasons
from nerf_contract.v1alpha1 import AllocationStatus
from nerf_operator.allocation.model import Allocation
from nerf_operator.core import auto
from nerf_operator.core.actions import Create, Delete, Plan
from nerf_operator.core.observed import Job, Observed, Pod
from nerf_operator.core.plan import plan

WORKERS = {"min": 1, "max": 4, "gpusPerWorker": 1}
AUTO: dict[str, Any] = {"scaling": {"policy": "Auto"}, "workers": WORKERS}
TRAINING = (running(None), running(0), running(1))
GROWN = Allocation(2, reasons.GROWN, "From 1 to 2 workers.", before=1)


def after(subject: Job, seen: Observed, seconds: float = 0) -> tuple[Job, Plan]:
    """The job as one pass leaves it, and what the pass did."""
    decided = plan(subject, seen, at(seconds), DEFAULTS)
    return replace(subject, status=decided.status or subject.status), decided


def admitted(count: int = 2) -> Job:
    """A job that was given so many workers at NOW."""
    fresh, _ = after(job(**AUTO), observed())
    answer = Allocation(count, reasons.ADMITTED, f"Starts with {count} workers.")
    return after(fresh, observed(allocation=answer))[0]


def allocation(subject: Job) -> AllocationStatus:
    assert subject.status.allocation is not None
    return subject.status.allocation


def pods(decided: Plan) -> list[str]:
    made = [a.pod["metadata"]["name"] for a in decided.actions if isinstance(a, Create)]
    return made + [f"-{a.name}" for a in decided.actions if isinstance(a, Delete)]


def told(decided: Plan) -> list[str]:
    return [event.reason for event in decided.events]


def condition(subject: Job, type_: str) -> tuple[str, str]:
    found = subject.status.condition(type_)
    assert found is not None
    return found.status, found.reason


# --- From an answer to pods ----------------------------------------------------------------------


def test_no_pods_before_there_is_an_answer() -> None:
    fresh, decided = after(job(**AUTO), observed())
    assert pods(decided) == []
    assert (allocation(fresh).workers, allocation(fresh).reason) == (0, reasons.NOT_DECIDED)
    assert condition(fresh, reasons.RUNNING) == ("False", reasons.NOT_DECIDED)
    assert condition(fresh, reasons.STALLED)[0] == "False"
    assert auto.competes(fresh)
    assert not auto.competes(job(**AUTO))


def test_an_answer_is_written_before_it_is_acted_on() -> None:
    fresh, _ = after(job(**AUTO), observed())
    seen = observed(allocation=Allocation(2, reasons.ADMITTED, "Starts with 2 workers."))
    known, decided = after(fresh, seen, 3)
    assert (pods(decided), told(decided)) == ([], [reasons.ADMITTED])
    assert (allocation(known).workers, allocation(known).since) == (2, "2026-01-01T12:00:03Z")
    known, decided = after(known, seen, 4)
    assert pods(decided) == ["demo-coordinator-0", "demo-worker-0-0", "demo-worker-1-0"]
    assert known.status.workers is not None and known.status.workers.wanted == 2
    assert "Resized" not in told(decided)
    assert allocation(known).since == "2026-01-01T12:00:03Z"


def test_a_new_operator_goes_on_from_the_status() -> None:
    _, decided = after(admitted(2), observed(*TRAINING), 60)
    assert pods(decided) == []


def test_a_job_grows_and_shrinks() -> None:
    known = after(admitted(1), observed(*TRAINING[:2]))[0]
    known, decided = after(known, observed(*TRAINING[:2], allocation=GROWN), 30)
    assert told(decided) == [reasons.GROWN]
    known, decided = after(known, observed(*TRAINING[:2]), 31)
    assert pods(decided) == ["demo-worker-1-0"]
    shrunk = Allocation(1, reasons.SHRUNK, "From 2 to 1 worker.", before=2)
    known, decided = after(known, observed(*TRAINING, allocation=shrunk), 60)
    assert told(decided) == [reasons.SHRUNK]
    assert pods(after(known, observed(*TRAINING), 61)[1]) == ["-demo-worker-1-0"]


def test_another_reason_alone_is_no_event_and_no_other_size() -> None:
    known, before = admitted(2), allocation(admitted(2))
    known, decided = after(known, observed(*TRAINING), 1)
    balanced = Allocation(2, reasons.BALANCED, "2 workers: others gain more.", before=2)
    known, decided = after(known, observed(*TRAINING, allocation=balanced), 30)
    assert told(decided) == []
    assert (allocation(known).reason, allocation(known).since) == (reasons.BALANCED, before.since)
    again = replace(balanced, message="The same, in other words.")
    assert after(known, observed(*TRAINING, allocation=again), 31)[1].status is None


@pytest.mark.parametrize("before", [0, 3])
def test_an_answer_that_is_out_of_date_counts_for_nothing(before: int) -> None:
    old = Allocation(4, reasons.GROWN, "From another size.", before)
    known = after(admitted(2), observed(*TRAINING))[0]
    assert allocation(after(known, observed(*TRAINING, allocation=old), 5)[0]).workers == 2


def test_who_loses_all_gpus_waits_without_pods() -> None:
    known = after(admitted(2), observed(*TRAINING))[0]
    lost = Allocation(0, reasons.CAPACITY_LOST, "GPUs were lost.", before=2)
    known, decided = after(known, observed(*TRAINING, allocation=lost), 9)
    assert [(e.reason, e.warning) for e in decided.events] == [(reasons.CAPACITY_LOST, True)]
    known, decided = after(known, observed(*TRAINING), 10)
    assert pods(decided) == ["-demo-coordinator-0", "-demo-worker-0-0", "-demo-worker-1-0"]
    assert condition(known, reasons.RUNNING) == ("False", reasons.CAPACITY_LOST)
    assert known.status.phase == "Pending"


def test_that_it_waits_is_told_once() -> None:
    fresh, _ = after(job(**AUTO), observed())
    waits = Allocation(0, reasons.WAITING_FOR_GPUS, "Waiting for 1 worker of 1 GPU.")
    known, decided = after(fresh, observed(allocation=waits), 3)
    assert told(decided) == [reasons.WAITING_FOR_GPUS]
    known, _ = after(known, observed(allocation=waits), 4)
    ready = known.status.condition(reasons.WORKERS_READY)
    assert ready is not None and ready.message == waits.message
    older = Allocation(0, reasons.WAITING_FOR_OLDER_JOB, "Another one is first.")
    assert told(after(known, observed(allocation=older), 9)[1]) == []


@pytest.mark.parametrize("reason", [reasons.EXCEEDS_CAPACITY, reasons.CAPACITY_UNKNOWN])
def test_what_only_a_person_can_change_stalls_the_job(reason: str) -> None:
    fresh, _ = after(job(**AUTO), observed())
    known, _ = after(fresh, observed(allocation=Allocation(0, reason, "Add nodes.")), 3)
    known, decided = after(known, observed(), 4)
    assert condition(known, reasons.STALLED) == ("True", reason)
    assert told(decided) == [reason]


def test_whoever_does_not_train_needs_no_gpus() -> None:
    done = succeeded(0)
    known, _ = after(admitted(2), observed(running(None), done, running(1)), 90)
    assert (allocation(known).workers, allocation(known).reason) == (0, reasons.NOT_TRAINING)
    assert allocation(known).requested is None
    assert not auto.competes(known)


def test_a_suspended_job_lets_go_and_asks_again() -> None:
    seen = observed(*TRAINING, progress=progress(world_size=2, rays_per_second=900.4))
    known = after(after(admitted(2), seen, 5)[0], seen, 25)[0]
    paused = replace(job(known.status, **AUTO, runPolicy={"suspend": True}), generation=2)
    assert not auto.competes(paused)
    rests, decided = after(paused, seen, 50)
    assert (allocation(rests).workers, told(decided)) == (0, ["Suspended"])
    assert auto.request(rests, least_cost=5.0).points == ((2, 900.0),)
    woken, _ = after(replace(job(rests.status, **AUTO), generation=3), observed(), 70)
    found = allocation(woken)
    assert (found.workers, found.requested) == (0, "2026-01-01T12:01:10Z")
    assert auto.request(woken, least_cost=5.0).points == ((2, 900.0),)
    assert auto.competes(woken)


def test_workers_that_were_given_up_are_tried_again_with_another_size() -> None:
    waits = pod(1, unschedulable="no room")
    known = after(admitted(2), observed(running(None), running(0), waits))[0]
    known, _ = after(known, observed(running(None), running(0), waits), 301)
    assert known.status.workers is not None and known.status.workers.given_up is not None
    one = Allocation(1, reasons.SHRUNK, "From 2 to 1 worker.", before=2)
    known, _ = after(known, observed(running(None), running(0), allocation=one), 302)
    known, decided = after(known, observed(running(None), running(0)), 303)
    assert pods(decided) == []
    assert known.status.workers is not None and known.status.workers.given_up is None


# --- What the allocator is told ------------------------------------------------------------------


def test_a_request() -> None:
    seen = observed(
        *TRAINING,
        progress=progress(step=50, total_steps=200, last_regroup_seconds=8.0),
    )
    given = AUTO | {"training": {"steps": 200, "raysPerBatch": 1024}}
    known = replace(job(admitted(2).status, **given))
    known = after(after(known, seen, 5)[0], seen, 25)[0]
    found = auto.request(known, least_cost=5.0)
    assert (found.name, found.min, found.max, found.gpus_per_worker) == ("lab/demo", 1, 4, 1)
    assert (found.workers, found.remaining) == (2, 150 * 1024)
    assert found.arrived == found.since == NOW.timestamp()
    assert (found.points, found.rescale_cost) == (((2, 1234.0),), 8.0)
    assert auto.request(known, least_cost=20.0).rescale_cost == 20.0
    assert auto.request(admitted(2), least_cost=5.0).rescale_cost is None


def test_a_job_of_fixed_size_has_no_allocation() -> None:
    seen: list[Pod] = [running(0), running(1)]
    known, _ = after(job(), observed(*seen, allocation=GROWN))
    assert known.status.allocation is None
    assert not auto.competes(known)
