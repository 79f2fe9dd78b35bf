"""Where the wall time of a job goes, and how fast groups of each size train. Pure: no clocks."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median

from nerf_contract import goodput
from nerf_contract.goodput import FEWER_WORKERS, REPLAY, RESTART, TRAINING

#: The speed of a group is the median of so many steps.
WINDOW = 50
#: In this time of the writer others may have trained.
AWAY = (goodput.START, goodput.COMPILE, goodput.RENDEZVOUS, goodput.RESCALE, RESTART)


@dataclass(frozen=True)
class Account:
    """A ledger at a moment, as it is kept for the next process.

    seconds: by cause, training among them; their sum is the wall time. rays: trained, each once, in
    `steps` steps. step: the highest one that was ever done. speeds: rays per second by world size.
    """

    seconds: Mapping[str, float] = field(default_factory=dict)
    rays: float = 0
    steps: int = 0
    step: int = 0
    speeds: Mapping[int, float] = field(default_factory=dict)

    @property
    def wall_seconds(self) -> float:
        """Wall time of the job, as far as it was seen."""
        return sum(self.seconds.values())

    @property
    def lost_seconds(self) -> dict[str, float]:
        """Wall time without useful training, by cause."""
        return {cause: s for cause, s in self.seconds.items() if cause != TRAINING}

    def efficiency(self) -> dict[int, float]:
        """Scaling efficiency by world size; empty where the speed of one process is unknown."""
        alone = self.speeds.get(1)
        return {n: v / (n * alone) for n, v in self.speeds.items()} if alone else {}

    def undisturbed(self, wanted: int) -> float | None:
        """Rays per second of a group of the wanted size; None before the first step.

        Where none was seen: of the largest one that was, as if that would scale perfectly.
        """
        if not self.speeds:
            return None
        size = wanted if wanted in self.speeds else max(self.speeds)
        return self.speeds[size] * wanted / size

    def goodput(self, wanted: int) -> float | None:
        """Goodput in [0, 1]; None before the first step."""
        reference, wall = self.undisturbed(wanted), self.wall_seconds
        return min(1.0, self.rays / (reference * wall)) if reference and wall else None


class Ledger:
    """Charges every second to exactly one cause: what passed since the last charge is its.

    began: when this process started. gap: seconds before, since `account` was kept. wanted: world
    size of an undisturbed group; where it is 0, or less than what there is, the largest that was
    seen, or what there is. Moments are seconds of one monotonic clock.
    """

    def __init__(
        self, began: float, wanted: int = 0, account: Account | None = None, gap: float = 0
    ) -> None:
        known = account or Account()
        self._until = began
        self._wanted = wanted
        self._world_size = 1
        self._seconds = dict(known.seconds)
        self._rays, self._steps, self._step = known.rays, known.steps, known.step
        self._speeds = dict(known.speeds)
        self._recent: dict[int, deque[float]] = {}
        self._away: dict[str, float] = {}
        self._add(RESTART, gap)

    def charge(self, cause: str, now: float) -> None:
        """All since the last charge was spent so."""
        self._add(cause, self._pass(now))

    def stepped(self, step: int, world_size: int, rays: int, now: float) -> None:
        """All since the last charge was spent on this step, of so many rays of all ranks."""
        seconds = self._pass(now)
        self._world_size = world_size
        self._measure(world_size, rays, seconds)
        self._away.clear()
        if step <= self._step:
            self._add(REPLAY, seconds)
            return
        self._step, self._steps, self._rays = step, self._steps + 1, self._rays + rays
        missing = self._missing(world_size)
        self._add(TRAINING, seconds * (1 - missing))
        self._add(FEWER_WORKERS, seconds * missing)

    def joined(self, step: int) -> None:
        """The group's state has this step: others may have trained while this process was away.

        Their rays and their time are estimated by the means of the steps that were seen.
        """
        ahead = step - self._step
        if ahead > 0 and self._steps:
            each = self._rays / self._steps
            usual = self._seconds.get(TRAINING, 0) + self._seconds.get(FEWER_WORKERS, 0)
            self._credit(ahead * usual / self._steps)
            self._rays, self._steps = self._rays + ahead * each, self._steps + ahead
        self._step = max(self._step, step)

    @property
    def wanted(self) -> int:
        """World size that counts as undisturbed."""
        return max(self._wanted or max(self._speeds, default=1), self._world_size)

    def account(self) -> Account:
        """The ledger up to the last charge."""
        seconds = {cause: s for cause, s in self._seconds.items() if s}
        return Account(seconds, self._rays, self._steps, self._step, dict(self._speeds))

    def _pass(self, now: float) -> float:
        seconds, self._until = max(0.0, now - self._until), max(now, self._until)
        return seconds

    def _add(self, cause: str, seconds: float) -> None:
        self._seconds[cause] = self._seconds.get(cause, 0.0) + seconds
        if cause in AWAY:
            self._away[cause] = self._away.get(cause, 0.0) + seconds

    def _measure(self, world_size: int, rays: int, seconds: float) -> None:
        if rays and seconds:
            recent = self._recent.setdefault(world_size, deque(maxlen=WINDOW))
            recent.append(rays / seconds)
            self._speeds[world_size] = median(recent)

    def _missing(self, world_size: int) -> float:
        """Share of the wanted group's speed that this one lacks."""
        if world_size >= self.wanted or world_size not in self._speeds:
            return 0.0
        wanted = self.account().undisturbed(self.wanted)
        return max(0.0, 1 - self._speeds[world_size] / wanted) if wanted else 0.0

    def _credit(self, seconds: float) -> None:
        """Call so much of the time away training."""
        away = sum(self._away.values())
        share = min(1.0, seconds / away) if away else 0.0
        for cause, spent in self._away.items():
            self._seconds[cause] = max(0.0, self._seconds[cause] - share * spent)
        self._away.clear()
        self._seconds[TRAINING] = self._seconds.get(TRAINING, 0.0) + share * away
