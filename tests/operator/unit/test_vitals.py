"""When the operator asks to be started anew."""

import pytest

from nerf_operator.cluster.vitals import AWAY_SECONDS, LAG_SECONDS, STALE_SECONDS, Vitals

PODS, JOBS = "/api/v1/pods", "/apis/nerfops.dev/v1alpha1/nerfjobs"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def vitals(clock: Clock) -> Vitals:
    return Vitals(expected=2, clock=clock)


def pass_time(clock: Clock, vitals: Vitals, seconds: float, *heard: str) -> None:
    """In which these watches tell something now and then."""
    end = clock.now + seconds
    while clock.now < end:
        clock.now += 1
        vitals.beat()
        if clock.now % 60 == 0:
            for watch in heard:
                vitals.heard(watch)


def test_ready_once_everything_was_listed(vitals: Vitals) -> None:
    vitals.heard(PODS)
    vitals.heard(PODS)
    assert not vitals.ready()
    vitals.heard(JOBS)
    assert vitals.ready()


def test_a_watch_that_is_silent_while_others_talk(clock: Clock, vitals: Vitals) -> None:
    vitals.heard(PODS)
    vitals.heard(JOBS)
    pass_time(clock, vitals, STALE_SECONDS, JOBS)
    assert vitals.problem() is None
    pass_time(clock, vitals, 61, JOBS)
    assert PODS in (vitals.problem() or "")
    assert vitals.ages()[PODS] == STALE_SECONDS + 61
    vitals.heard(PODS)
    assert vitals.problem() is None


def test_all_watches_silent_while_the_api_server_answers(clock: Clock, vitals: Vitals) -> None:
    vitals.heard(PODS)
    for _ in range(10):
        pass_time(clock, vitals, AWAY_SECONDS / 2)
        vitals.answered()
    assert PODS in (vitals.problem() or "")


def test_an_api_server_that_is_away_is_no_reason_to_restart(clock: Clock, vitals: Vitals) -> None:
    vitals.heard(PODS)
    vitals.heard(JOBS)
    pass_time(clock, vitals, 3600)
    assert vitals.problem() is None
    vitals.heard(JOBS)  # The first one is back; the other one is given its time.
    assert vitals.problem() is None
    pass_time(clock, vitals, STALE_SECONDS + 60, JOBS)
    assert PODS in (vitals.problem() or "")


def test_an_event_loop_that_is_late(clock: Clock, vitals: Vitals) -> None:
    vitals.beat()
    clock.now += LAG_SECONDS
    assert vitals.problem() is None
    clock.now += 2
    assert vitals.lag() == LAG_SECONDS + 1
    assert "event loop" in (vitals.problem() or "")
    vitals.beat()
    assert vitals.problem() is None
