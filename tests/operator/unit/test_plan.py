"""The decision of a pass, seen as a whole."""

from dataclasses import replace
from typing import Any

import pytest
from operator_support.builders import (
    DEFAULTS,
    IMAGE,
    NOW,
    PINNED,
    UID,
    at,
    claim,
    ended,
    job,
    observed,
    pod,
    progress,
    running,
    service,
    succeeded,
    word,
)

from nerf_contract import names, reasons
from nerf_contract.progress import CheckpointFailure
from nerf_contract.v1alpha1 import NeRFJobStatus
from nerf_operator.core.actions import NOTHING, Apply, Create, Delete, DrawToken, Plan
from nerf_operator.core.farewell import FAREWELL
from nerf_operator.core.observed import Claim, Job, Observed
from nerf_operator.core.plan import plan


def decide(subject: Job, seen: Observed, seconds: float = 0) -> Plan:
    return plan(subject, seen, at(seconds), DEFAULTS)


def created(decided: Plan) -> list[str]:
    return [a.pod["metadata"]["name"] for a in decided.actions if isinstance(a, Create)]


def deleted(decided: Plan) -> list[str]:
    return [a.name for a in decided.actions if isinstance(a, Delete)]


def applied(decided: Plan) -> list[str]:
    return [a.child["metadata"]["name"] for a in decided.actions if isinstance(a, Apply)]


def status_of(decided: Plan) -> NeRFJobStatus:
    assert decided.status is not None
    return decided.status


def reason(status: NeRFJobStatus, type_: str) -> tuple[str, str]:
    condition = status.condition(type_)
    assert condition is not None
    return condition.status, condition.reason


def test_first_pass_makes_everything_at_once() -> None:
    first = decide(job(), Observed(claims={"photos": claim()}))
    assert applied(first) == ["demo", "demo-checkpoint"]
    assert created(first) == ["demo-worker-0-0", "demo-worker-1-0"]
    assert first.events == ()
    status = status_of(first)
    assert [c.type for c in status.conditions] == list(reasons.CONDITION_TYPES)
    assert (status.phase, status.workers and status.workers.summary) == ("Pending", "0/2")
    assert status.selector == "nerfops.dev/job=demo,app.kubernetes.io/component=worker"


def test_a_token_is_drawn_before_members_of_the_group_are_made() -> None:
    seen = observed(running(0))
    [first, second, *_] = decide(job(), seen).actions
    assert isinstance(first, DrawToken) and isinstance(second, Create)
    assert first.secret["metadata"]["name"] == f"demo-group-{job().uid[:8]}"
    assert first.secret["metadata"]["ownerReferences"][0]["uid"] == job().uid
    assert "data" not in first.secret and "stringData" not in first.secret
    again = decide(replace(job(), uid="another-life"), Observed(claims=seen.claims))
    [token] = [a for a in again.actions if isinstance(a, DrawToken)]
    assert token.secret["metadata"]["name"] == "demo-group-another-"


def test_a_claim_of_the_users_is_not_made() -> None:
    own = {"volume": {"claimName": "results"}}
    seen = Observed(claims={c.name: c for c in (claim(), claim("results"))})
    assert applied(decide(job(checkpoint=own), seen)) == ["demo"]


def test_an_elastic_job_gets_its_coordinator_first() -> None:
    elastic = job(workers={"replicas": 1, "min": 1, "max": 3})
    assert created(decide(elastic, observed())) == ["demo-coordinator-0", "demo-worker-0-0"]


@pytest.mark.parametrize(("phase", "code"), [("Failed", 1), ("Succeeded", 0)])
def test_the_coordinator_is_replaced_under_the_next_attempt(phase: str, code: int) -> None:
    elastic = job(workers={"replicas": 1, "min": 1, "max": 3})
    over = ended(None, message="boom", phase=phase, exit_code=code)
    decided = decide(elastic, observed(over, running(0)))
    assert created(decided) == ["demo-coordinator-1"]
    assert status_of(decided).restarts == 0
    [made] = [a for a in decided.actions if isinstance(a, Create)]
    assert made.event is not None and made.event.reason == "CoordinatorReplaced"
    late = [ended(None, 4, rounds=4, phase=phase, exit_code=code), running(0)]
    assert created(decide(elastic, observed(*late))) == []


