"""The benchmark's simulator, and that the allocator is worth its name in it."""

import statistics

import pytest
from allocator_jobs import Setting, tasks
from allocator_policies import Pollux, equal_share, fifo, optimus, ours
from allocator_simulator import OverCapacityError, simulate

SMALL = Setting(gpus=8, jobs=60, hours=0.5, widest=8)


def test_a_job_alone_takes_its_start_and_its_work() -> None:
    task = tasks(Setting(gpus=8, jobs=1, hours=0.5, widest=8), seed=1)[0]
    outcome = simulate([task], 8, fifo({task.name: task.requested}))
    trained = task.work / task.truth.rays(task.requested)
    assert trained + 30 <= outcome.completion[0] <= trained + 60.001
    assert outcome.changes == 0


def test_a_policy_that_gives_too_much_is_caught() -> None:
    coming = tasks(SMALL, seed=1)
    with pytest.raises(OverCapacityError):
        simulate(coming, 8, lambda jobs, gpus, now: {job.name: job.max for job in jobs})


@pytest.mark.parametrize("policy", [equal_share, optimus, Pollux(), ours()])
def test_every_policy_finishes_all_jobs(policy: object) -> None:
    outcome = simulate(tasks(SMALL, seed=2), 8, policy)  # type: ignore[arg-type]
    assert len(outcome.completion) == 60
    assert min(outcome.completion) > 0


@pytest.mark.parametrize("seed", [0, 1])
def test_completion_times_are_below_those_of_fifo(seed: int) -> None:
    coming = tasks(SMALL, seed)
    in_order = simulate(coming, 8, fifo({task.name: task.requested for task in coming}))
    shared = simulate(coming, 8, ours())
    assert statistics.fmean(shared.completion) < 0.7 * statistics.fmean(in_order.completion)
