"""The allocator's decisions, with answers by hand."""

from dataclasses import replace

import pytest

from nerf_contract import reasons
from nerf_operator.allocation.allocate import allocate
from nerf_operator.allocation.model import Capacity, Job, Tuning
from nerf_operator.allocation.weights import FUTURE, values

#: Scales perfectly, as far as anyone knows.
PERFECT = tuple((n, 1000.0 * n) for n in (1, 2, 4, 8))
USUAL = ((1, 1000.0), (2, 1800.0), (4, 3000.0), (8, 4300.0))
#: A second worker adds nothing.
SERIAL = tuple((n, 1000.0) for n in (1, 2, 4, 8))
HOUR = 3_600_000.0  # Rays of one worker.


def job(name: str, **more: object) -> Job:
    given = {"min": 1, "max": 8, "remaining": HOUR, "arrived": 0.0, "points": PERFECT} | more
    return Job(name=name, **given)  # type: ignore[arg-type]


def sizes(*jobs: Job, gpus: int = 8, now: float = 0.0) -> dict[str, int]:
    return {n: a.workers for n, a in allocate(jobs, Capacity((gpus,)), now).items()}


def told(*jobs: Job, gpus: int = 8, now: float = 0.0) -> dict[str, str]:
    return {n: a.reason for n, a in allocate(jobs, Capacity((gpus,)), now).items()}


def test_alone_a_job_gets_what_there_is() -> None:
    assert sizes(job("a")) == {"a": 8}
    assert sizes(job("a", max=3)) == {"a": 3}


def test_nobody_and_nothing() -> None:
    assert sizes() == {}
    assert sizes(job("a"), gpus=0) == {"a": 0}


def test_gpus_go_where_they_help() -> None:
    running = job("serial", points=SERIAL, workers=4)
    assert sizes(job("a", arrived=10.0), running, now=500.0)["serial"] == 1


def test_the_shorter_job_gets_more() -> None:
    """All of it where nothing is lost by that, which is shortest first."""
    long = job("long", remaining=10 * HOUR, points=USUAL)
    found = sizes(long, job("short", points=USUAL))
    assert found["short"] > found["long"] >= 1
    assert sizes(replace(long, points=PERFECT), job("short")) == {"long": 0, "short": 8}


def test_priority_counts_as_a_delay_counts() -> None:
    found = sizes(job("a"), job("b", priority=4.0))
    assert found["b"] > found["a"]


def test_min_is_all_or_nothing() -> None:
    assert sizes(job("a", min=6), job("b", min=6, arrived=1.0)) == {"a": 6 + 2, "b": 0}


def test_a_worker_of_several_gpus() -> None:
    assert sizes(job("a", gpus_per_worker=4), gpus=11) == {"a": 2}
    found = allocate([job("a", gpus_per_worker=4)], Capacity((3, 3, 3)), 0.0)["a"]
    assert (found.workers, found.reason) == (0, reasons.EXCEEDS_CAPACITY)


def test_those_that_train_give_up_what_is_above_min_for_one_that_waits() -> None:
    running = job("a", workers=8, remaining=10 * HOUR)
    found = allocate([running, job("b", arrived=10.0)], Capacity((8,)), 20.0)
    assert found["a"].workers + found["b"].workers == 8
    assert found["b"].workers >= 1
    assert (found["a"].reason, found["b"].reason) == (reasons.SHRUNK, reasons.ADMITTED)


def test_nobody_falls_below_min() -> None:
    running = job("a", min=6, workers=8, remaining=100 * HOUR)
    assert sizes(running, job("b", min=3, arrived=10.0), now=1e6) == {"a": 8, "b": 0}


def test_who_waited_too_long_goes_first_and_others_wait_for_it() -> None:
    """big needs 6 of 8 and 4 are held below min: nobody else starts, though small would fit."""
    running = job("a", min=4, workers=4, max=4, remaining=10 * HOUR)
    big, small = job("big", min=6, arrived=1.0), job("small", arrived=2.0)
    assert sizes(running, big, small, now=30.0) == {"a": 4, "big": 0, "small": 4}
    late = told(running, big, replace(small, arrived=4990.0), now=5000.0)
    assert late["big"] == reasons.WAITING_FOR_GPUS
    assert late["small"] == reasons.WAITING_FOR_OLDER_JOB
    assert sizes(big, replace(small, arrived=4990.0), now=5000.0)["big"] >= 6


def test_a_change_that_does_not_pay_is_left() -> None:
    """40 s to go with 4 workers, 20 with 8: a change for 30 s of training is none."""
    ending = job("a", workers=4, remaining=4000.0 * 40, rescale_cost=30.0)
    assert told(ending, now=9999.0) == {"a": reasons.RESCALE_NOT_WORTHWHILE}
    assert sizes(replace(ending, rescale_cost=1.0), now=9999.0) == {"a": 8}


def test_a_job_that_was_just_changed_rests() -> None:
    changed = job("a", workers=4, since=95.0, rescale_cost=10.0)
    assert sizes(changed, now=100.0) == {"a": 4}
    assert sizes(changed, now=120.0) == {"a": 8}


def test_lost_nodes_take_what_is_above_min_then_the_youngest() -> None:
    jobs = job("a", workers=4, min=2), job("b", workers=4, min=2, arrived=5.0)
    assert sizes(*jobs, gpus=4, now=10.0) == {"a": 2, "b": 2}
    found = allocate(jobs, Capacity((3,)), 500.0)
    assert {n: x.workers for n, x in found.items()} == {"a": 3, "b": 0}
    assert found["b"].reason == reasons.CAPACITY_LOST


def test_the_efficiency_floor_leaves_gpus_free() -> None:
    """Each of two serial workers is half as efficient as one alone."""
    kept = [job("a", points=SERIAL, workers=1)]
    found = allocate(kept, Capacity((8,)), 99.0, Tuning(efficiency_floor=0.6))["a"]
    assert (found.workers, found.reason) == (1, reasons.EFFICIENCY_FLOOR)


def test_values_of_two_equal_jobs_by_hand() -> None:
    """p = 1/2, weights 1/2 each: sqrt(1/4 - 0) and sqrt(1 - 1/4), and what is for the future."""
    assert values([10.0, 10.0], [1.0, 1.0]) == pytest.approx([0.5 + FUTURE, 0.75**0.5 + FUTURE])
    assert values([1.0, 10.0], [1.0, 1.0])[0] > values([1.0, 10.0], [1.0, 1.0])[1]


#: A second worker only slows the first one down.
WORSE = ((1, 4000.0), (2, 700.0))


def test_who_trains_faster_with_fewer_shrinks_though_nobody_wants_its_gpus() -> None:
    found = allocate([job("a", points=WORSE, workers=2)], Capacity((8,)), 500.0)["a"]
    assert (found.workers, found.reason) == (1, reasons.SHRUNK)
    assert "sooner" in found.message
    assert sizes(job("a", points=WORSE, workers=1), now=500.0) == {"a": 1}


def test_not_where_that_would_not_pay_for_the_change() -> None:
    done = job("a", points=WORSE, workers=2, remaining=4000.0)
    assert sizes(done, now=500.0) == {"a": 2}
    assert sizes(job("a", points=WORSE, workers=2, since=499.0), now=500.0) == {"a": 2}
