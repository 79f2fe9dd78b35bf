"""The rules of membership, one by one, on virtual time."""

from dataclasses import replace

import pytest
from simulation import BEAT, Process, World

from nerf_trainer.coordination.membership import Settings, Tick
from nerf_trainer.coordination.messages import NO_GENERATION, Goodbye, Heartbeat, Verdict


def world_of(*pods: int, min_pods: int = 1, processes: int = 1) -> World:
    """A coordinator past its grace, and pods of which no process has joined yet."""
    world = World(Settings(min_pods=min_pods), processes_per_pod=processes)
    world.pass_time(3.0)
    for pod in pods:
        world.start_pod(pod)
    return world


def join_all(world: World) -> None:
    for process in world.living:
        world.join(process)


def places(world: World) -> dict[str, tuple[int, int, int]]:
    """Member -> (generation, rank, world size) of those who have a place."""
    return {
        str(p.identity.id): (
            p.placement.generation.number,
            p.placement.rank,
            p.placement.world_size,
        )
        for p in world.living
        if p.placement
    }


def training(*pods: int) -> World:
    """These pods in one group."""
    world = world_of(*pods)
    join_all(world)
    world.go_on()
    assert world.together
    return world


def start(world: World, pod: int) -> Process:
    """A new pod, whose first process asks to join."""
    world.start_pod(pod)
    world.join(first(world, pod))
    return first(world, pod)


def first(world: World, pod: int) -> Process:
    return world.pods[pod][0]


def test_all_who_wait_are_placed_once_the_last_has_joined() -> None:
    world = world_of(0, 1, min_pods=2)
    world.join(first(world, 1))
    assert places(world) == {}
    world.join(first(world, 0))
    assert places(world) == {"0.0": (1, 0, 2), "1.0": (1, 1, 2)}


def test_a_new_coordinator_waits_for_those_who_may_train() -> None:
    world = training(0, 1)
    world.restart_coordinator()
    joiner = start(world, 2)
    world.send(Tick())
    world.now += world.settings.grace - BEAT
    world.poll(joiner)
    assert joiner.waiting


def test_it_waits_for_less_where_all_of_the_group_are_known() -> None:
    world = training(0, 1)
    world.restart_coordinator()
    joiner = start(world, 2)
    world.pass_time(world.settings.member_timeout)
    assert first(world, 0).verdict is Verdict.CHANGING
    world.obey()
    assert world.together and not joiner.waiting


@pytest.mark.parametrize("joins", [True, False])
def test_a_whole_group_of_zombies_that_speaks_first_gets_no_place(joins: bool) -> None:
    world = training(0, 1)
    old = [first(world, pod) for pod in (0, 1)]
    for process in old:
        process.frozen = True
    new = [start(world, pod) for pod in (0, 1)]
    formed = set(world.history)
    world.restart_coordinator()
    for process in old:
        world.thaw(process)
        if joins:
            world.join(process)
        else:
            world.beat(process)
    world.go_on()
    world.go_on()
    assert {p.verdict for p in new} == {Verdict.CURRENT}
    assert world.together and not world.zombies
    assert set(world.history) == formed


def test_nor_for_long_for_one_that_died_before_it_was_known() -> None:
    world = training(0, 1, 2)
    world.restart_coordinator()
    world.kill_pod(1)
    for pod in (0, 2):
        world.join(first(world, pod))
    assert all(p.waiting for p in world.living), "the third may live"
    world.pass_time(world.settings.member_timeout)
    assert sorted(places(world)) == ["0.0", "2.0"]
    assert {size for _, _, size in places(world).values()} == {2}


def test_it_does_not_take_an_older_group_for_the_one_that_trains() -> None:
    world = training(0, 1)
    old = first(world, 1)
    old.frozen = True
    for _ in range(8):
        world.go_on()
    assert places(world)["0.0"][2] == 1, "the other trains on"
    world.restart_coordinator()
    world.beat(first(world, 0))
    old.frozen = False
    world.join(old)
    assert old.waiting, "it is not of the newest group"
    world.pass_time(world.settings.member_timeout)
    assert first(world, 0).verdict is Verdict.CHANGING
    world.obey()
    assert world.together


