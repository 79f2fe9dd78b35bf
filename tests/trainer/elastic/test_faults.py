"""Whatever happens to any one message of a job's life, all end in one group and lose no step."""

import pytest
from faulty_world import FAULTS, Fault, FaultyWorld, tell_story
from settling import settle

from nerf_trainer.coordination.membership import Settings


def story(processes: int, fault: Fault | None = None, at: int = -1) -> FaultyWorld:
    """A world past its coordinator's grace, after the story."""
    world = FaultyWorld(Settings(min_pods=1), processes_per_pod=processes, fault=fault, at=at)
    world.pass_time(3.0)
    tell_story(world)
    return world


def test_the_undisturbed_story_goes_through_every_change() -> None:
    world = story(processes=1)
    sizes = [next(iter(p.values())).world_size for p in world.history.values()]
    assert sizes[-3:] == [3, 2, 2]
    assert [p.identity.id.pod for p in world.living] == [0, 2]
    settle(world)


@pytest.mark.parametrize(("processes", "stride"), [(1, 1), (2, 7)])
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_fault_at_any_message(fault: Fault, processes: int, stride: int) -> None:
    for at in range(0, story(processes).messages, stride):
        try:
            settle(story(processes, fault, at))
        except AssertionError as error:
            error.add_note(f"{fault.__name__} at message {at}")
            raise
