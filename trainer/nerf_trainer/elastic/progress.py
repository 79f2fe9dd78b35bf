"""What the training thread does: it works, or it waits for others. The heart tells of it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic

#: Of work between two collectives. From there on a process is overdue, and the others go on without
#: it where they have waited for as long: see `nerf_trainer.coordination.membership.Settings`.
STEP_SECONDS = 10.0
#: The same of an evaluation, in which ranks have views of their own, and of a checkpoint, which the
#: writer alone writes.
LENGTHY_SECONDS = 600.0


@dataclass(frozen=True)
class _Doing:
    """limit: seconds that work may take."""

    waits: bool
    since: float
    limit: float


class Progress:
    """Told by one thread, read by any."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._doing = _Doing(True, clock(), STEP_SECONDS)

    def waited_seconds(self) -> float:
        """For how long it has now been waiting; 0 while it works."""
        doing = self._doing
        return self._clock() - doing.since if doing.waits else 0.0

    def is_overdue(self) -> bool:
        """Whether it works for longer than it should."""
        doing = self._doing
        return not doing.waits and self._clock() - doing.since > doing.limit

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """It waits for others: for a collective, a group, or a place in one."""
        limit = self._doing.limit
        self._does(True, limit)
        try:
            yield
        finally:
            self._does(False, limit)

    @contextmanager
    def lengthy(self) -> Iterator[None]:
        """It works on what may take long."""
        self._does(False, LENGTHY_SECONDS)
        try:
            yield
        finally:
            self._does(False, STEP_SECONDS)

    def _does(self, waits: bool, limit: float) -> None:
        self._doing = _Doing(waits, self._clock(), limit)


#: Of this process, which trains in one thread.
progress = Progress()