def test_untrained_members_wait_for_the_writer() -> None:
    world = world_of(1)
    join_all(world)
    assert places(world) == {}
    first(world, 1).step = 7
    join_all(world)
    assert places(world) == {"1.0": (1, 0, 1)}


def test_the_most_advanced_member_is_the_source() -> None:
    world = world_of(0, 1, 2, min_pods=3)
    first(world, 1).step = 12
    join_all(world)
    placement = first(world, 0).placement
    assert placement is not None
    assert (placement.source, placement.writer) == (1, 0)


def test_a_pod_takes_part_only_when_complete() -> None:
    world = world_of(0, 1, processes=2)
    for process in [*world.pods[0], world.pods[1][0]]:
        world.join(process)
    assert places(world) == {"0.0": (1, 0, 2), "0.1": (1, 1, 2)}
    world.beat(first(world, 0))
    assert first(world, 0).verdict is Verdict.CURRENT
    world.join(world.pods[1][1])
    world.beat(first(world, 0))
    assert first(world, 0).verdict is Verdict.CHANGING


def test_a_joiner_is_announced_and_then_taken_in() -> None:
    world = world_of(0)
    join_all(world)
    world.start_pod(1)
    world.join(first(world, 1))
    assert first(world, 1).waiting
    world.beat(first(world, 0))
    assert first(world, 0).verdict is Verdict.CHANGING
    world.join(first(world, 0))
    assert places(world) == {"0.0": (2, 0, 2), "1.0": (2, 1, 2)}


def group_with_a_frozen_member() -> World:
    """Members 0.0 and 1.0, of which 1.0 has just gone silent."""
    world = world_of(0, 1)
    join_all(world)
    world.pass_time(0.5)
    world.obey()
    first(world, 1).frozen = True
    return world


def test_a_silent_member_is_given_up_after_its_timeout() -> None:
    world = group_with_a_frozen_member()
    world.pass_time(2.0)
    assert first(world, 0).verdict is Verdict.CURRENT
    world.pass_time(0.5)
    assert first(world, 0).verdict is Verdict.OVER
    world.obey()
    assert places(world)["0.0"] == (world.state.number, 0, 1)


def test_a_silent_member_of_a_group_that_broke_is_given_up_sooner() -> None:
    world = group_with_a_frozen_member()
    world.join(first(world, 0))
    world.pass_time(1.0)
    assert first(world, 0).waiting
    world.pass_time(0.5)
    assert places(world)["0.0"] == (world.state.number, 0, 1)


def test_in_a_group_that_broke_who_speaks_is_waited_for() -> None:
    world = world_of(0, 1, min_pods=2)
    join_all(world)
    world.join(first(world, 0))
    world.pass_time(3.0)
    assert first(world, 0).waiting
    world.join(first(world, 1))
    assert places(world) == {"0.0": (2, 0, 2), "1.0": (2, 1, 2)}


def test_a_member_that_went_silent_makes_the_group_over_and_may_come_back() -> None:
    world = world_of(0, 1, min_pods=2)
    join_all(world)
    first(world, 1).frozen = True
    world.pass_time(3.0)
    assert first(world, 0).verdict is Verdict.OVER
    first(world, 1).frozen = False
    world.pass_time(0.5)
    assert first(world, 1).verdict is Verdict.OVER
    world.obey()
    assert places(world) == {"0.0": (2, 0, 2), "1.0": (2, 1, 2)}


def test_a_newer_incarnation_replaces_the_older_at_once_and_fences_it() -> None:
    world = world_of(0, 1, min_pods=2)
    join_all(world)
    old = first(world, 1)
    old.frozen = True
    world.start_pod(1)
    world.join(first(world, 1))
    world.beat(first(world, 0))
    assert first(world, 0).verdict is Verdict.OVER
    world.join(first(world, 0))
    assert places(world) == {"0.0": (2, 0, 2), "1.0": (2, 1, 2)}
    assert world.send(Heartbeat(old.identity, NO_GENERATION, 0, 1)).verdict is Verdict.FENCED
    assert old.join is not None
    assert world.send(replace(old.join, attempt=9)).verdict is Verdict.FENCED


