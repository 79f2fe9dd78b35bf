"""What is left of a job that has ended."""

from dataclasses import replace
from typing import Any

import pytest
from operator_support.builders import (
    DEFAULTS,
    UID,
    at,
    claim,
    ended,
    job,
    observed,
    running,
    succeeded,
    word,
)

from nerf_contract import reasons
from nerf_contract.v1alpha1 import NeRFJobStatus
from nerf_operator.core.actions import Delete, DeleteJob, Plan, Release
from nerf_operator.core.observed import Observed, Pod
from nerf_operator.core.plan import plan

BAD = ended(0, message=word(reasons.DATASET_INVALID))
GOOD = succeeded(0)
LONG = 1000.0
RETAINED = {"checkpoint": {"volume": {"retentionPolicy": "Retain"}}}


def decide(
    seen: Observed, old: NeRFJobStatus | None = None, seconds: float = 0, **sections: Any
) -> Plan:
    return plan(job(old, **sections), seen, at(seconds), DEFAULTS)


def over(*pods: Pod, **sections: Any) -> NeRFJobStatus:
    """The status of a job that has just ended with these pods."""
    found = decide(observed(*pods), **sections).status
    assert found is not None and found.completion_time is not None
    return found


def deleted(decided: Plan) -> list[str]:
    return [action.name for action in decided.actions if isinstance(action, Delete)]


def released(decided: Plan) -> list[str]:
    return [action.name for action in decided.actions if isinstance(action, Release)]


#: (policy, first pod) -> pods that are deleted in the pass that ends the job, and long after
CLEANED: dict[tuple[str, str], tuple[list[str], list[str]]] = {
    ("Running", "bad"): (["demo-worker-1-0"], ["demo-worker-1-0"]),
    ("None", "bad"): ([], []),
    ("All", "bad"): (["demo-worker-1-0"], ["demo-worker-1-0", "demo-worker-0-0"]),
    ("Running", "good"): ([], ["demo-worker-1-0"]),
    ("None", "good"): ([], []),
    ("All", "good"): ([], ["demo-worker-1-0", "demo-worker-0-0"]),
}


@pytest.mark.parametrize(("policy", "end"), CLEANED)
def test_clean_pod_policy(policy: str, end: str) -> None:
    """No pod that has ended goes before the status tells what it had to tell."""
    pods = (BAD if end == "bad" else GOOD, running(1))
    sections = {"runPolicy": {"cleanPodPolicy": policy}}
    at_once, later = CLEANED[policy, end]
    assert deleted(decide(observed(*pods), **sections)) == at_once
    status = over(*pods, **sections)
    assert deleted(decide(observed(*pods), status, LONG, **sections)) == later


def test_a_pod_that_someone_else_has_deleted_is_not_deleted_again() -> None:
    policy = {"cleanPodPolicy": "All"}
    status, gone = over(BAD, runPolicy=policy), replace(BAD, gone=True)
    assert deleted(decide(observed(gone), status, LONG, runPolicy=policy)) == []


@pytest.mark.parametrize("end", [BAD, GOOD])
def test_a_coordinator_which_never_ends_by_itself_is_never_left(end: Pod) -> None:
    sections = {"runPolicy": {"cleanPodPolicy": "None"}, "workers": {"replicas": 2, "min": 1}}
    pods = (running(None), end, running(1))
    status = over(*pods, **sections)
    decided = decide(observed(*pods), status, LONG, **sections)
    assert deleted(decided) == ["demo-coordinator-0"]


def test_a_deadline_stops_pods_that_would_be_left_alone() -> None:
    policy = {"cleanPodPolicy": "None", "activeDeadlineSeconds": 5}
    begun = decide(observed(running(0), running(1)), runPolicy=policy).status
    decided = decide(observed(running(0), running(1)), begun, 5, runPolicy=policy)
    assert deleted(decided) == ["demo-worker-0-0", "demo-worker-1-0"]


def test_the_viewer_of_a_trained_scene_stays_and_may_begin_without_pods_that_ended() -> None:
    policy, viewer = {"cleanPodPolicy": "All"}, {"enabled": True}
    shown = running(None, component="viewer", node="node-1")
    status = over(GOOD, runPolicy=policy, viewer=viewer)
    decided = decide(observed(GOOD, shown), status, LONG, runPolicy=policy, viewer=viewer)
    assert deleted(decided) == ["demo-worker-0-0"]
    alone = decide(observed(), status, LONG, runPolicy=policy, viewer=viewer)
    made = [a.pod["metadata"]["name"] for a in alone.actions if hasattr(a, "pod")]
    assert made == ["demo-viewer-0"]


