"""Whether the training works or waits, and for how long."""

import pytest

pytest.importorskip("torch")

from nerf_trainer.coordination.stuck import PATIENCE_SECONDS
from nerf_trainer.elastic.activity import LENGTHY_SECONDS, Activity

pytestmark = pytest.mark.torch


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_who_waits_is_never_overdue() -> None:
    clock = Clock()
    activity = Activity(clock)
    with activity.waiting():
        clock.now += 1000.0
        assert activity.waited_seconds() == 1000.0
        assert not activity.is_overdue()
    assert activity.waited_seconds() == 0.0


def test_work_is_overdue_from_the_last_wait_on() -> None:
    clock = Clock()
    activity = Activity(clock)
    with activity.waiting():
        clock.now += 1000.0
    clock.now += PATIENCE_SECONDS
    assert not activity.is_overdue()
    clock.now += 1.0
    assert activity.is_overdue()


def test_lengthy_work_may_take_long_and_waits_now_and_then() -> None:
    clock = Clock()
    activity = Activity(clock)
    with activity.lengthy():
        with activity.waiting():
            clock.now += 1.0
        clock.now += LENGTHY_SECONDS
        assert not activity.is_overdue()
    clock.now += PATIENCE_SECONDS + 1.0
    assert activity.is_overdue()


def test_whose_steps_take_long_may_take_longer() -> None:
    clock = Clock()
    activity = Activity(clock)
    activity.stepped(PATIENCE_SECONDS)
    clock.now += 2 * PATIENCE_SECONDS
    assert not activity.is_overdue()
    clock.now += 2 * PATIENCE_SECONDS
    assert activity.is_overdue()
    activity.stepped(1.0)
    assert activity.allowed_seconds() == PATIENCE_SECONDS


def test_who_is_alone_gets_on_by_itself() -> None:
    clock = Clock()
    activity = Activity(clock)
    with activity.waiting():
        pass
    for _ in range(10):
        clock.now += PATIENCE_SECONDS
        assert not activity.is_overdue()
        activity.moved()