def test_a_coordinator_that_no_node_takes_is_told() -> None:
    elastic = job(workers={"replicas": 1, "min": 1, "max": 3})
    stuck = pod(None, unschedulable="0/1 nodes are available: 1 Insufficient cpu.")
    decided = decide(elastic, observed(stuck, pod(0, node="n1", phase="Running")))
    stalled = status_of(decided).condition(reasons.STALLED)
    assert stalled is not None and stalled.reason == reasons.UNSCHEDULABLE
    assert "No node takes demo-coordinator-0" in stalled.message
    assert "50m of CPU" in stalled.message


def test_a_training_that_cannot_be_kept_goes_on_and_says_so() -> None:
    failure = CheckpointFailure(since="2026-01-01T11:00:00Z", message="No space left on device")
    seen = observed(running(0), running(1), progress=progress(checkpoint_failure=failure))
    found = status_of(decide(job(), seen)).condition("Running")
    assert found is not None
    assert (found.status, "No space left on device" in found.message) == ("True", True)


def test_nothing_to_do() -> None:
    seen = observed(running(0), running(1))
    first = decide(job(), seen)
    again = decide(job(status=first.status), seen, seconds=3600)
    assert (first.actions, again.actions, again.status, again.events) == ((), (), None, ())
    assert again.probe == "10.0.0.1"


@pytest.mark.parametrize("seen", [Observed(), observed(running(0))], ids=["new", "running"])
def test_a_job_that_is_being_deleted_is_left_alone(seen: Observed) -> None:
    assert decide(job(deleting=True), seen) == NOTHING


def test_a_spec_that_makes_no_sense_is_told_and_leaves_pods_alone() -> None:
    broken = replace(job(), spec=None, error="spec.training.steps: Input should be positive")
    decided = decide(broken, observed(running(0), running(1)))
    assert decided.actions == ()
    stalled = status_of(decided).condition(reasons.STALLED)
    assert stalled is not None
    assert (stalled.status, stalled.reason) == ("True", reasons.INVALID_SPEC)
    assert "spec.training.steps" in stalled.message


def test_a_spec_that_makes_no_sense_leaves_what_was_wanted_as_it_was() -> None:
    seen = observed(running(0), running(1))
    before = status_of(decide(job(), seen))
    broken = replace(job(status=before), spec=None, error="spec.training.steps: too many")
    decided = decide(broken, seen)
    after = status_of(decided)
    assert after.workers == before.workers
    assert reason(after, reasons.RUNNING) == ("True", reasons.TRAINING)
    assert reason(after, reasons.STALLED) == ("True", reasons.INVALID_SPEC)
    assert reason(after, reasons.RECONCILING)[0] == "False"
    assert [event.reason for event in decided.events] == [reasons.INVALID_SPEC]


def test_a_spec_that_never_made_sense_wants_no_worker() -> None:
    broken = replace(job(), spec=None, error="spec.training.steps: too many")
    never = status_of(decide(broken, Observed()))
    assert never.workers is not None
    assert never.workers.summary == "0/0"
    for type_ in (reasons.RUNNING, reasons.WORKERS_READY):
        assert reason(never, type_) == ("False", reasons.INVALID_SPEC)
    mended = decide(job(status=never), observed())
    assert "Resized" not in [event.reason for event in mended.events]


def test_no_pods_without_the_claim() -> None:
    decided = decide(job(), Observed())
    assert decided.actions == ()
    assert reason(status_of(decided), reasons.STALLED) == ("True", reasons.CLAIM_NOT_FOUND)
    assert reason(status_of(decided), reasons.RECONCILING)[0] == "False"


@pytest.mark.parametrize("left", [{}, {"demo-checkpoint": claim("demo-checkpoint", deleting=True)}])
def test_a_lost_checkpoint_volume_is_not_made_anew_in_silence(left: dict[str, Claim]) -> None:
    """Nor are workers made that need none, and would begin from nothing."""
    trained = status_of(
        decide(
            job(),
            observed(
                running(0),
                running(1),
                progress=progress(checkpoint={"step": 40, "time": "2026-01-01T00:00:00Z"}),
            ),
        )
    )
    decided = decide(job(status=trained), observed(claims={"photos": claim()} | left))
    stalled = status_of(decided).condition(reasons.STALLED)
    assert decided.actions == ()
    assert stalled is not None and stalled.reason == reasons.CLAIM_NOT_FOUND
    assert ("being deleted" if left else "was deleted") in stalled.message
    assert "the checkpoint of step 40" in stalled.message


def test_the_image_of_the_first_worker_is_pinned() -> None:
    seen = observed(running(0, image_id=PINNED))
    first = decide(job(), seen)
    assert status_of(first).image == PINNED
    later = decide(job(status=first.status, image="other:2"), observed())
    images = {a.pod["spec"]["containers"][0]["image"] for a in later.actions if _is_pod(a)}
    assert images == {PINNED}