def test_goodbye_of_a_pod_frees_those_who_wait_for_it() -> None:
    world = world_of(0, 1)
    join_all(world)
    world.pass_time(0.5)
    world.obey()
    world.join(first(world, 0))
    gone = first(world, 1).identity
    world.kill_pod(1)
    world.send(Goodbye(1, gone.incarnation, None))
    world.collect()
    assert places(world)["0.0"][2] == 1


def test_goodbye_of_an_older_incarnation_changes_nothing() -> None:
    world = world_of(0, 1)
    old = first(world, 1).identity.incarnation
    world.start_pod(1)
    join_all(world)
    world.send(Goodbye(1, old, None))
    assert len(world.state.members) == 2


def test_goodbye_at_the_end_does_not_end_the_group_of_the_others() -> None:
    world = world_of(0, 1, min_pods=2)
    join_all(world)
    gone = first(world, 1).identity
    world.send(Goodbye(1, gone.incarnation, 0))
    world.beat(first(world, 0))
    assert first(world, 0).verdict is Verdict.CURRENT


def test_a_new_coordinator_adopts_the_group_that_trains() -> None:
    world = world_of(0, 1, min_pods=2)
    join_all(world)
    world.restart_coordinator()
    world.pass_time(10.0)
    assert {p.verdict for p in world.living} == {Verdict.CURRENT}
    assert world.state.group is not None
    assert (world.state.number, len(world.state.group.members)) == (1, 2)


def test_a_new_coordinator_forms_nothing_before_it_has_heard_all() -> None:
    world = world_of(0, 1)
    join_all(world)
    world.pass_time(0.5)
    world.obey()
    seen = world.state.number
    world.restart_coordinator()
    world.join(first(world, 0))
    assert first(world, 0).waiting
    world.pass_time(4.0)
    assert first(world, 0).waiting, "the other one lives, and has not left its group"
    world.join(first(world, 1))
    assert places(world)["0.0"] == (seen + 1, 0, 2)


def test_a_new_coordinator_ends_a_group_of_which_one_never_speaks() -> None:
    """It died together with the coordinator before, and the others may not notice by themselves."""
    world = training(0, 1)
    world.kill_pod(1)
    world.restart_coordinator()
    world.pass_time(world.settings.grace - 2 * BEAT)
    assert first(world, 0).verdict is Verdict.CURRENT
    world.pass_time(4 * BEAT)
    assert first(world, 0).verdict is Verdict.OVER


def test_a_repeated_join_gets_the_same_place() -> None:
    world = world_of(0)
    join_all(world)
    join = first(world, 0).join
    assert join is not None
    assert world.send(join).placement == first(world, 0).placement
    assert world.state.number == 1


def test_a_member_that_leaves_alone_makes_the_group_over_for_the_others() -> None:
    world = world_of(0, 1, min_pods=2)
    join_all(world)
    world.join(first(world, 0))
    world.beat(first(world, 1))
    assert first(world, 1).verdict is Verdict.OVER


def test_two_groups_of_one_number_are_told_apart() -> None:
    world = world_of(0)
    join_all(world)
    first(world, 0).frozen = True
    world.restart_coordinator()
    world.pass_time(4.0)
    world.start_pod(1)
    first(world, 1).step = 1
    world.join(first(world, 1))
    first(world, 0).frozen = False
    world.pass_time(0.5)
    assert places(world) == {"0.0": (1, 0, 1), "1.0": (1, 0, 1)}
    assert first(world, 0).verdict is Verdict.OVER
    world.obey()
    world.pass_time(0.5)
    world.obey()
    assert places(world) == {"0.0": (2, 0, 2), "1.0": (2, 1, 2)}


def group_of(*pods: int, min_pods: int = 1, processes: int = 1) -> World:
    """All processes of these pods in one group."""
    world = world_of(*pods, min_pods=min_pods, processes=processes)
    join_all(world)
    world.pass_time(0.5)
    world.obey()
    assert len({place[0] for place in places(world).values()}) == 1
    assert len(places(world)) == len(pods) * processes
    return world


