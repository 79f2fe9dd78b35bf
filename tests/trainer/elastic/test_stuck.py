"""Members whose hearts beat while their training does not get on, on virtual time."""

import pytest
from simulation import BEAT, Process, World
from test_membership import first, places, start, training

from nerf_trainer.coordination.messages import Verdict
from nerf_trainer.coordination.stuck import BARRED_SECONDS

PATIENCE = 10.0


def go_on(world: World, seconds: float) -> None:
    for _ in range(int(seconds / BEAT)):
        world.go_on()
        world.train()


def worlds(world: World) -> dict[str, int]:
    """Member -> size of the world it has a place in."""
    return {who: size for who, (_, _, size) in places(world).items()}


def stalled(world: World, pod: int) -> Process:
    process = first(world, pod)
    world.stall(process)
    return process


def test_others_go_on_without_one_who_keeps_them_waiting() -> None:
    world = training(0, 1, 2)
    slow = stalled(world, 1)
    go_on(world, PATIENCE)
    assert worlds(world) == {"0.0": 3, "1.0": 3, "2.0": 3}, "it may still come"
    go_on(world, 2.0)
    assert worlds(world) == {"0.0": 2, "1.0": 3, "2.0": 2}
    assert first(world, 0).step > slow.step
    assert slow.verdict is Verdict.OVER


def test_it_joins_anew_when_it_gets_on() -> None:
    world = training(0, 1)
    slow = stalled(world, 1)
    go_on(world, PATIENCE + 2.0)
    world.stall(slow)
    go_on(world, 2.0)
    assert world.together
    assert slow.step == first(world, 0).step


def test_where_every_step_takes_long_nobody_is_to_blame() -> None:
    world = training(0, 1)
    before = places(world)
    both = [stalled(world, 0), stalled(world, 1)]
    go_on(world, 3 * PATIENCE)
    world.stall(both[0])
    go_on(world, PATIENCE - 1.0)
    world.stall(both[1])
    go_on(world, 1.0)
    assert places(world) == before


def test_who_is_not_overdue_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that evaluates a view, or writes a checkpoint."""
    world = training(0, 1)
    busy = stalled(world, 1)
    monkeypatch.setattr(busy, "heartbeat", lambda now, _: Process.heartbeat(busy, now, 600.0))
    before = places(world)
    go_on(world, 3 * PATIENCE)
    assert places(world) == before


def test_a_group_that_broke_does_not_wait_for_it_either() -> None:
    world = training(0, 1, 2)
    stalled(world, 1)
    world.kill_pod(2)
    go_on(world, PATIENCE)
    assert first(world, 0).waiting
    go_on(world, 3.0)
    assert worlds(world)["0.0"] == 1


def test_a_pod_goes_as_a_whole() -> None:
    world = World(training(0).settings, processes_per_pod=2)
    for pod in (0, 1):
        start(world, pod)
        world.join(world.pods[pod][1])
    go_on(world, 4.0)
    assert world.together
    stalled(world, 1)
    go_on(world, PATIENCE + 2.0)
    assert worlds(world)["0.1"] == 2
    assert world.pods[1][1].waiting, "it waits for the other process of its pod"


def test_who_waits_without_a_chance_of_a_place_is_no_reason() -> None:
    """One process of a pod of two, whose other one never comes."""
    world = World(training(0).settings, processes_per_pod=2)
    start(world, 0)
    world.join(world.pods[0][1])
    go_on(world, 4.0)
    start(world, 1)
    before = places(world)
    for process in world.pods[0]:
        world.stall(process)
    go_on(world, 3 * PATIENCE)
    assert places(world) == before


def test_the_second_time_it_is_kept_out_for_a_while() -> None:
    world = training(0, 1)
    slow = first(world, 1)
    for _ in range(2):
        world.stall(slow)
        go_on(world, PATIENCE + 2.0)
        world.stall(slow)
        go_on(world, 2.0)
    assert slow.waiting
    assert first(world, 0).verdict is Verdict.CURRENT
    go_on(world, BARRED_SECONDS)
    assert world.together


def test_but_gets_a_place_where_the_group_changes_anyway() -> None:
    world = training(0, 1)
    slow = first(world, 1)
    for _ in range(2):
        world.stall(slow)
        go_on(world, PATIENCE + 2.0)
        world.stall(slow)
        go_on(world, 2.0)
    start(world, 2)
    go_on(world, 2.0)
    assert world.together


def test_a_new_coordinator_learns_who_keeps_others_waiting() -> None:
    world = training(0, 1)
    stalled(world, 1)
    go_on(world, PATIENCE - 1.0)
    world.restart_coordinator()
    go_on(world, 5.0)
    assert worlds(world)["0.0"] == 1