def _is_pod(action: object) -> bool:
    return isinstance(action, Create)


def test_an_image_without_a_digest_reference_keeps_its_tag() -> None:
    local = "sha256:" + "c" * 64
    decided = decide(job(), observed(running(0, image_id=local)))
    assert status_of(decided).image == f"{IMAGE} ({local})"
    [second] = [a for a in decided.actions if isinstance(a, Create)]
    assert second.pod["spec"]["containers"][0]["image"] == IMAGE


def test_a_worker_is_replaced_with_a_reason() -> None:
    decided = decide(job(), observed(running(0), ended(1, message="boom")))
    [creation] = [a for a in decided.actions if isinstance(a, Create)]
    assert creation.event is not None
    assert creation.event.message == (
        "Worker 1 gets attempt 1: demo-worker-1-0 ended with WorkerCrashed: exit code 1: boom."
    )
    assert creation.pod["metadata"]["labels"][names.LABEL_FAILURES] == "1"
    assert reason(status_of(decided), reasons.WORKERS_READY)[1] == reasons.RESTARTING_WORKERS
    assert status_of(decided).restarts == 1


def test_back_off_asks_for_another_pass() -> None:
    decided = decide(job(), observed(running(0), ended(1, 2, failures=2, rounds=2)))
    assert created(decided) == []
    assert decided.requeue_after == 2.0


def test_an_old_failed_pod_is_removed() -> None:
    pods = (running(0), ended(1, 0), ended(1, 1, failures=1), running(1, 2, failures=2))
    assert deleted(decide(job(), observed(*pods))) == ["demo-worker-1-0"]


def test_workers_that_are_not_wanted_are_removed() -> None:
    fewer = job(workers={"replicas": 1})
    assert deleted(decide(fewer, observed(running(0), running(1)))) == ["demo-worker-1-0"]


def test_of_two_pods_of_one_place_the_newer_stays() -> None:
    decided = decide(job(), observed(running(0), running(0, 1), running(1)))
    assert deleted(decided) == ["demo-worker-0-0"]


def test_success_gives_the_others_a_moment() -> None:
    seen = observed(succeeded(0), running(1))
    decided = decide(job(), seen)
    assert decided.actions == ()
    assert decided.requeue_after == FAREWELL.total_seconds()
    status = status_of(decided)
    assert (status.phase, status.progress and status.progress.step) == ("Succeeded", 200)
    after = decide(job(status=status), seen, FAREWELL.total_seconds())
    assert deleted(after) == ["demo-worker-1-0"]


def test_failure_stops_what_runs_and_keeps_the_logs() -> None:
    seen = observed(running(0), ended(1, message=word(reasons.CUDA_UNAVAILABLE, "no driver")))
    decided = decide(job(), seen)
    assert deleted(decided) == ["demo-worker-0-0"]
    status = status_of(decided)
    assert reason(status, reasons.FAILED) == ("True", reasons.CUDA_UNAVAILABLE)
    assert reason(status, reasons.STALLED) == ("True", reasons.JOB_FAILED)
    assert status.completion_time is not None
    assert status.restarts == 0


def test_an_ended_job_stays_ended() -> None:
    done = status_of(decide(job(), observed(succeeded(0), succeeded(1))))
    for seen in (observed(), Observed(), observed(ended(0, message=word(reasons.CRASHED)))):
        assert decide(job(status=done), seen) == Plan()


def test_a_worker_that_finished_early_stays_finished() -> None:
    assert created(decide(job(), observed(running(0), succeeded(1)))) == []


def test_workers_that_end_one_after_the_other_are_no_interruption() -> None:
    training = decide(job(), observed(running(0), running(1)))
    seen = observed(running(0), succeeded(1))
    early = decide(job(status=training.status), seen)
    assert (early.events, early.requeue_after) == ((), FAREWELL.total_seconds())
    assert reason(status_of(early), reasons.RUNNING) == ("True", reasons.TRAINING)
    late = decide(job(status=training.status), seen, FAREWELL.total_seconds())
    assert [event.reason for event in late.events] == ["TrainingInterrupted"]


def test_a_worker_that_finished_is_called_back_by_a_new_writer() -> None:
    late = running(0, 1, created=at(5))
    assert created(decide(job(), observed(late, succeeded(1)))) == ["demo-worker-1-1"]


