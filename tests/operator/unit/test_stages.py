"""The way from photos to outputs: one stage after the other, none of them twice."""

from dataclasses import replace
from typing import Any

import pytest
from operator_support.builders import (
    DEFAULTS,
    POSES,
    at,
    claim,
    ended,
    found_dataset,
    job,
    observed,
    pod,
    progress,
    running,
    succeeded,
    word,
)

from nerf_contract import names, reasons
from nerf_contract.progress import StageProgress
from nerf_contract.training import TrainerConfig
from nerf_contract.v1alpha1 import NeRFJobStatus
from nerf_operator.core.actions import Apply, Create, Delete, Plan
from nerf_operator.core.observed import Job, Observed, Pod
from nerf_operator.core.plan import plan

PHOTOS: dict[str, Any] = {"dataset": {"claimName": "photos", "format": "photos"}}
ARCHIVE: dict[str, Any] = {
    "dataset": {"archive": {"url": "https://example.com/a.zip", "sha256": "a" * 64}}
}
MESH: dict[str, Any] = {"outputs": {"mesh": {}}}


def decide(subject: Job, seen: Observed, seconds: float = 0) -> Plan:
    return plan(subject, seen, at(seconds), DEFAULTS)


def created(decided: Plan) -> list[str]:
    return [a.pod["metadata"]["name"] for a in decided.actions if isinstance(a, Create)]


def told(decided: Plan) -> NeRFJobStatus:
    assert decided.status is not None
    return decided.status


def condition(decided: Plan, type_: str) -> tuple[str, str]:
    found = told(decided).condition(type_)
    assert found is not None
    return found.status, found.reason


def stage_pod(component: str, **fields: Any) -> Pod:
    return pod(None, component=component, **fields)


def finished(component: str, message: str) -> Pod:
    return ended(None, component=component, phase="Succeeded", exit_code=0, message=message)


def poses_found(**fields: Any) -> Pod:
    said = word(reasons.POSES_FOUND, "19 of 20.", dataset=found_dataset(**fields))
    return finished("poses", said)


@pytest.mark.parametrize("format_", ["photos", "video", "auto"])
def test_photos_come_first(format_: str) -> None:
    first = decide(job(dataset={"claimName": "photos", "format": format_}), observed())
    assert created(first) == ["demo-poses-0"]
    assert told(first).phase == "Preparing"
    assert condition(first, reasons.POSES_READY) == ("False", reasons.PREPARING)
    assert condition(first, reasons.RECONCILING) == ("True", reasons.PREPARING)


def test_an_archive_is_fetched_before_anything_else() -> None:
    subject = job(**ARCHIVE)
    first = decide(subject, observed())
    assert created(first) == ["demo-download-0"]
    assert condition(first, reasons.RECONCILING) == ("True", reasons.PREPARING)
    assert created(decide(subject, observed(stage_pod("download", phase="Running")))) == []
    assert created(decide(subject, observed(finished("download", "")))) == ["demo-poses-0"]


def test_an_archive_that_can_never_be_had_fails_the_job() -> None:
    said = word(reasons.ARCHIVE_INVALID, "dataset.archive: it has another SHA-256.")
    seen = observed(ended(None, component="download", exit_code=66, message=said))
    assert condition(decide(job(**ARCHIVE), seen), reasons.FAILED) == (
        "True",
        reasons.ARCHIVE_INVALID,
    )


def test_private_networks_are_told_to_the_pod_that_fetches_alone() -> None:
    defaults = replace(DEFAULTS, archive_networks=("10.20.0.0/16", "fd00:1::/32"))
    for pods, named in (((), True), ((finished("download", ""),), False)):
        decided = plan(job(**ARCHIVE), observed(*pods), at(0), defaults)
        [pod_] = [a.pod for a in decided.actions if isinstance(a, Create)]
        env = {one["name"]: one.get("value") for one in pod_["spec"]["containers"][0]["env"]}
        expected = "10.20.0.0/16,fd00:1::/32" if named else None
        assert env.get(names.ENV_ARCHIVE_NETWORKS) == expected


@pytest.mark.parametrize("format_", ["nerfstudio", "blender", "colmap", "llff"])
def test_given_poses_need_no_pod(format_: str) -> None:
    first = decide(job(dataset={"claimName": "photos", "format": format_}), observed())
    assert created(first) == ["demo-worker-0-0", "demo-worker-1-0"]
    assert condition(first, reasons.POSES_READY) == ("True", reasons.POSES_GIVEN)
    assert told(first).dataset is None


