"""The clock of the passes: ours, corrected where the API server's answers show that it is wrong."""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

#: `Date` tells whole seconds.
ROUNDED = timedelta(seconds=1)


def utc_now() -> datetime:
    """Of this machine."""
    return datetime.now(UTC)


class ServerClock:
    """The API server's time, as pods are dated by it; by a wrong clock each pod would seem to have
    waited for minutes, or would be waited for.

    What answers tell is inexact, as they take their time: they bound the difference of the two
    clocks, and it changes only where it is out of bounds.
    """

    def __init__(self, ours: Callable[[], datetime] = utc_now) -> None:
        self.ours = ours
        self._ahead = timedelta()

    def now(self) -> datetime:
        """The API server's time."""
        return self.ours() + self._ahead

    def heard(self, date: str | None, asked: datetime) -> None:
        """An answer has just come, with this header. asked: when it was asked for, by our clock."""
        with suppress(TypeError, ValueError):
            told = parsedate_to_datetime(date or "")
            least, most = told - self.ours(), told + ROUNDED - asked
            self._ahead = min(max(self._ahead, least), most)