def test_an_elastic_job_that_trains_with_fewer_is_not_stalled() -> None:
    elastic = job(workers={"replicas": 2, "min": 1, "max": 2})
    seen = observed(running(None), running(0), pod(1, unschedulable="no room"))
    status = status_of(decide(elastic, seen))
    assert reason(status, reasons.RUNNING) == ("True", reasons.TRAINING)
    assert reason(status, reasons.WORKERS_READY) == ("False", reasons.UNSCHEDULABLE)
    assert reason(status, reasons.STALLED)[0] == "False"


def test_a_service_of_a_former_job_of_that_name_is_waited_for() -> None:
    decided = decide(job(), observed(service=service(owner="former")))
    assert decided.actions == ()
    assert reason(status_of(decided), reasons.STALLED)[1] == "NameTaken"


#: An archive's photos lie on a claim of the job.
ARCHIVE = {"archive": {"url": "https://example.com/a.zip", "sha256": "0" * 64}}


@pytest.mark.parametrize("name", ["demo-dataset", "demo-checkpoint"])
@pytest.mark.parametrize("state", [{"owner": "former"}, {"owner": UID, "deleting": True}])
def test_a_claim_of_a_former_job_of_that_name_is_waited_for(
    name: str, state: dict[str, Any]
) -> None:
    former = {name: claim(name, **state)}
    decided = decide(job(dataset=ARCHIVE), observed(claims=former))
    assert decided.actions == ()
    stalled = status_of(decided).condition(reasons.STALLED)
    assert stalled is not None and stalled.reason == reasons.NAME_TAKEN
    assert f"{name!r} is being deleted" in stalled.message
    retained = decide(job(dataset=ARCHIVE), observed(claims={name: claim(name)}))
    assert created(retained) == ["demo-download-0"] and name not in applied(retained)


@pytest.mark.parametrize(("lasted", "wait"), [(1, 5), (200, 20), (86_400, 60)])
def test_what_is_not_admitted_is_tried_again_ever_more_rarely(lasted: float, wait: float) -> None:
    seen = observed(refused="403: exceeded quota: small")
    first = decide(job(), seen)
    assert first.requeue_after == 5
    assert reason(status_of(first), reasons.STALLED) == ("True", reasons.REJECTED)
    assert decide(job(first.status), seen, lasted).requeue_after == wait


def test_a_changed_service_is_taken_back() -> None:
    changed = service(selector={"app": "other"})
    [action] = decide(job(), observed(running(0), running(1), service=changed)).actions
    assert isinstance(action, Apply) and action.force


@pytest.mark.parametrize("elastic", [False, True])
def test_the_service_leaves_a_coordinator_whose_node_is_lost(elastic: bool) -> None:
    """Its pod stays, deleted and beyond reach, beside the one in its place."""
    workers = {"replicas": 2} | ({"min": 1, "max": 2} if elastic else {})
    host = None if elastic else 0
    pods = [running(host, deleting=True), running(host, attempt=1), running(1)]
    pods += [running(0)] if elastic else []
    subject = job(workers=workers)
    [moved] = [a for a in decide(subject, observed(*pods)).actions if isinstance(a, Apply)]
    selector = moved.child["spec"]["selector"]
    assert moved.force and selector[names.LABEL_ATTEMPT] == "1"
    settled = decide(subject, observed(*pods, service=service(selector=selector)))
    assert not [a for a in settled.actions if isinstance(a, Apply)]


def test_progress_is_told_together_with_running_not_ahead_of_it() -> None:
    first = status_of(decide(job(), observed(running(0), progress=progress(step=50))))
    assert (first.phase, first.progress) == ("Pending", None)
    seen = observed(running(0), running(1), progress=progress(step=50))
    both = decide(job(first), seen)
    status = status_of(both)
    assert (status.phase, status.progress and status.progress.step) == ("Running", 50)
    assert [event.reason for event in both.events] == ["TrainingStarted"]


def test_progress_is_written_at_a_gentle_pace() -> None:
    seen = observed(running(0), running(1), progress=progress(step=50))
    before = job(status=decide(job(), seen).status)
    more = replace(seen, progress=progress(step=60), status_written=NOW)
    early, due = decide(before, more, 0.5), decide(before, more, 2)
    assert (early.status, early.requeue_after) == (None, 1.5)
    assert due.status is not None and due.events == ()


def test_a_change_of_state_is_written_at_once() -> None:
    seen = observed(running(0), running(1), status_written=NOW)
    before = job(status=decide(job(), seen).status)
    worse = replace(seen, pods=(running(0), running(1, ready=False)))
    assert decide(before, worse, 0.1).status is not None
