"""What is told of a training is read off the answers of its workers."""

import pytest

from faults import story
from faults.story import Sample, Start


def told(
    at: float, pod: str, step: int, generation: int = 1, rank: int = 0, **more: object
) -> Sample:
    fields = {"phase": "training", "world": 2} | more
    return Sample(at=at, pod=pod, step=step, generation=generation, rank=rank, **fields)  # type: ignore[arg-type]


def pair(at: float, step: int, generation: int = 1, pods: str = "ab") -> list[Sample]:
    return [told(at, pod, step, generation, rank) for rank, pod in enumerate(pods)]


#: Steps 1 to 5, then b is gone; a goes on alone, and c joins it.
CRASH = [
    *(one for step in range(6) for one in pair(step / 10, step)),
    told(1.0, "a", 5, phase="waiting"),
    *(told(2.0 + step / 10, "a", step, generation=2, world=1) for step in range(5, 10)),
    *(one for step in range(9, 12) for one in pair(5 + step / 10, step, 3, "ac")),
]


def test_a_survivor_loses_nothing() -> None:
    starts = [Start(2.4, 2, 1, 5), Start(5.8, 3, 2, 9)]
    assert story.losses(CRASH, starts, since=0.5) == [0, 0]


def test_steps_that_are_done_again_are_counted_once_a_group() -> None:
    starts = [Start(2.0, 2, 1, 3), Start(2.1, 2, 1, 3), Start(5.8, 3, 2, 8)]
    assert story.losses(CRASH, starts, since=0.5) == [2, 1]


def test_a_group_loses_what_the_one_before_had_done_and_not_what_that_had_lost() -> None:
    """All die at step 5. One begins at step 2, and another one joins it at step 4."""
    again = [*CRASH[:12], *(told(2 + step / 10, "c", step, 1, world=1) for step in range(2, 5))]
    starts = [Start(1.9, 1, 1, 2), Start(2.5, 2, 2, 4)]
    assert story.losses(again, starts, since=0.5) == [3, 0]


def test_groups_of_before_do_not_count() -> None:
    assert story.losses(CRASH, [Start(0.3, 1, 2, 0)], since=0.5) == []


def test_lost_time_is_that_of_the_steps_that_are_done_again() -> None:
    assert story.lost_seconds(CRASH, Start(1.5, 2, 1, 2)) == pytest.approx(0.7)
    assert story.lost_seconds(CRASH, Start(1.5, 2, 1, 5)) == 0.0


def test_a_pause_ends_with_a_step_that_is_new() -> None:
    assert story.longest_pause(CRASH, 0.45, 6.1) == pytest.approx(2.9 - 0.5 + 3.1 - 2.4, abs=0.8)
    again = [told(0, "a", 5), told(1, "a", 3, 2), told(2, "a", 5, 2), told(3, "a", 6, 2)]
    assert story.longest_pause(again, 0.5, 3) == pytest.approx(2.5)


def test_a_training_that_stopped_pauses_until_now() -> None:
    assert story.longest_pause(CRASH, 0.45, 100) == pytest.approx(100 - 6.1)


def test_whole_is_a_new_group_in_which_all_have_done_a_step() -> None:
    assert story.whole_since(CRASH, 2, since=0.25) == pytest.approx(6.0)
    assert story.whole_since(CRASH, 1, since=0.25) == pytest.approx(2.6)
    assert story.whole_since(CRASH[:-2], 2, since=0.25) == pytest.approx(6.0)
    assert story.whole_since(CRASH[:-4], 2, since=0.25) is None


def test_a_group_of_before_is_not_whole_again() -> None:
    assert story.whole_since(CRASH[:12], 2, since=0.25) is None


def test_nothing_is_wrong_with_a_crash() -> None:
    assert story.violations(CRASH) == []


def test_two_with_one_rank_at_once_are_found() -> None:
    twice = [one for k in range(20) for one in (told(k / 5, "a", k), told(k / 5, "b", k))]
    [found] = story.violations(twice)
    assert "rank 0 of generation 1: a and b" in found


def test_two_groups_that_train_at_once_are_found() -> None:
    split = [told(k / 5, pod, k, n) for k in range(20) for n, pod in enumerate("ab", start=1)]
    [found] = story.violations(split)
    assert "generations 1 and 2" in found


def test_one_that_waits_in_an_old_group_is_no_second_group() -> None:
    stays = [told(k / 5, "a", 7, 1) for k in range(20)]
    goes = [told(k / 5, "b", k, 2) for k in range(20)]
    assert story.violations([*stays, *goes]) == []
