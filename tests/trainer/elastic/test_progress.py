"""Whether the training thread works or waits, and for how long."""

import pytest

pytest.importorskip("torch")

from nerf_trainer.elastic.progress import LENGTHY_SECONDS, STEP_SECONDS, Progress


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_who_waits_is_never_overdue() -> None:
    clock = Clock()
    progress = Progress(clock)
    with progress.waiting():
        clock.now += 1000.0
        assert progress.waited_seconds() == 1000.0
        assert not progress.is_overdue()
    assert progress.waited_seconds() == 0.0


def test_work_is_overdue_from_the_last_wait_on() -> None:
    clock = Clock()
    progress = Progress(clock)
    with progress.waiting():
        clock.now += 1000.0
    clock.now += STEP_SECONDS
    assert not progress.is_overdue()
    clock.now += 1.0
    assert progress.is_overdue()


def test_lengthy_work_may_take_long_and_waits_now_and_then() -> None:
    clock = Clock()
    progress = Progress(clock)
    with progress.lengthy():
        with progress.waiting():
            clock.now += 1.0
        clock.now += LENGTHY_SECONDS
        assert not progress.is_overdue()
    clock.now += STEP_SECONDS + 1.0
    assert progress.is_overdue()
