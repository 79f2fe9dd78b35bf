"""Never two operators at once, and never none for long."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nerf_operator.core.lease import DURATION, GIVE_UP, LOOK_EVERY, RENEW_EVERY, Candidate, Lease

WAITS = Candidate("me").saw(Lease("other", "1"), 100.0)
HOLDS = Candidate("me").wrote(Lease("me", "1"), 100.0)


@pytest.mark.parametrize(
    ("candidate", "now", "wants"),
    [
        (Candidate("me"), 0.0, True),  # There is no Lease.
        (Candidate("me").saw(Lease("", "1"), 0.0), 0.0, True),  # It was given back.
        (Candidate("me").saw(Lease("me", "1"), 0.0), 0.0, True),  # Ours, before a restart.
        (WAITS, 100.0 + DURATION - 0.1, False),
        (WAITS, 100.0 + DURATION, True),
        (WAITS.saw(Lease("other", "2"), 105.0), 100.0 + DURATION, False),  # It was renewed.
        (WAITS.saw(Lease("other", "1"), 105.0), 100.0 + DURATION, True),  # It was not.
        (Candidate("me").saw(Lease("other", "1", duration=60), 0.0), 59.0, False),
        (HOLDS, 100.0 + RENEW_EVERY - 0.1, False),
        (HOLDS, 100.0 + RENEW_EVERY, True),
    ],
)
def test_when_the_lease_is_written(candidate: Candidate, now: float, wants: bool) -> None:
    assert candidate.wants(now) is wants


def test_who_holds_it() -> None:
    assert HOLDS.holds(100.0 + GIVE_UP - 0.1)
    assert not HOLDS.holds(100.0 + GIVE_UP)
    assert not WAITS.holds(100.0)
    assert not HOLDS.saw(Lease("other", "2"), 101.0).holds(101.0)
    assert HOLDS.saw(Lease("me", "2"), 101.0).holds(101.0)  # Someone put a label on it.
    assert not HOLDS.wrote(Lease("", "2"), 101.0).holds(101.0)


@dataclass(frozen=True)
class Trip:
    """How a call fares: seconds there and back, and what of it is lost."""

    there: float = 0.05
    back: float = 0.05
    lost: str = ""


@dataclass
class World:
    """An API server with one Lease, and operators whose calls take as long as they are told."""

    now: float = 0.0
    lease: Lease | None = None
    held: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    _todo: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _count: int = 0

    def later(self, delay: float, do: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._todo, (self.now + delay, self._count, do))

    def run(self, until: float) -> None:
        while self._todo and self._todo[0][0] <= until:
            self.now, _, do = heapq.heappop(self._todo)
            do()

    def put(self, seen: Lease | None, holder: str) -> Lease | None:
        """A write with the version that was seen; None: a conflict."""
        if (seen and seen.version) != (self.lease and self.lease.version):
            return None
        self.lease = Lease(holder, str(int(self.lease.version) + 1 if self.lease else 1))
        return self.lease


@dataclass
class Operator:
    """Does what `cluster.election` does."""

    world: World
    candidate: Candidate
    offset: float
    trips: list[Trip]
    dead: bool = False

    def clock(self) -> float:
        return self.world.now + self.offset

    def step(self) -> None:
        if self.dead:
            return
        if not self.candidate.holds(self.clock()):
            self._call(lambda: self.world.lease, self._saw)
        elif self.candidate.wants(self.clock()):
            self._write()
        else:
            self.world.later(0.5, self.step)

    def _saw(self, lease: Lease | None, sent: float) -> None:
        self.candidate = self.candidate.saw(lease, self.clock())
        if self.candidate.wants(self.clock()):
            self._write()
        else:
            self.world.later(LOOK_EVERY, self.step)

    def _write(self) -> None:
        seen, me = self.candidate.seen, self.candidate.me
        self._call(lambda: self.world.put(seen, me), self._wrote)

    def _wrote(self, lease: Lease | None, sent: float) -> None:
        if lease is None:
            self.candidate = replace(self.candidate, seen=None, renewed=None)
        else:
            self.candidate = self.candidate.wrote(lease, sent)
            if self.candidate.holds(self.clock()):
                span = (self.world.now, sent + GIVE_UP - self.offset)
                self.world.held.setdefault(self.candidate.me, []).append(span)
        self.world.later(LOOK_EVERY, self.step)

    def _call(
        self, do: Callable[[], Lease | None], then: Callable[[Lease | None, float], None]
    ) -> None:
        trip = self.trips.pop() if self.trips else Trip()
        sent = self.clock()

        def arrive() -> None:
            answer = None if trip.lost == "request" else do()
            if trip.lost:
                self.world.later(LOOK_EVERY, self.step)
            else:
                self.world.later(trip.back, lambda: None if self.dead else then(answer, sent))

        self.world.later(trip.there, arrive)


delays = st.sampled_from([0.01, 0.1, 1.0, 2.5, 5.0, 12.0])
trips = st.builds(Trip, delays, delays, st.sampled_from(["", "", "request", "request", "answer"]))
Plan = tuple[float, float, list[Trip]]
operators = st.lists(
    st.tuples(st.floats(-1e6, 1e6), delays, st.lists(trips, min_size=10, max_size=30)),
    min_size=2,
    max_size=3,
)


def start(world: World, chosen: list[Plan]) -> None:
    for number, (offset, begin, plans) in enumerate(chosen):
        operator = Operator(world, Candidate(str(number)), offset, list(plans))
        world.later(begin, operator.step)


@settings(max_examples=150)
@given(operators)
def test_never_two_at_once(chosen: list[Plan]) -> None:
    world = World()
    start(world, chosen)
    world.run(until=300)
    spans = sorted((*span, who) for who, found in world.held.items() for span in found)
    for n, (begin, end, who) in enumerate(spans):
        for other_begin, _, other in spans[n + 1 :]:
            assert other == who or other_begin >= end - 1e-6, f"{who} {begin}-{end}, {other}"


@settings(deadline=None)
@given(st.floats(0, 30), st.floats(-1e6, 1e6))
def test_the_next_one_takes_over_in_time(death: float, offset: float) -> None:
    world = World()
    first, second = (
        Operator(world, Candidate(name), at, []) for name, at in (("a", 0), ("b", offset))
    )
    first.step()
    world.run(until=0.5)
    second.step()
    world.run(until=death + 1)
    first.dead = True
    assert "b" not in world.held
    world.run(until=death + 60)
    # A last renewal on its way, seen at the next look; the look after its time is over.
    assert world.held["b"][0][0] <= death + 1 + DURATION + 2 * LOOK_EVERY + 0.5