def test_workers_get_the_poses_that_were_found() -> None:
    decided = decide(job(**PHOTOS), observed(poses_found()))
    assert created(decided) == ["demo-worker-0-0", "demo-worker-1-0"]
    worker = next(a.pod for a in decided.actions if isinstance(a, Create))
    text = worker["metadata"]["annotations"][names.ANNOTATION_CONFIG]
    assert TrainerConfig.model_validate_json(text).dataset.poses == POSES
    dataset = told(decided).dataset
    assert dataset is not None and (dataset.format, dataset.posed) == ("photos", 19)
    assert reasons.POSES_FOUND in [event.reason for event in decided.events]


def test_poses_are_remembered_when_their_pod_is_gone() -> None:
    known = told(decide(job(**PHOTOS), observed(poses_found())))
    later = decide(job(status=known, **PHOTOS), observed())
    assert created(later) == ["demo-worker-0-0", "demo-worker-1-0"]


def test_poses_are_not_lost_with_a_status_that_was_not_written() -> None:
    decided = decide(job(**PHOTOS), observed(poses_found(), running(0), pod(1)))
    dataset = told(decided).dataset
    assert dataset is not None and dataset.poses == POSES


def test_a_lost_dataset_is_not_made_anew_in_silence() -> None:
    known = told(decide(job(**ARCHIVE), observed(poses_found())))
    gone = decide(job(status=known, **ARCHIVE), Observed())
    assert created(gone) == []
    assert condition(gone, reasons.STALLED) == ("True", reasons.CLAIM_NOT_FOUND)


def test_all_pods_read_the_format_that_was_found() -> None:
    decided = decide(job(dataset={"claimName": "photos"}), observed(poses_found()))
    worker = next(a.pod for a in decided.actions if isinstance(a, Create))
    text = worker["metadata"]["annotations"][names.ANNOTATION_CONFIG]
    assert TrainerConfig.model_validate_json(text).dataset.format == "photos"


def test_poses_that_are_no_longer_wanted_are_not_looked_for() -> None:
    seen = observed(stage_pod("poses", phase="Running"))
    decided = decide(job(), seen)
    assert [a.name for a in decided.actions if isinstance(a, Delete)] == ["demo-poses-0"]


def test_a_pod_that_says_nothing_has_found_nothing() -> None:
    decided = decide(job(**PHOTOS), observed(finished("poses", "")))
    assert condition(decided, reasons.FAILED) == ("True", reasons.CRASHED)


def test_a_poses_pod_that_crashed_is_replaced() -> None:
    crashed = stage_pod("poses", phase="Failed", message="node lost")
    decided = decide(job(**PHOTOS), observed(crashed), seconds=5)
    assert created(decided) == ["demo-poses-1"]


def test_a_stage_that_starts_again_says_why_and_stays_the_stage() -> None:
    crashed = ended(None, component="poses", message="boom")
    found = told(decide(job(**PHOTOS), observed(crashed))).condition(reasons.RUNNING)
    assert found is not None and found.reason == reasons.PREPARING
    assert "starts again: demo-poses-0 ended with WorkerCrashed: exit code 1: boom" in found.message
    assert "Failures so far: 1 of the 6" in found.message


def test_photos_without_poses_end_the_job_with_what_to_do() -> None:
    failed = ended(None, component="poses", message=word(reasons.POSES_FAILED, "more overlap"))
    decided = decide(job(**PHOTOS), observed(failed))
    assert condition(decided, reasons.FAILED) == ("True", reasons.POSES_FAILED)
    assert condition(decided, reasons.POSES_READY) == ("False", reasons.POSES_FAILED)
    ready = told(decided).condition(reasons.POSES_READY)
    assert ready is not None and ready.message == "more overlap"


def test_the_budget_counts_for_the_poses_stage() -> None:
    failed = ended(None, 2, component="poses", failures=2, message="boom")
    tight = job(runPolicy={"backoffLimit": 2}, **PHOTOS)
    assert condition(decide(tight, observed(failed)), reasons.FAILED) == (
        "True",
        reasons.BACKOFF_LIMIT_EXCEEDED,
    )


def test_workers_of_an_operator_without_stages_go_on() -> None:
    decided = decide(job(dataset={"claimName": "photos"}), observed(running(0), running(1)))
    assert created(decided) == []
    assert condition(decided, reasons.RUNNING)[0] == "True"


def test_the_stage_tells_how_far_it_is() -> None:
    telling = StageProgress(stage="poses", activity="matching", done=0.425, eta_seconds=61)
    seen = observed(
        stage_pod("poses", phase="Running", ready=True, ip="10.0.0.9"), stage_progress=telling
    )
    decided = decide(job(**PHOTOS), seen)
    assert decided.probe == "10.0.0.9"
    stage = told(decided).stage
    assert stage is not None
    assert (stage.activity, stage.percent, stage.eta) == ("matching", 42, "1m01s")
    trains = decide(job(**PHOTOS), replace(seen, pods=(poses_found(),)))
    assert told(trains).stage is None


