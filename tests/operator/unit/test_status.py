"""Progress, conditions and events of the status."""

import pytest
from operator_support import builders
from operator_support.builders import NOW, at

from nerf_contract import reasons
from nerf_contract.progress import CheckpointFailure
from nerf_contract.v1alpha1 import CheckpointStatus, NeRFJobStatus, ProgressStatus
from nerf_operator.core import conditions, events, progress
from nerf_operator.core.conditions import Facts
from nerf_operator.core.outcome import Outcome
from nerf_operator.core.waiting import Waiting

STARTING = Waiting(reasons.PODS_STARTING, "They warm up.")
OBSTACLE = Waiting(reasons.UNSCHEDULABLE, "No room.")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (59.4, "59s"), (59.6, "1m00s"), (90, "1m30s"), (3599, "59m59s"), (7500, "2h05m")],
)
def test_durations(seconds: float, text: str) -> None:
    assert progress.duration(seconds) == text


def test_progress_is_rounded() -> None:
    found = progress.summarize(builders.progress(step=199, psnr=27.456, ssim=0.91249))
    assert found == ProgressStatus(
        step=199,
        total_steps=200,
        percent=99,
        psnr=27.46,
        ssim=0.912,
        rays_per_second=1234,
        eta="1m30s",
        world_size=2,
    )


def test_what_is_not_known_anew_stays() -> None:
    old = NeRFJobStatus(
        progress=ProgressStatus(step=100, total_steps=200, percent=50, psnr=25.0, ssim=0.8),
        checkpoint=CheckpointStatus(step=90, time="t"),
    )
    for silent in (None, builders.progress(phase="starting", step=0)):
        assert progress.merge(old, silent) == (old.progress, old.checkpoint)
    new, kept = progress.merge(old, builders.progress(step=110))
    assert new is not None and (new.step, new.psnr, new.ssim) == (110, 25.0, 0.8)
    assert kept == old.checkpoint


def test_checkpoints_that_cannot_be_written_are_told_where_the_training_is() -> None:
    failure = CheckpointFailure(since="2026-01-01T11:00:00Z", message="No space left on device")
    told = progress.unsaved(builders.progress(checkpoint_failure=failure))
    found = conditions.build(facts(2, unsaved=told), NeRFJobStatus(), 1, NOW)
    message = next(c.message for c in found if c.type == reasons.RUNNING)
    assert message.startswith("2 of 2 workers are training. Checkpoints cannot be written since ")
    assert "2026-01-01T11:00:00Z (No space left on device)" in message
    assert progress.unsaved(builders.progress()) is progress.unsaved(None) is None


def test_long_jobs_report_less_often() -> None:
    assert progress.pace_seconds(builders.progress(eta_seconds=60), 2.0) == 2.0
    assert progress.pace_seconds(builders.progress(eta_seconds=300), 2.0) == 5.0
    assert progress.pace_seconds(builders.progress(eta_seconds=86400), 2.0) == 10.0
    assert progress.pace_seconds(None, 60.0) == 60.0


def facts(ready: int, **more: object) -> Facts:
    defaults = {"wanted": 2, "fewest": 2, "ready": ready, "starting": STARTING}
    return Facts(**defaults | more)  # type: ignore[arg-type]


GOOD_END = Outcome(True, reasons.TRAINING_COMPLETED, "done")
BAD_END = Outcome(False, reasons.CUDA_UNAVAILABLE, "no driver")

#: name -> (facts, the conditions that are True with their reasons)
TRUE: dict[str, tuple[Facts, dict[str, str]]] = {
    "starting": (facts(0), {"Reconciling": reasons.PODS_STARTING}),
    "half ready": (facts(1), {"Reconciling": reasons.PODS_STARTING}),
    "all ready": (facts(2), {"Running": reasons.TRAINING, "WorkersReady": reasons.ALL_READY}),
    "enough": (
        facts(1, fewest=1),
        {"Running": reasons.TRAINING, "Reconciling": reasons.PODS_STARTING},
    ),
    "stalled": (facts(1, obstacle=OBSTACLE), {"Stalled": reasons.UNSCHEDULABLE}),
    "enough, the rest is stuck": (
        facts(1, fewest=1, obstacle=OBSTACLE),
        {"Running": reasons.TRAINING, "Reconciling": reasons.PODS_STARTING},
    ),
    "succeeded": (facts(0, outcome=GOOD_END), {"Succeeded": reasons.TRAINING_COMPLETED}),
    "failed": (
        facts(0, outcome=BAD_END),
        {"Failed": reasons.CUDA_UNAVAILABLE, "Stalled": reasons.JOB_FAILED},
    ),
}