def test_a_job_goes_when_its_time_to_live_is_over() -> None:
    policy = {"ttlSecondsAfterFinished": 60}
    status = over(GOOD, runPolicy=policy)
    early = decide(observed(GOOD), status, 59, runPolicy=policy)
    assert (early.actions, early.requeue_after) == ((), 1)
    assert decide(observed(GOOD), status, 60, runPolicy=policy).actions == (DeleteJob(UID),)
    assert decide(observed(GOOD), status, LONG).actions == ()


def test_a_claim_is_let_go_of_before_the_job_goes() -> None:
    policy = {"ttlSecondsAfterFinished": 0}
    mine = claim("demo-checkpoint", "ReadWriteOnce", owner=UID)
    seen = observed(GOOD, claims={mine.name: mine})
    decided = decide(seen, over(GOOD), 1, runPolicy=policy, **RETAINED)
    assert decided.actions == (Release(mine.name, mine.uid),)
    refused = replace(seen, refused="403: no")
    assert decide(refused, over(GOOD), 1, runPolicy=policy, **RETAINED).requeue_after == 5
    assert decide(refused, over(GOOD), LONG, runPolicy=policy, **RETAINED).requeue_after == 60
    free = observed(GOOD, claims={mine.name: replace(mine, owner="")})
    later = decide(free, over(GOOD), 1, runPolicy=policy, **RETAINED)
    assert later.actions == (DeleteJob(UID),)


def test_a_claim_that_may_not_be_let_go_of_is_tried_again_though_the_job_stays() -> None:
    mine = claim("demo-checkpoint", "ReadWriteOnce", owner=UID)
    seen = observed(GOOD, claims={mine.name: mine})
    assert decide(seen, over(GOOD), LONG, **RETAINED).requeue_after is None
    refused = replace(seen, refused="403: no")
    assert decide(refused, over(GOOD), 1, **RETAINED).requeue_after == 5
    assert decide(refused, over(GOOD), LONG, **RETAINED).requeue_after == 60


@pytest.mark.parametrize("owner", [UID, ""])
@pytest.mark.parametrize("over_already", [False, True])
@pytest.mark.parametrize("last", [GOOD, BAD], ids=["good", "bad"])
def test_a_claim_that_is_to_be_retained_is_let_go_of_once(
    owner: str, over_already: bool, last: Pod
) -> None:
    mine = claim("demo-checkpoint", "ReadWriteOnce", owner=owner)
    seen = observed(last, claims={"photos": claim(), "demo-checkpoint": mine})
    status = over(last) if over_already else None
    decided = decide(seen, status, LONG, **RETAINED)
    assert released(decided) == (["demo-checkpoint"] if owner else [])


def test_a_claim_is_let_go_of_though_the_job_cannot_go_on() -> None:
    mine = claim("demo-checkpoint", "ReadWriteOnce", owner=UID)
    decided = decide(observed(claims={mine.name: mine}), **RETAINED)
    assert released(decided) == ["demo-checkpoint"]


def test_a_claim_that_was_retained_is_never_taken_back() -> None:
    mine = claim("demo-checkpoint", "ReadWriteOnce", owner="")
    seen = observed(running(0), running(1), claims={"photos": claim(), mine.name: mine})
    assert decide(seen).actions == ()


def test_a_change_after_the_end_is_seen_once_and_changes_nothing_else() -> None:
    """Tools that compare generations would wait for ever otherwise."""
    status = over(GOOD)
    changed = replace(job(status), generation=2)
    found = plan(changed, observed(GOOD), at(LONG), DEFAULTS).status
    assert found is not None and found.observed_generation == 2
    assert {c.observed_generation for c in found.conditions} == {2}
    assert [(c.type, c.message, c.last_transition_time) for c in found.conditions] == [
        (c.type, c.message, c.last_transition_time) for c in status.conditions
    ]
    again = plan(replace(changed, status=found), observed(GOOD), at(LONG), DEFAULTS)
    assert again.status is None
