"""Networks that fall apart: who was cut off comes back, replaced or not, and does no harm.

Every story of two partitions of a job of two pods; `World.check` and `World.train` watch each step.
"""

from dataclasses import dataclass
from itertools import product
from typing import Literal

import pytest
from settling import settle
from simulation import World

from nerf_trainer.coordination.membership import Settings

PODS = (0, 1)


@dataclass(frozen=True)
class Partition:
    """reached: the pod that reaches the coordinator. replaced: the other gets a successor.
    restarted: so is the coordinator then. back: what who was cut off does first, if it comes back.
    """

    reached: int
    replaced: bool
    restarted: bool
    back: Literal["never", "beats", "joins"]


PARTITIONS = [
    Partition(reached, replaced, restarted, back)
    for reached, replaced, restarted, back in product(
        PODS, (False, True), (False, True), ("never", "beats", "joins")
    )
]


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
        if process.identity.id.pod != partition.reached:
            process.frozen = True
        elif process.frozen:
            world.thaw(process)
    if partition.replaced:
        start(world, 1 - partition.reached)
    go_on(world, 6)
    if partition.restarted:
        world.restart_coordinator()
    if partition.back != "never":
        for process in [p for p in world.processes if p.frozen]:
            world.come_back(process, joins=partition.back == "joins")
    go_on(world, 4)


@pytest.mark.parametrize("first", PARTITIONS, ids=str)
def test_partitions(first: Partition) -> None:
    for second in PARTITIONS:
        world = World(Settings(min_pods=1))
        start(world, *PODS)
        go_on(world, 8)
        assert world.together
        happen(world, first)
        happen(world, second)
        settle(world)
