"""What the training of this process does: it works, or it waits for others. The heart tells it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic

from nerf_trainer.coordination.stuck import PATIENCE_SECONDS

#: Of work that is longer than a step by nature, and not of one length on all ranks: compiling, an
#: evaluation with views of each rank's own, a checkpoint, which the writer alone writes.
LENGTHY_SECONDS = 600.0
#: A step may take as long as so many like the last one.
USUAL_STEPS = 3


@dataclass(frozen=True)
class _Doing:
    waits: bool
    lengthy: bool
    since: float


class Activity:
    """Told by the thread that trains, read by any.

    least_seconds: from one collective to the next, work for less is never overdue.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self.least_seconds = self.step_seconds = PATIENCE_SECONDS
        self._clock = clock
        self._doing = _Doing(waits=True, lengthy=False, since=clock())

    def waited_seconds(self) -> float:
        """For how long it has now been waiting; 0 while it works."""
        doing = self._doing
        return self._clock() - doing.since if doing.waits else 0.0

    def is_overdue(self) -> bool:
        """Whether it works for longer than it should."""
        doing = self._doing
        return not doing.waits and self._clock() - doing.since > self._allowed(doing)

    def allowed_seconds(self) -> float:
        """For how long it may work at what it is now at, from one wait to the next."""
        return self._allowed(self._doing)

    def _allowed(self, doing: _Doing) -> float:
        return LENGTHY_SECONDS if doing.lengthy else self.step_seconds

    def stepped(self, seconds: float) -> None:
        """A step is done, and took so long: another one may, and more."""
        self.step_seconds = max(self.least_seconds, USUAL_STEPS * seconds)
        self.moved()

    def moved(self) -> None:
        """Where others would have been waited for, there are none."""
        self._does(waits=False, lengthy=self._doing.lengthy)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """It waits for others: for a collective, a group, or a place in one."""
        lengthy = self._doing.lengthy
        self._does(waits=True, lengthy=lengthy)
        try:
            yield
        finally:
            self._does(waits=False, lengthy=lengthy)

    @contextmanager
    def lengthy(self) -> Iterator[None]:
        """It works on what may take long."""
        self._does(waits=False, lengthy=True)
        try:
            yield
        finally:
            self._does(waits=False, lengthy=False)

    def _does(self, waits: bool, lengthy: bool) -> None:
        self._doing = _Doing(waits, lengthy, self._clock())


#: Of this process, which trains in one thread.
activity = Activity()