def test_an_archive_gets_a_volume_of_its_own() -> None:
    fetching = job(dataset=ARCHIVE["dataset"] | {"format": "nerfstudio"})
    first = decide(fetching, Observed())
    claims = [a.child["metadata"]["name"] for a in first.actions if isinstance(a, Apply)]
    assert claims == ["demo", "demo-dataset", "demo-checkpoint"]
    assert created(first) == ["demo-download-0"]
    [made] = [a.pod for a in first.actions if isinstance(a, Create)]
    assert _claim_of(made) == "demo-dataset"


def _claim_of(made: dict[str, Any]) -> str:
    [volume] = [v for v in made["spec"]["volumes"] if v["name"] == "dataset"]
    return str(volume["persistentVolumeClaim"]["claimName"])


def test_an_archive_may_go_to_a_claim_of_the_users() -> None:
    both = job(dataset=ARCHIVE["dataset"] | {"claimName": "photos"})
    first = decide(both, Observed(claims={"photos": claim()}))
    [made] = [a.pod for a in first.actions if isinstance(a, Create)]
    assert _claim_of(made) == "photos"


# --- Outputs -------------------------------------------------------------------------------------


def test_outputs_come_after_the_training() -> None:
    decided = decide(job(**MESH), observed(succeeded(0), succeeded(1)), seconds=30)
    assert created(decided) == ["demo-export-0"]
    assert told(decided).phase == "Exporting"
    assert condition(decided, reasons.TRAINED) == ("True", reasons.TRAINING_COMPLETED)
    assert condition(decided, reasons.SUCCEEDED) == ("False", reasons.EXPORTING)
    assert told(decided).completion_time is None
    step = told(decided).progress
    assert step is not None and step.step == 200


def test_a_stale_answer_of_a_worker_does_not_turn_the_step_back() -> None:
    trained = told(decide(job(**MESH), observed(succeeded(0), succeeded(1))))
    late = observed(stage_pod("export"), progress=progress(step=190))
    decided = decide(job(status=trained, **MESH), late, seconds=60)
    now = decided.status or trained
    assert now.progress is not None and now.progress.step == 200


def test_workers_that_linger_get_a_farewell() -> None:
    seen = observed(succeeded(0), running(1))
    early, late = decide(job(**MESH), seen, 1), decide(job(**MESH), seen, 21)
    assert not [a for a in early.actions if not isinstance(a, Create | Apply)]
    assert [a.name for a in late.actions if not isinstance(a, Create | Apply)] == [
        "demo-worker-1-0"
    ]


def test_a_trained_job_never_trains_again() -> None:
    trained = told(decide(job(**MESH), observed(succeeded(0), succeeded(1))))
    decided = decide(job(status=trained, **MESH), observed(), seconds=60)
    assert created(decided) == ["demo-export-0"]


def test_a_job_succeeds_with_its_outputs() -> None:
    made = finished("export", word(reasons.OUTPUTS_MADE, "All made.", outputs=["mesh.ply"]))
    decided = decide(job(**MESH), observed(succeeded(0), succeeded(1), made))
    assert condition(decided, reasons.SUCCEEDED) == ("True", reasons.TRAINING_COMPLETED)
    assert condition(decided, reasons.OUTPUTS_READY) == ("True", reasons.OUTPUTS_MADE)
    assert told(decided).outputs == ["mesh.ply"]
    assert [e.reason for e in decided.events] == [reasons.OUTPUTS_MADE, "Succeeded"]


def test_outputs_that_fail_do_not_undo_the_training() -> None:
    said = word(reasons.OUTPUTS_FAILED, "mesh: nothing is there", outputs=["video.mp4"])
    failed = ended(None, component="export", message=said)
    decided = decide(job(**MESH), observed(succeeded(0), succeeded(1), failed))
    assert condition(decided, reasons.SUCCEEDED)[0] == "True"
    assert condition(decided, reasons.OUTPUTS_READY) == ("False", reasons.OUTPUTS_FAILED)
    assert told(decided).outputs == ["video.mp4"]
    warnings = [event.reason for event in decided.events if event.warning]
    assert warnings == [reasons.OUTPUTS_FAILED]


def test_an_export_that_crashes_is_tried_again_then_given_up() -> None:
    twice = job(runPolicy={"backoffLimit": 1}, **MESH)
    once = ended(None, component="export", message="boom")
    again = decide(twice, observed(succeeded(0), succeeded(1), once), seconds=30)
    assert created(again) == ["demo-export-1"]
    last = ended(None, 1, component="export", failures=1, message="boom")
    decided = decide(twice, observed(succeeded(0), succeeded(1), last), seconds=30)
    assert condition(decided, reasons.SUCCEEDED)[0] == "True"
    assert condition(decided, reasons.OUTPUTS_READY) == (
        "False",
        reasons.BACKOFF_LIMIT_EXCEEDED,
    )
