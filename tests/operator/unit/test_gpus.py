"""How many GPUs Auto jobs may have, and that they never hold more."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from operator_support.builders import NOW, job, pod

from nerf_contract import reasons
from nerf_contract.v1alpha1 import AllocationStatus, Condition, NeRFJobStatus, SpeedStatus
from nerf_operator.allocation.allocate import allocate
from nerf_operator.allocation.model import Capacity
from nerf_operator.cluster import parse
from nerf_operator.core import auto, gpus
from nerf_operator.core.gpus import Node
from nerf_operator.core.moment import rfc3339
from nerf_operator.core.observed import Job, Pod


def node(name: str = "a", count: int = 4, usable: bool = True) -> Node:
    return Node(name=name, uid=name, version="1", gpus=count, usable=usable)


def on(where: str | None, **fields: object) -> Pod:
    return pod(0, node=where, gpus=1, **fields)


#: name -> (nodes, of others, ours, workers of Auto jobs, GPUs for those)
CAPACITIES: dict[str, tuple[list[Node], dict[str, int], list[Pod], list[Pod], tuple[int, ...]]] = {
    "all": ([node("a"), node("b", 2)], {}, [], [], (4, 2)),
    "a node without GPUs is none": ([node("a"), node("b", 0)], {}, [], [], (4,)),
    "less what others hold": ([node("a"), node("b")], {"a": 3, "gone": 1}, [], [], (1, 4)),
    "never less than nothing": ([node("a", 2)], {"a": 3}, [], [], (0,)),
    "less those of jobs of fixed size": ([node("a")], {}, [on("a")], [], (3,)),
    "not those of pods that have ended": ([node("a")], {}, [on("a", phase="Failed")], [], (4,)),
    "not those of pods without a node": ([node("a")], {}, [on(None)], [], (4,)),
    "with those of Auto jobs": ([node("a")], {}, [on("a")], [on("a")], (4,)),
    "a cordoned node has what is there": (
        *([node("a", usable=False), node("b", usable=False)], {}, [on("a")], [on("a")]),
        (1, 0),
    ),
    "and not what leaves": (
        *([node("a", usable=False)], {}, [on("a", deleting=True)], [on("a", deleting=True)]),
        (0,),
    ),
    "a device plugin that starts anew takes nothing from who has it": (
        *([node("a", 0)], {"a": 3}, [on("a"), on("a", component="viewer", uid="v")], [on("a")]),
        (1,),
    ),
    "nor one on a node that takes no new pods": (
        *([node("a", 0, usable=False)], {}, [on("a")], [on("a")]),
        (1,),
    ),
}


@pytest.mark.parametrize("name", CAPACITIES)
def test_capacity(name: str) -> None:
    nodes, foreign, ours, sharing, expected = CAPACITIES[name]
    assert gpus.capacity(nodes, foreign, ours, sharing).nodes == expected


#: name -> (pod, GPUs of min that are held, GPUs of the nodes without what it is to get)
OUTPUTS: dict[str, tuple[Pod, int, tuple[int, ...]]] = {
    "it waits": (pod(None, component="export", gpus=1), 2, (3, 2)),
    "nobody falls below min": (pod(None, component="export", gpus=2), 5, (3, 2)),
    "it fits nowhere": (pod(None, component="export", gpus=5), 0, (4, 2)),
    "it has a node": (pod(None, component="export", gpus=1, node="a"), 0, (4, 2)),
    "a worker": (pod(0, gpus=1), 0, (4, 2)),
    "it leaves": (pod(None, component="export", gpus=1, deleting=True), 0, (4, 2)),
}


@pytest.mark.parametrize("name", OUTPUTS)
def test_outputs_of_a_trained_job_do_not_wait_for_other_trainings(name: str) -> None:
    waiting, kept, expected = OUTPUTS[name]
    assert gpus.for_outputs([waiting], Capacity((2, 4)), kept).nodes == expected


@pytest.mark.parametrize(
    ("ready", "cordoned", "usable"),
    [("True", False, True), ("True", True, False), ("Unknown", False, False)],
)
def test_a_node(ready: str, cordoned: bool, usable: bool) -> None:
    found = parse.node(
        {
            "metadata": {"name": "n", "uid": "u", "resourceVersion": "7"},
            "spec": {"unschedulable": cordoned},
            "status": {
                "allocatable": {"cpu": "8", "nvidia.com/gpu": "4"},
                "conditions": [{"type": "Ready", "status": ready}],
            },
        }
    )
    assert (found.gpus, found.usable) == (4, usable)


def test_a_node_of_which_nothing_is_known_yet() -> None:
    bare = {"metadata": {"name": "n", "uid": "u", "resourceVersion": "7"}}
    assert (parse.node(bare).gpus, parse.node(bare).usable) == (0, False)


def test_the_gpus_of_a_pod() -> None:
    limits = {"limits": {"cpu": "1", "nvidia.com/gpu": "2"}}
    containers = [{"resources": limits}, {"resources": limits}, {"resources": {}}, {}]
    assert parse.gpus({"spec": {"containers": containers}}) == 4


# --- All statuses together -----------------------------------------------------------------------

CONDITION = Condition(
    type=reasons.POSES_READY,
    status="True",
    reason=reasons.POSES_GIVEN,
    message="",
    last_transition_time=rfc3339(NOW),
    observed_generation=1,
)


@st.composite
def a_job(draw: st.DrawFn, name: str) -> Job:
    fewest = draw(st.integers(1, 3))
    each = draw(st.integers(1, 2))
    workers = {"min": fewest, "max": draw(st.integers(fewest, 6)), "gpusPerWorker": each}
    sizes = sorted(draw(st.sets(st.sampled_from((1, 2, 4)))))
    rates = [(workers, draw(st.integers(100, 9000))) for workers in sizes]
    waits = AllocationStatus(
        workers=0,
        reason=reasons.NOT_DECIDED,
        message="",
        since=rfc3339(NOW),
        requested=rfc3339(NOW),
        speeds=[SpeedStatus(workers=n, rays_per_second=r, time=rfc3339(NOW)) for n, r in rates],
    )
    status = NeRFJobStatus(conditions=[CONDITION], allocation=waits)
    training = {"shards": 16, "steps": draw(st.integers(1, 9000))}
    made = job(status, workers=workers, scaling={"policy": "Auto"}, training=training)
    return replace(made, name=name, uid=name)


FLEETS = st.integers(1, 5).flatmap(lambda n: st.tuples(*(a_job(f"job-{i}") for i in range(n))))
#: GPUs at this moment, and whose passes come through.
ROUNDS = st.lists(st.tuples(st.integers(0, 12), st.sets(st.integers(0, 4))), min_size=1, max_size=8)


def size(subject: Job) -> int:
    assert subject.status.allocation is not None
    return subject.status.allocation.workers


def held(fleet: list[Job]) -> int:
    return sum(size(j) * j.spec.workers.gpus_per_worker for j in fleet if j.spec)


def step(fleet: list[Job], total: int, number: int, writes: set[int]) -> list[Job]:
    """One decision, and the passes of some of the jobs."""
    now = NOW.timestamp() + 10 * number
    asked = [auto.request(subject, 5.0) for subject in fleet]
    found = allocate(asked, Capacity((total,)), now)
    answers = gpus.after_releases(asked, found, total)
    moment = NOW.fromtimestamp(now, NOW.tzinfo)
    left = list(fleet)
    for index in sorted(writes & set(range(len(fleet)))):
        subject, answer = fleet[index], answers.get(asked[index].name)
        new = auto.report(subject, subject.status.conditions, answer, None, moment)
        status = subject.status.model_copy(update={"allocation": new})
        left[index] = replace(subject, status=status)
    return left


def assert_sound(fleet: list[Job]) -> None:
    """min or nothing, and a word on it."""
    for subject in fleet:
        assert subject.spec is not None and subject.status.allocation is not None
        workers, known = subject.spec.workers, subject.status.allocation
        assert known.workers == 0 or workers.fewest <= known.workers <= workers.most
        assert known.reason


@given(FLEETS, ROUNDS)
def test_all_statuses_together_never_grow_beyond_what_is_there(
    fleet_: tuple[Job, ...], rounds: list[tuple[int, set[int]]]
) -> None:
    """Whoever's write fails, and whatever is lost meanwhile."""
    fleet = list(fleet_)
    for number, (total, writes) in enumerate(rounds):
        before = held(fleet)
        fleet = step(fleet, total, number, writes)
        assert held(fleet) <= max(before, total)
        assert_sound(fleet)


@given(FLEETS, ROUNDS, st.integers(0, 12))
def test_sizes_settle_within_what_is_there(
    fleet_: tuple[Job, ...], rounds: list[tuple[int, set[int]]], total: int
) -> None:
    fleet = list(fleet_)
    for number, (gpus_then, writes) in enumerate(rounds):
        fleet = step(fleet, gpus_then, number, writes)
    everyone, seen = set(range(len(fleet))), []
    for number in range(10, 26):
        fleet = step(fleet, total, number, everyone)
        seen.append([size(subject) for subject in fleet])
    assert held(fleet) <= total
    assert seen[-1] == seen[-2] == seen[-3]
    assert_sound(fleet)
