"""A network that falls apart: those who were cut off come back, replaced or not, and do no harm.

What is checked at each step: see `World.check` and `World.train`.
"""

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st
from settling import settle
from simulation import World

from nerf_trainer.coordination.membership import Settings

PODS = range(3)


@dataclass(frozen=True)
class Partition:
    """reached: pods that reach the coordinator. replaced: the others get successors. restarted: so
    is the coordinator then. heals: who was cut off comes back, and speaks first. joins: in that
    they miss peers.
    """

    reached: frozenset[int]
    replaced: bool
    restarted: bool
    heals: bool
    joins: bool


PARTITIONS = st.builds(
    Partition,
    reached=st.frozensets(st.sampled_from(PODS)),
    replaced=st.booleans(),
    restarted=st.booleans(),
    heals=st.booleans(),
    joins=st.booleans(),
)


def go_on(world: World, times: int) -> None:
    for _ in range(times):
        world.go_on()
        world.train()


def start(world: World, *pods: int) -> None:
    for pod in pods:
        world.start_pod(pod)
    for process in [p for pod in pods for p in world.pods[pod]]:
        world.join(process)


def happen(world: World, partition: Partition) -> None:
    for process in world.living:
        if process.identity.id.pod not in partition.reached:
            process.frozen = True
        elif process.frozen:
            world.thaw(process)
    cut_off = [pod for pod in PODS if pod not in partition.reached]
    if partition.replaced:
        start(world, *cut_off)
    go_on(world, 6)
    if partition.restarted:
        world.restart_coordinator()
    for process in [p for p in world.processes if p.frozen and partition.heals]:
        world.come_back(process, partition.joins)
    go_on(world, 4)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.integers(1, 2), st.integers(1, 2), st.lists(PARTITIONS, min_size=1, max_size=5))
def test_partitions(min_pods: int, processes: int, story: list[Partition]) -> None:
    world = World(Settings(min_pods=min_pods), processes_per_pod=processes)
    start(world, *PODS)
    go_on(world, 8)
    assert world.together
    for partition in story:
        happen(world, partition)
    settle(world)
