"""What is believed of an Auto job's speed: figures that have settled, and not for ever."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from operator_support.builders import NOW, at, progress, spec

from nerf_contract import reasons
from nerf_contract.progress import Progress
from nerf_contract.v1alpha1 import AllocationStatus, Condition, SpeedStatus
from nerf_operator.allocation.allocate import allocate
from nerf_operator.allocation.model import Capacity, Job
from nerf_operator.core import speeds
from nerf_operator.core.moment import rfc3339

WORKERS = {"min": 1, "max": 4, "gpusPerWorker": 1}
MINUTE = 60


def workers_ready(seconds: float, status: str = "True") -> list[Condition]:
    return [
        Condition(
            type=reasons.WORKERS_READY,
            status=status,  # type: ignore[arg-type]
            reason="r",
            message="m",
            last_transition_time=rfc3339(at(seconds)),
            observed_generation=1,
        )
    ]


def has(workers: int, seconds: float = 0, *known: tuple[int, int, float]) -> AllocationStatus:
    """A size, since when, and what is believed: workers, rays/s, and when that was measured."""
    return AllocationStatus(
        workers=workers,
        reason=reasons.ADMITTED,
        message="m",
        since=rfc3339(at(seconds)),
        speeds=[
            SpeedStatus(workers=n, rays_per_second=rate, time=rfc3339(at(then)))
            for n, rate, then in known
        ],
    )


def learnt(
    old: AllocationStatus, told: Progress | None, now: float, ready: list[Condition], **more: Any
) -> dict[int, int]:
    wide = spec(scaling={"policy": "Auto"}, workers=WORKERS | more, training={"shards": 8})
    found = speeds.learn(wide, old, ready, told, at(now))
    assert [one.workers for one in found] == sorted({one.workers for one in found})
    return {one.workers: one.rays_per_second for one in found}


#: name -> (progress, the condition WorkersReady, seconds after the decision, what is learnt)
SETTLING: dict[str, tuple[dict[str, Any], list[Condition], float, dict[int, int]]] = {
    "settled": ({}, workers_ready(0), 20, {2: 1234}),
    "decided a moment ago": ({}, workers_ready(-99), 19, {}),
    "ready a moment ago": ({}, workers_ready(60), 79, {}),
    "ready for long enough": ({}, workers_ready(60), 80, {2: 1234}),
    "a worker is away": ({}, workers_ready(0, "False"), 99, {}),
    "the group is smaller": ({"world_size": 1}, workers_ready(0), 99, {}),
    "the group is still larger": ({"world_size": 3}, workers_ready(0), 99, {}),
    "it evaluates": ({"phase": "evaluating"}, workers_ready(0), 99, {}),
    "nothing measured": ({"rays_per_second": None}, workers_ready(0), 99, {}),
    "it hardly moves": ({"rays_per_second": 0.4}, workers_ready(0), 99, {}),
}


@pytest.mark.parametrize("name", SETTLING)
def test_a_speed_counts_once_it_has_settled(name: str) -> None:
    told, ready, now, found = SETTLING[name]
    assert learnt(has(2), progress(**told), now, ready) == found


def test_a_part_of_a_pod_is_no_size() -> None:
    ready = workers_ready(0)
    for processes, found in ((3, {}), (4, {2: 1234})):
        told = progress(world_size=processes)
        assert learnt(has(2), told, 60, ready, gpusPerWorker=2) == found


def test_the_newest_figure_of_a_size_counts() -> None:
    known = has(2, 0, (1, 800, 0), (2, 643, 20))
    assert learnt(known, progress(rays_per_second=1500.4), 40, workers_ready(0)) == {
        1: 800,
        2: 1500,
    }


def test_the_same_figure_again_is_no_news() -> None:
    known = has(2, 0, (2, 1234, 20))
    wide = spec(scaling={"policy": "Auto"}, workers=WORKERS)
    assert speeds.learn(wide, known, workers_ready(0), progress(), at(60)) == known.speeds


def test_larger_sizes_are_tried_again_in_time() -> None:
    known = has(2, 0, (1, 800, 0), (2, 1500, 0), (4, 643, 60))
    assert set(learnt(known, None, 15 * MINUTE + 59, [])) == {1, 2, 4}
    assert set(learnt(known, None, 16 * MINUTE, [])) == {1, 2}


@pytest.mark.parametrize("rate", [-5, 0, 10**12])
def test_a_figure_that_cannot_be_is_forgotten_and_tells_the_allocator_nothing(rate: int) -> None:
    known = has(2, 0, (1, 1000, 0), (2, rate, 0))
    assert learnt(known, None, 60, workers_ready(0)) == {1: 1000}
    assert speeds.points(known.speeds) == ((1, 1000.0),)


def test_a_job_without_workers_forgets_nothing() -> None:
    known = has(0, 0, (1, 800, 0), (4, 643, 0))
    assert set(learnt(known, None, 600 * MINUTE, [])) == {1, 4}


#: Passes: seconds since the one before, the size of the group, its rays/s, and whether all train.
PASSES = st.lists(
    st.tuples(st.integers(1, 400), st.integers(1, 4), st.integers(1, 9000), st.booleans()),
    max_size=20,
)


@given(st.integers(1, 4), PASSES)
def test_whatever_is_told(workers: int, passes: list[tuple[int, int, int, bool]]) -> None:
    """Only settled figures of the whole group count, the newest of a size, and none for ever."""
    wide = spec(scaling={"policy": "Auto"}, workers=WORKERS)
    known = has(workers, 0, (4, 643, 0))
    now, since, right = 0.0, 0.0, {4: 643}
    ready = False
    for pause, group, rate, all_train in passes:
        now += pause
        since = now if all_train != ready else since
        ready = all_train
        told = progress(world_size=group, rays_per_second=float(rate))
        conditions = workers_ready(since, "True" if ready else "False")
        if ready and group == workers and now - since >= 20 and now >= 20:
            right[workers] = rate
        found = speeds.learn(wide, known, conditions, told, at(now))
        known = known.model_copy(update={"speeds": found})
        if workers < 4 and now >= 15 * MINUTE:
            right.pop(4, None)
        assert {one.workers: one.rays_per_second for one in known.speeds} == right


def test_a_slow_start_keeps_nobody_from_growing() -> None:
    """As seen: two workers that had just begun did 643 rays/s, one alone then 4,280."""
    early = progress(world_size=2, rays_per_second=643.0)
    known = learnt(has(2), early, 12, workers_ready(4))
    shrunk = has(1, 15, *((n, rate, 12.0) for n, rate in known.items()))
    alone = progress(world_size=1, rays_per_second=4280.0)
    known = learnt(shrunk, alone, 60, workers_ready(4))
    assert _ideal(known, 60) == 2


def test_a_size_that_was_measured_at_a_bad_moment_is_tried_again() -> None:
    known = has(1, 0, (1, 4280, 20), (2, 643, 0))
    alone = progress(world_size=1, rays_per_second=4280.0)
    for now, size in ((5 * MINUTE, 1), (16 * MINUTE, 2)):
        assert _ideal(learnt(known, alone, now, workers_ready(0)), now) == size


def _ideal(known: dict[int, int], seconds: float) -> int:
    """What the allocator gives to a job with one worker, and half an hour to go, on two GPUs."""
    now: datetime = NOW + timedelta(seconds=seconds)
    points = tuple((n, float(rate)) for n, rate in known.items())
    asks = Job("lab/demo", 1, 2, 4280.0 * 1800, NOW.timestamp(), points=points, workers=1)
    return allocate([asks], Capacity((2,)), now.timestamp())["lab/demo"].workers
