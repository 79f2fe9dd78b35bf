"""What holds for any jobs."""

import random
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from nerf_operator.allocation.allocate import allocate
from nerf_operator.allocation.model import Capacity, Job

NOW = 10_000.0


@st.composite
def a_job(draw: st.DrawFn, name: str, fresh: bool) -> Job:
    least = draw(st.integers(1, 4))
    most = draw(st.integers(least, 16))
    rate = draw(st.floats(1e3, 1e5))
    overhead = draw(st.floats(0, 0.2))
    counts = draw(st.sets(st.sampled_from((1, 2, 4, 8)), max_size=3))
    workers = 0 if fresh else draw(st.one_of(st.just(0), st.integers(least, most)))
    return Job(
        name=name,
        min=least,
        max=most,
        remaining=draw(st.floats(1e4, 1e10)),
        arrived=draw(st.floats(0, NOW)),
        priority=draw(st.sampled_from((0.5, 1.0, 2.0, 5.0))),
        points=tuple((n, rate * n / (1 + overhead * n)) for n in sorted(counts)),
        workers=workers,
        since=draw(st.floats(0, NOW)),
        rescale_cost=draw(st.one_of(st.none(), st.floats(0, 100))),
        gpus_per_worker=draw(st.sampled_from((1, 1, 2, 4))),
    )


@st.composite
def clusters(draw: st.DrawFn, fresh: bool = False) -> tuple[list[Job], Capacity]:
    count = draw(st.integers(1, 8))
    jobs = [draw(a_job(f"job-{number}", fresh)) for number in range(count)]
    return jobs, Capacity(tuple(draw(st.lists(st.integers(0, 16), max_size=4))))


@given(clusters())
def test_never_over_capacity_and_min_or_nothing(cluster: tuple[list[Job], Capacity]) -> None:
    jobs, capacity = cluster
    found = allocate(jobs, capacity, NOW)
    assert found.keys() == {job.name for job in jobs}
    used = sum(found[job.name].workers * job.gpus_per_worker for job in jobs)
    assert used <= capacity.total
    for job in jobs:
        workers = found[job.name].workers
        assert workers == 0 or job.min <= workers <= job.max
        assert found[job.name].reason and found[job.name].message.endswith(".")


TOLD = st.dictionaries(st.integers(1, 1024), st.floats(1, 1e10), max_size=4)


@given(clusters(), st.lists(TOLD, min_size=8, max_size=8))
def test_no_rates_that_a_job_tells_keep_the_others_from_their_gpus(
    cluster: tuple[list[Job], Capacity], told: list[dict[int, float]]
) -> None:
    jobs, capacity = cluster
    told_of = zip(jobs, told, strict=False)
    found = allocate([replace(j, points=tuple(t.items())) for j, t in told_of], capacity, NOW)
    assert found.keys() == {job.name for job in jobs}


@given(clusters())
def test_who_trains_keeps_min_while_there_is_room(cluster: tuple[list[Job], Capacity]) -> None:
    jobs, capacity = cluster
    found = allocate(jobs, capacity, NOW)
    training = [job for job in jobs if job.workers]
    if sum(job.min * job.gpus_per_worker for job in training) <= capacity.total:
        assert all(found[job.name].workers for job in training)


@given(clusters(), st.randoms(use_true_random=False))
def test_the_order_of_jobs_is_no_matter(
    cluster: tuple[list[Job], Capacity], rng: random.Random
) -> None:
    jobs, capacity = cluster
    shuffled = rng.sample(jobs, len(jobs))
    assert allocate(jobs, capacity, NOW) == allocate(shuffled, capacity, NOW)


@given(clusters(fresh=True), st.sampled_from((1.5, 4.0, 20.0)))
def test_a_higher_priority_never_costs_workers(
    cluster: tuple[list[Job], Capacity], factor: float
) -> None:
    """Among jobs of single workers; larger ones must fit in what is left, like in any packing."""
    jobs = [replace(job, min=1, gpus_per_worker=1, arrived=NOW) for job in cluster[0]]
    before = allocate(jobs, cluster[1], NOW)[jobs[0].name].workers
    jobs[0] = replace(jobs[0], priority=jobs[0].priority * factor)
    assert allocate(jobs, cluster[1], NOW)[jobs[0].name].workers >= before


@given(clusters())
def test_where_nothing_changes_sizes_settle(cluster: tuple[list[Job], Capacity]) -> None:
    """Time goes on, and each job trains as much as it gets anew: no size may change forever."""
    jobs, capacity = cluster
    now, seen = NOW, []
    for _ in range(16):
        found = allocate(jobs, capacity, now)
        seen.append({name: allocation.workers for name, allocation in found.items()})
        jobs = [_now_with(job, seen[-1][job.name], now) for job in jobs]
        now += 1.0
    assert seen[-1] == seen[-2] == seen[-3]


def _now_with(job: Job, workers: int, now: float) -> Job:
    return job if workers == job.workers else replace(job, workers=workers, since=-1e6)
