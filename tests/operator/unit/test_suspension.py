"""A job without pods for now."""

from dataclasses import replace
from typing import Any

from operator_support.builders import (
    DEFAULTS,
    at,
    ended,
    job,
    observed,
    pod,
    progress,
    running,
    succeeded,
    word,
)

from nerf_contract import reasons
from nerf_contract.names import LABEL_FAILURES
from nerf_contract.v1alpha1 import NeRFJobStatus
from nerf_operator.core.actions import Create, Delete, Plan
from nerf_operator.core.observed import Observed
from nerf_operator.core.plan import plan

REST = {"suspend": True}


def decide(seen: Observed, old: NeRFJobStatus | None = None, **sections: Any) -> Plan:
    return plan(job(old, **sections), seen, at(0), DEFAULTS)


def names(decided: Plan, kind: type) -> list[str]:
    found = [action for action in decided.actions if isinstance(action, kind)]
    return [a.name if isinstance(a, Delete) else a.pod["metadata"]["name"] for a in found]


def facts(decided: Plan) -> dict[str, tuple[str, str]]:
    assert decided.status is not None
    return {c.type: (c.status, c.reason) for c in decided.status.conditions}


def trained() -> NeRFJobStatus:
    """The status of a job that trains."""
    found = decide(observed(running(0), running(1), progress=progress())).status
    assert found is not None
    return found


def test_all_pods_go_and_nothing_else() -> None:
    elastic = {"replicas": 2, "min": 1}
    pods = (running(0), ended(1), running(None), running(None, component="viewer"))
    decided = decide(observed(*pods), runPolicy=REST, workers=elastic, viewer={"enabled": True})
    assert len(decided.actions) == len(names(decided, Delete)) == 4
    told = facts(decided)
    assert told["Suspended"] == ("True", "JobSuspended")
    assert told["Running"] == told["WorkersReady"] == ("False", "JobSuspended")
    assert told["Reconciling"] == ("True", "JobSuspended")
    assert told["Stalled"] == ("False", "UpToDate")


def test_what_was_reached_stays_and_the_diary_tells() -> None:
    old = trained()
    decided = decide(observed(running(0, deleting=True)), old, runPolicy=REST)
    new = decided.status
    assert new is not None
    assert (new.phase, new.progress, new.start_time) == ("Suspended", old.progress, old.start_time)
    assert [event.reason for event in decided.events] == ["Suspended"]
    assert "at step 50" in decided.events[0].message
    assert new.active is not None and new.active.since is None
    again = decide(observed(), new)
    assert names(again, Create) == ["demo-worker-0-0", "demo-worker-1-0"]
    assert "Resumed" in [event.reason for event in again.events]
    assert facts(again)["Suspended"] == ("False", "Resumed")


def test_nothing_is_made_for_a_job_that_is_suspended_from_the_first() -> None:
    decided = decide(observed(service=None, claims={}), runPolicy=REST)
    assert decided.actions == ()
    assert facts(decided)["Reconciling"] == ("False", "UpToDate")
    assert decided.status is not None and decided.status.start_time is None
    assert set(facts(decided)) == set(reasons.CONDITION_TYPES)


def test_a_pod_that_has_finished_is_heard_first() -> None:
    done = replace(succeeded(0), deleting=True)
    assert facts(decide(observed(done), runPolicy=REST))["Succeeded"][0] == "True"
    outputs = {"mesh": {}}
    decided = decide(observed(succeeded(0), running(1)), runPolicy=REST, outputs=outputs)
    assert names(decided, Delete) == ["demo-worker-1-0"]
    assert facts(decided)["Trained"][0] == "True"
    assert facts(decided)["Suspended"][0] == "True"


def test_what_ended_without_having_finished_goes_too() -> None:
    left = word(reasons.WORKER_LEFT)
    pods = [ended(each, exit_code=0, phase="Succeeded", message=left) for each in (None, 0)]
    decided = decide(observed(*pods), runPolicy=REST, workers={"replicas": 2, "min": 1})
    assert names(decided, Delete) == ["demo-coordinator-0", "demo-worker-0-0"]


def test_new_pods_do_not_wait_for_those_that_leave() -> None:
    left = running(0, attempt=2, deleting=True), pod(1, deleting=True)
    assert names(decide(observed(*left)), Create) == ["demo-worker-0-3", "demo-worker-1-1"]


FORMER = {"deleting": True, "failures": 6, "rounds": 5, "avoided": ("node-1",), "created": at(-9)}


def made(decided: Plan) -> list[tuple[str, str, bool]]:
    """Names of the pods to make, their count of failures, and whether they avoid nodes."""
    pods = [action.pod for action in decided.actions if isinstance(action, Create)]
    return [
        (
            pod["metadata"]["name"],
            pod["metadata"]["labels"][LABEL_FAILURES],
            "node-1" in str(pod["spec"]),
        )
        for pod in pods
    ]


def test_the_budget_is_fresh_though_former_pods_still_leave() -> None:
    one = {"replicas": 1}
    seen = observed(running(0, attempt=2, **FORMER))
    assert made(decide(seen, workers=one)) == [], "it was not suspended, and backs off"
    suspended = decide(seen, runPolicy=REST, workers=one).status
    resumed = decide(seen, suspended, workers=one)
    assert made(resumed) == [("demo-worker-0-3", "0", False)]
    assert made(decide(seen, resumed.status, workers=one)) == [("demo-worker-0-3", "0", False)]


def test_what_failed_before_the_first_status_counts() -> None:
    one, early = {"replicas": 1}, running(0, attempt=2, **FORMER)
    never = decide(observed(), workers=one).status
    assert made(decide(observed(early), never, workers=one)) == [], "it backs off"


def test_what_failed_since_the_job_was_resumed_counts() -> None:
    one, former = {"replicas": 1}, running(0, attempt=2, **FORMER)
    suspended = decide(observed(former), runPolicy=REST, workers=one).status
    resumed = decide(observed(former), suspended, workers=one).status
    for later in (ended(0, 3), running(0, 3, failures=1, deleting=True, created=at(5))):
        decided = decide(observed(former, later), resumed, workers=one)
        assert made(decided) == [("demo-worker-0-4", "1", False)]
