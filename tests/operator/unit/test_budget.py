"""How many workers a drain must leave, of jobs that ask for a PodDisruptionBudget."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from operator_support.builders import DEFAULTS, NOW, at, job, observed, pod, running

from nerf_operator.core.actions import Create, Plan, Protect
from nerf_operator.core.budget import PATIENCE
from nerf_operator.core.observed import Observed
from nerf_operator.core.plan import plan

LATE = PATIENCE.total_seconds()


def decide(workers: dict[str, Any], found: Observed, **sections: Any) -> Plan:
    return plan(job(workers=workers, **sections), found, NOW, DEFAULTS)


def kept(workers: dict[str, Any], found: Observed, **sections: Any) -> list[int]:
    """How many workers each budget keeps that is applied."""
    actions = decide(workers, found, **sections).actions
    return [action.least for action in actions if isinstance(action, Protect)]


def asking(minimum: int | None = None, **workers: Any) -> dict[str, Any]:
    """Workers with a budget."""
    budget = {} if minimum is None else {"minAvailable": minimum}
    return {"disruptionBudget": budget, **workers}


@pytest.mark.parametrize(
    ("workers", "least"),
    [
        (asking(replicas=2), 2),
        (asking(1, replicas=2), 1),
        (asking(9, replicas=2), 2),
        (asking(0, replicas=2), 0),
        (asking(min=1, replicas=4), 1),
        (asking(3, min=1, replicas=4), 3),
        (asking(min=2, replicas=2), 1),
        (asking(9, min=1, replicas=4), 3),
        (asking(min=1, replicas=1), 0),
    ],
    ids=str,
)
def test_how_many_are_kept(workers: dict[str, Any], least: int) -> None:
    there = observed(*(running(i) for i in range(workers["replicas"])))
    assert kept(workers, there) == [least]


def test_nobody_else_has_one() -> None:
    assert kept({"replicas": 2}, observed()) == []


def test_it_is_there_before_the_first_pod() -> None:
    actions = decide(asking(replicas=2), observed()).actions
    kinds = [type(action) for action in actions]
    assert {Protect, Create} <= set(kinds)
    [protect] = [action for action in actions if isinstance(action, Protect)]
    labels = protect.budget["spec"]["selector"]["matchLabels"]
    workers = [a.pod["metadata"]["labels"] for a in actions if isinstance(a, Create)]
    assert all(labels.items() <= found.items() for found in workers)


def test_there_is_none_without_workers_to_keep() -> None:
    workers = asking(replicas=2)
    assert kept(workers, observed(), dataset={"claimName": "photos", "format": "photos"}) == []
    assert kept(workers, observed(running(0)), runPolicy={"suspend": True}) == []


def test_it_is_told_again_only_when_it_changes() -> None:
    there = observed(*(running(i) for i in range(4)), budget=2)
    assert kept(asking(min=2, replicas=4), there) == []
    assert kept(asking(min=2, replicas=2), there) == [1]


def test_a_worker_that_finds_no_place_holds_no_drain_up() -> None:
    workers = asking(min=2, replicas=3)
    for age, least in ((LATE - 1, []), (LATE, [1])):
        there = observed(running(1), running(2), pod(0, 1, created=at(-age)), budget=2)
        assert kept(workers, there) == least
    early = decide(workers, observed(running(1), running(2), pod(0, 1, created=at(5 - LATE))))
    assert early.requeue_after is not None and early.requeue_after <= 5


@given(
    st.integers(1, 6), st.integers(1, 6), st.none() | st.integers(1, 9), st.sets(st.integers(0, 5))
)
def test_of_an_elastic_job_one_may_always_go_in_the_end(
    most: int, fewest: int, asked: int | None, unready: set[int]
) -> None:
    """Once all train, or once those that do not have had their time."""
    wanted = max(most, fewest)
    pods = [
        pod(i, created=at(-2 * LATE)) if i in unready else running(i, created=at(-2 * LATE))
        for i in range(wanted)
    ]
    workers = asking(asked, min=fewest, replicas=wanted)
    [least] = kept(workers, observed(*pods), training={"shards": 8})
    ready = sum(1 for one in pods if one.ready)
    assert least == max(0, least) and (least < ready or ready == 0 == least)


def test_another_process_tells_it_anew() -> None:
    there = observed(running(0), running(1), budget=2)
    workers = asking(replicas=2)
    assert kept(workers, there) == []
    assert kept(workers, replace(there, budget=None)) == [2]
