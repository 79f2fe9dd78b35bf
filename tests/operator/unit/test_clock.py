"""A wrong clock is put right by the dates of answers, and a right one is left alone."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from nerf_operator.cluster.clock import ServerClock

TRUE = datetime(2026, 1, 1, 12, 0, 0, 900_000, tzinfo=UTC)


def answered(clock: ServerClock, asked: datetime, stamped: datetime) -> None:
    clock.heard(format_datetime(stamped.replace(microsecond=0), usegmt=True), asked)


@pytest.mark.parametrize("wrong", [-600, -2, 0, 2, 600])
def test_a_wrong_clock_is_put_right(wrong: float) -> None:
    ours = TRUE + timedelta(seconds=wrong)
    clock = ServerClock(lambda: ours)
    answered(clock, ours - timedelta(seconds=0.1), TRUE)
    assert abs((clock.now() - TRUE).total_seconds()) <= 1.1


def test_a_right_clock_is_left_alone_however_long_answers_take() -> None:
    clock = ServerClock(lambda: TRUE)
    for taken in (0.0, 0.5, 12.0):
        answered(clock, TRUE - timedelta(seconds=taken), TRUE - timedelta(seconds=taken / 2))
        assert clock.now() == TRUE


@pytest.mark.parametrize("date", [None, "", "yesterday"])
def test_an_answer_without_a_date_tells_nothing(date: str | None) -> None:
    clock = ServerClock(lambda: TRUE)
    clock.heard(date, TRUE)
    assert clock.now() == TRUE
