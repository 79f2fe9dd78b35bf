"""Members whose hearts beat while their training does not get on, on virtual time."""

import pytest
from simulation import BEAT, Process, World
from test_membership import first, places, start, training, world_of

from nerf_trainer.coordination.messages import Verdict
from nerf_trainer.coordination.stuck import PATIENCE_SECONDS

#: In which they learn of it, and form the next group.
SOON = 2.0


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


def pairs(*pods: int) -> World:
    """These pods, each of two processes, in one group."""
    world = world_of(processes=2)
    for pod in pods:
        start(world, pod)
        world.join(world.pods[pod][1])
    go_on(world, SOON)
    assert world.together
    return world


def test_others_go_on_without_one_who_keeps_them_waiting() -> None:
    world = training(0, 1, 2)
    slow = stalled(world, 1)
    go_on(world, PATIENCE_SECONDS)
    assert worlds(world) == {"0.0": 3, "1.0": 3, "2.0": 3}, "it may still come"
    go_on(world, SOON)
    assert worlds(world) == {"0.0": 2, "1.0": 3, "2.0": 2}
    assert first(world, 0).step > slow.step
    assert slow.verdict is Verdict.OVER


def test_it_joins_anew_when_it_gets_on() -> None:
    world = training(0, 1)
    slow = stalled(world, 1)
    go_on(world, PATIENCE_SECONDS + SOON)
    world.stall(slow)
    go_on(world, SOON)
    assert world.together
    assert slow.step == first(world, 0).step


def test_where_every_step_takes_long_nobody_is_to_blame() -> None:
    world = training(0, 1)
    before, both = places(world), [stalled(world, 0), stalled(world, 1)]
    go_on(world, 3 * PATIENCE_SECONDS)
    world.stall(both[0])
    go_on(world, PATIENCE_SECONDS - 1.0)
    world.stall(both[1])
    go_on(world, SOON)
    assert places(world) == before


def test_nor_where_another_has_waited_to_be_taken_in_meanwhile() -> None:
    world = training(0, 1)
    both = [stalled(world, 0), stalled(world, 1)]
    joiner = start(world, 2)
    go_on(world, 3 * PATIENCE_SECONDS)
    world.stall(both[0])
    go_on(world, SOON)
    assert joiner.waiting
    world.stall(both[1])
    go_on(world, SOON)
    assert worlds(world) == {"0.0": 3, "1.0": 3, "2.0": 3}


def test_who_is_not_overdue_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that evaluates a view, or writes a checkpoint."""
    world = training(0, 1)
    before, busy = places(world), stalled(world, 1)
    monkeypatch.setattr(busy, "heartbeat", lambda now, _: Process.heartbeat(busy, now, 600.0))
    go_on(world, 3 * PATIENCE_SECONDS)
    assert places(world) == before


def test_one_without_whom_no_group_can_form_is_waited_for() -> None:
    """The step may still be done: to drop it would help nobody."""
    world = world_of(0, 1, min_pods=2)
    for process in world.living:
        world.join(process)
    before = places(world)
    slow = stalled(world, 1)
    go_on(world, 2 * PATIENCE_SECONDS)
    assert places(world) == before
    world.stall(slow)
    go_on(world, SOON)
    assert places(world) == before
    assert slow.step > 0


def test_as_is_a_process_of_the_only_pod() -> None:
    world = pairs(0)
    before, _ = places(world), stalled(world, 0)
    go_on(world, 2 * PATIENCE_SECONDS)
    assert places(world) == before


def test_a_pod_goes_as_a_whole() -> None:
    world = pairs(0, 1)
    stalled(world, 1)
    go_on(world, PATIENCE_SECONDS + SOON)
    assert worlds(world)["0.1"] == 2
    assert world.pods[1][1].waiting, "it waits for the other process of its pod"


def test_a_group_that_broke_does_not_wait_for_it_either() -> None:
    world = training(0, 1, 2)
    stalled(world, 1)
    world.kill_pod(2)
    go_on(world, PATIENCE_SECONDS)
    assert first(world, 0).waiting
    go_on(world, 2 * SOON)
    assert worlds(world)["0.0"] == 1


def test_nor_does_the_successor_of_a_process_that_died() -> None:
    world = training(0, 1)
    stalled(world, 1)
    go_on(world, SOON)
    start(world, 0)
    go_on(world, PATIENCE_SECONDS + SOON)
    assert worlds(world)["0.0"] == 1


def test_nor_does_a_later_group_once_it_was_silent_for_a_while() -> None:
    """What was known of it is forgotten then."""
    world = training(0, 1)
    slow = stalled(world, 1)
    go_on(world, PATIENCE_SECONDS + SOON)
    slow.frozen = True
    go_on(world, 4.0)
    slow.frozen = False
    go_on(world, SOON)
    start(world, 2)
    go_on(world, SOON)
    assert worlds(world) == {"0.0": 2, "1.0": 2, "2.0": 2}
    assert first(world, 2).placement != slow.placement


def test_a_new_coordinator_learns_who_keeps_others_waiting() -> None:
    world = training(0, 1)
    stalled(world, 1)
    go_on(world, PATIENCE_SECONDS - 1.0)
    world.restart_coordinator()
    go_on(world, 5.0)
    assert worlds(world)["0.0"] == 1
