"""What a heart does about a training that hangs."""

from types import SimpleNamespace

import pytest

pytest.importorskip("torch")

from nerf_trainer.coordination.client import Client
from nerf_trainer.coordination.messages import (
    GenerationId,
    Heartbeat,
    Identity,
    Incarnation,
    MemberId,
    Reply,
    Verdict,
)
from nerf_trainer.coordination.stuck import PATIENCE_SECONDS
from nerf_trainer.elastic import heart
from nerf_trainer.elastic.activity import Activity
from nerf_trainer.elastic.heart import END_SECONDS, Heart

pytestmark = pytest.mark.torch

WHO = Identity(MemberId(1, 0), Incarnation(0, 1), 1, writer=False)


class Coordinator(Client):
    """Goes on without whoever speaks. told: what it heard last."""

    told: Heartbeat
    verdict = Verdict.OVER

    def __init__(self) -> None:
        super().__init__("127.0.0.1:1")

    def send(self, message: object, seconds: float) -> Reply:
        assert isinstance(message, Heartbeat)
        self.told = message
        return Reply(self.verdict)


class Ended(Exception):  # noqa: N818 - a turn of events
    pass


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()

    def end(why: str) -> None:
        raise Ended(why)

    monkeypatch.setattr(heart, "time", SimpleNamespace(monotonic=made))
    monkeypatch.setattr(heart, "activity", Activity(made))
    monkeypatch.setattr(heart, "end_process", end)
    return made


def begin(coordinator: Coordinator, world_size: int) -> Heart:
    """A heart in a group, whose training has just ended its waiting."""
    made = Heart(coordinator, WHO, abort=lambda: None)
    made.enter(GenerationId(1, 1), world_size)
    with heart.activity.waiting():
        pass
    return made


def test_a_process_that_hangs_for_good_ends(clock: Clock) -> None:
    """Where others go on without it, and its training never notices."""
    beating = begin(Coordinator(), world_size=2)
    beating._beat()
    clock.now += END_SECONDS - 1.0
    beating._beat()
    clock.now += 1.0
    with pytest.raises(Ended, match="hangs"):
        beating._beat()


def test_not_one_that_evaluates(clock: Clock) -> None:
    beating = begin(Coordinator(), world_size=2)
    with heart.activity.lengthy():
        beating._beat()
        clock.now += END_SECONDS
        beating._beat()


def test_nor_one_whose_steps_take_long(clock: Clock) -> None:
    beating = begin(Coordinator(), world_size=2)
    heart.activity.stepped(END_SECONDS)
    beating._beat()
    clock.now += 2 * END_SECONDS
    beating._beat()


def test_but_one_that_waits_for_ever_does(clock: Clock) -> None:
    """As for a GPU that hangs; who waits for peers has been aborted long ago."""
    beating = begin(Coordinator(), world_size=2)
    with heart.activity.waiting():
        beating._beat()
        clock.now += END_SECONDS + 1.0
        with pytest.raises(Ended):
            beating._beat()


def test_a_group_that_was_over_for_a_moment_is_not_held_against_it(clock: Clock) -> None:
    coordinator = Coordinator()
    beating = begin(coordinator, world_size=2)
    beating._beat()
    coordinator.verdict = Verdict.CURRENT
    beating._beat()
    coordinator.verdict = Verdict.OVER
    clock.now += END_SECONDS
    beating._beat()


def test_it_tells_that_it_is_overdue(clock: Clock) -> None:
    coordinator = Coordinator()
    beating = begin(coordinator, world_size=2)
    clock.now += PATIENCE_SECONDS + 1.0
    beating._beat()
    assert coordinator.told.overdue