def test_a_pod_that_leaves_is_announced_and_the_others_go_on_at_once() -> None:
    world = group_of(0, 1, 2)
    leaver, stayers = first(world, 1), [first(world, 0), first(world, 2)]
    number = world.state.number
    world.ask_to_leave(leaver)
    for process in stayers:
        world.beat(process)
        assert process.verdict is Verdict.CHANGING
    world.join(stayers[0])
    assert stayers[0].waiting
    world.join(stayers[1])
    found = places(world)
    assert (found["0.0"], found["2.0"]) == ((number + 1, 0, 2), (number + 1, 1, 2))
    world.kill_pod(1)
    world.pass_time(4.0)
    assert world.state.number == number + 1
    assert {process.verdict for process in stayers} == {Verdict.CURRENT}


def test_a_pod_leaves_as_a_whole() -> None:
    world = group_of(0, 1, processes=2)
    asked, mate = world.pods[1]
    world.ask_to_leave(asked)
    for process in (*world.pods[0], mate):
        world.join(process)
    assert mate.waiting
    assert [p.placement.world_size for p in world.pods[0] if p.placement] == [2, 2]


def test_leaving_is_announced_even_where_too_few_remain_and_the_replacement_is_taken_in() -> None:
    world = group_of(0, 1, min_pods=2)
    world.ask_to_leave(first(world, 1))
    world.beat(first(world, 0))
    assert first(world, 0).verdict is Verdict.CHANGING
    world.obey()
    assert first(world, 0).waiting
    world.start_pod(1)
    world.join(first(world, 1))
    assert places(world) == {"0.0": (2, 0, 2), "1.0": (2, 1, 2)}


def test_a_pod_that_leaves_while_it_waits_gets_no_place() -> None:
    world = group_of(0, 1)
    world.start_pod(2)
    joiner = first(world, 2)
    world.join(joiner)
    assert joiner.join is not None
    world.ask_to_leave(joiner)
    for message in (joiner.join, replace(joiner.join, attempt=2)):
        world.send(message)
        world.beat(first(world, 0))
        assert first(world, 0).verdict is Verdict.CURRENT


def test_a_new_coordinator_hears_again_that_a_pod_leaves() -> None:
    world = group_of(0, 1)
    world.ask_to_leave(first(world, 1))
    world.restart_coordinator()
    world.pass_time(1.0)
    assert first(world, 0).verdict is Verdict.CHANGING
    number = world.state.number
    world.obey()
    world.pass_time(3.0)
    assert places(world) == {"0.0": (number + 1, 0, 1)}


def start_pod_with(world: World, pod: int, config: str) -> Process:
    world.start_pod(pod)
    (process,) = world.pods[pod]
    process.identity = replace(process.identity, config=config)
    return process


def test_a_pod_with_another_config_gets_no_place_and_disturbs_nobody() -> None:
    world = group_of(0, 1)
    number = world.state.number
    other = start_pod_with(world, 2, "other")
    world.join(other)
    world.pass_time(5.0)
    world.poll(other)
    assert other.verdict is Verdict.MISFIT
    assert {first(world, pod).verdict for pod in (0, 1)} == {Verdict.CURRENT}
    world.train()
    world.obey()
    for pod in (0, 1):
        world.join(first(world, pod))
    found = places(world)
    assert (found["0.0"], found["1.0"]) == ((number + 1, 0, 2), (number + 1, 1, 2))
    assert other.waiting


def test_after_a_crash_of_all_the_most_advanced_config_counts() -> None:
    world = world_of(min_pods=1)
    fresh, advanced = start_pod_with(world, 1, "new"), start_pod_with(world, 0, "old")
    advanced.step = 7
    world.join(fresh)
    world.join(advanced)
    assert list(places(world)) == ["0.0"]
    world.poll(fresh)
    assert fresh.verdict is Verdict.MISFIT


def test_a_new_coordinator_goes_by_the_config_of_those_who_train() -> None:
    world = group_of(0, 1)
    world.restart_coordinator()
    other = start_pod_with(world, 2, "other")
    world.join(other)
    world.pass_time(5.0)
    world.poll(other)
    assert other.verdict is Verdict.MISFIT
    assert {first(world, pod).verdict for pod in (0, 1)} == {Verdict.CURRENT}


def test_who_was_refused_gets_a_place_once_the_others_have_gone() -> None:
    world = group_of(0)
    world.train()
    other = start_pod_with(world, 1, "other")
    other.step = 3
    world.join(other)
    world.kill_pod(0)
    world.pass_time(3.0)
    world.poll(other)
    assert list(places(world)) == ["1.0"]