@pytest.mark.parametrize("name", TRUE)
def test_conditions(name: str) -> None:
    given, true = TRUE[name]
    found = conditions.build(given, NeRFJobStatus(), 3, NOW)
    assert {c.type: c.reason for c in found if c.status == "True"} == true
    assert {c.type for c in found} == set(reasons.CONDITION_TYPES)
    assert {c.observed_generation for c in found} == {3}
    assert all(c.reason and c.message for c in found)


def test_transition_times_change_only_with_the_status() -> None:
    first = NeRFJobStatus(conditions=conditions.build(facts(0), NeRFJobStatus(), 1, NOW))
    later = conditions.build(facts(2), first, 1, at(60))
    times = {c.type: c.last_transition_time for c in later}
    assert times["Running"] == "2026-01-01T12:01:00Z"
    assert times["Succeeded"] == "2026-01-01T12:00:00Z"


def status(given: Facts, **fields: object) -> NeRFJobStatus:
    found = conditions.build(given, NeRFJobStatus(), 1, NOW)
    return NeRFJobStatus(conditions=found, **fields)  # type: ignore[arg-type]


STEP_90 = ProgressStatus(step=90, total_steps=200, percent=45)
PSNR_28 = ProgressStatus(step=200, total_steps=200, percent=100, psnr=28.0)

#: name -> (before, after, reasons of the events)
EVENTS: dict[str, tuple[NeRFJobStatus, NeRFJobStatus, list[str]]] = {
    "nothing": (status(facts(0)), status(facts(0)), []),
    "more workers ready": (status(facts(0)), status(facts(1)), []),
    "started": (status(facts(0)), status(facts(2)), ["TrainingStarted"]),
    "interrupted": (status(facts(2)), status(facts(1)), ["TrainingInterrupted"]),
    "the first of them done": (
        status(facts(2), progress=PSNR_28),
        status(facts(1), progress=PSNR_28),
        [],
    ),
    "resumed": (
        status(facts(1), progress=STEP_90),
        status(facts(2), progress=STEP_90),
        ["TrainingResumed"],
    ),
    "as all steps are done, and the others come and go": (
        status(facts(1), progress=PSNR_28),
        status(facts(2), progress=PSNR_28),
        [],
    ),
    "which is heard of only now": (
        status(facts(1), progress=STEP_90),
        status(facts(2), progress=PSNR_28),
        [],
    ),
    "stalled": (status(facts(0)), status(facts(0, obstacle=OBSTACLE)), ["Unschedulable"]),
    "still stalled": (
        status(facts(0, obstacle=OBSTACLE)),
        status(facts(0, obstacle=OBSTACLE)),
        [],
    ),
    "recovered": (status(facts(0, obstacle=OBSTACLE)), status(facts(0)), ["Recovered"]),
    "succeeded": (status(facts(2)), status(facts(0, outcome=GOOD_END)), ["Succeeded"]),
    "failed": (status(facts(2)), status(facts(0, outcome=BAD_END)), ["Failed"]),
}


@pytest.mark.parametrize("name", EVENTS)
def test_events_are_told_at_changes_only(name: str) -> None:
    before, after, wanted = EVENTS[name]
    assert [event.reason for event in events.derive(before, after)] == wanted


def together(processes: int, pause: float | None = 0.052) -> NeRFJobStatus:
    found = builders.progress(world_size=processes, last_regroup_seconds=pause)
    return status(facts(2), progress=progress.summarize(found))


#: name -> (before, after, processes of a worker, the event's words)
RESCALED: dict[str, tuple[NeRFJobStatus, NeRFJobStatus, int, list[str]]] = {
    "more": (
        *(together(2), together(3), 1),
        ["Training goes on with 3 workers instead of 2, after a pause of 0.05 s."],
    ),
    "fewer": (
        *(together(2), together(1, 1.5), 1),
        ["Training goes on with 1 worker instead of 2, after a pause of 1.50 s."],
    ),
    "an older worker does not tell its pause": (
        *(together(4), together(6, None), 2),
        ["Training goes on with 3 workers instead of 2."],
    ),
    "one process of a worker is away": (together(4), together(3), 2, []),
    "the same": (together(2), together(2, 3.0), 1, []),
    "the first": (status(facts(2)), together(2), 1, []),
}


@pytest.mark.parametrize("name", RESCALED)
def test_a_change_of_size_tells_what_it_cost(name: str) -> None:
    before, after, processes, words = RESCALED[name]
    found = events.derive(before, after, processes)
    assert [event.message for event in found if event.reason == "Rescaled"] == words


def test_success_tells_the_psnr() -> None:
    after = status(facts(0, outcome=GOOD_END), progress=PSNR_28)
    [event] = events.derive(status(facts(2)), after)
    assert event.message == "done Held-out PSNR: 28.00 dB."
    end = Outcome(True, reasons.TRAINING_COMPLETED, "Done; held-out PSNR 28.00 dB.")
    [once] = events.derive(status(facts(2)), status(facts(0, outcome=end), progress=PSNR_28))
    assert once.message == end.message
