"""What a training went through, told from what its workers said meanwhile. Pure.

Moments are seconds of one clock, such as Unix time on a machine that holds the whole cluster.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

#: Answers of two workers that belong to one moment may be so many seconds apart.
TOLERANCE = 1.0
TRAINING = "training"


@dataclass(frozen=True)
class Sample:
    """What a worker process told at a moment. pod: its UID; step: the last one it has done."""

    at: float
    pod: str
    phase: str
    generation: int
    rank: int | None
    world: int
    step: int


@dataclass(frozen=True)
class Start:
    """A group began to train from the state of this step, as a worker's log tells."""

    at: float
    generation: int
    world: int
    step: int


def furthest(samples: Iterable[Sample], before: float) -> int:
    """The highest step that anybody had done before a moment; 0 if none."""
    return max((one.step for one in samples if one.at < before), default=0)


def losses(samples: Sequence[Sample], starts: Iterable[Start], since: float) -> list[int]:
    """For each group since a moment: how many steps of the one before it had to do again.

    Exact where a worker survives, as that tells its last step until the next group forms. Else too
    small by the steps between the last answer and the end.
    """
    found: list[int] = []
    last: Start | None = None
    for start in sorted(starts, key=lambda start: start.at):
        known = last and (last.generation, last.step) == (start.generation, start.step)
        if start.at < since or known:
            continue
        done = _done_by(last, samples, start.at) if last else furthest(samples, start.at)
        found.append(max(0, done - start.step))
        last = start
    return found


def _done_by(group: Start, samples: Iterable[Sample], before: float) -> int:
    """The last step that this group had done before a moment."""
    steps = [
        one.step
        for one in samples
        if one.generation == group.generation and group.at <= one.at < before
    ]
    return max(steps, default=group.step)


def lost_seconds(samples: Sequence[Sample], start: Start) -> float:
    """The training time that a group had to do again: since its first step was first done."""
    done = [one.at for one in samples if one.at < start.at and one.step > start.step]
    return max(done) - min(done) if done else 0.0


def longest_pause(samples: Sequence[Sample], begin: float, end: float) -> float:
    """The longest time between two moments in which nobody did a step that was new."""
    best, moments = furthest(samples, begin), [begin]
    for one in sorted(samples, key=lambda sample: sample.at):
        if begin <= one.at <= end and one.step > best:
            best = one.step
            moments.append(one.at)
    moments.append(end)
    return max(after - before for before, after in pairwise(moments))


def whole_since(samples: Iterable[Sample], world: int, since: float) -> float | None:
    """When a group of this size, formed after a moment, had done a step; None if none has.

    Everybody in it has to have told of that.
    """
    before: set[tuple[int, str]] = set()
    first: dict[tuple[int, str], int] = {}
    moved: dict[int, dict[str, float]] = defaultdict(dict)
    for one in sorted(samples, key=lambda sample: sample.at):
        member = (one.generation, one.pod)
        if one.at < since:
            before.add(member)
            continue
        if member in before or one.phase != TRAINING or one.world != world:
            continue
        if one.step > first.setdefault(member, one.step):
            moved[one.generation].setdefault(one.pod, one.at)
    done = [max(pods.values()) for pods in moved.values() if len(pods) == world]
    return min(done, default=None)


@dataclass(frozen=True)
class _Stay:
    """From the first to the last new step of a worker in a group."""

    pod: str
    generation: int
    rank: int | None
    begin: float
    end: float

    def overlaps(self, other: "_Stay") -> bool:
        return min(self.end, other.end) - max(self.begin, other.begin) > TOLERANCE


def _stays(samples: Iterable[Sample]) -> list[_Stay]:
    moments: dict[tuple[str, int, int | None], list[float]] = defaultdict(list)
    steps: dict[tuple[str, int, int | None], int] = {}
    for one in sorted(samples, key=lambda sample: sample.at):
        key = (one.pod, one.generation, one.rank)
        if one.phase == TRAINING and one.step > steps.get(key, -1):
            steps[key] = one.step
            moments[key].append(one.at)
    return [_Stay(*key, min(at), max(at)) for key, at in moments.items()]


def violations(samples: Iterable[Sample]) -> list[str]:
    """Ranks that two workers had at once, and groups that trained at once: in words."""
    found = []
    for one, other in combinations(_stays(samples), 2):
        if one.pod == other.pod or not one.overlaps(other):
            continue
        who = f"{one.pod} and {other.pod} at once"
        if one.generation != other.generation:
            found.append(f"generations {one.generation} and {other.generation}: {who}")
        elif one.rank == other.rank:
            found.append(f"rank {one.rank} of generation {one.generation}: {who}")
    return found
