"""How many cores nobody else wants, as the kernel counts it."""

import os
import time
from collections.abc import Callable
from pathlib import Path

_STAT = Path("/proc/stat")
#: The kernel counts in hundredths of a second: over less than this the figure is coarse.
PERIOD_SECONDS = 0.5
#: What was so over a longer time, in which nobody asked, says nothing of now.
LONG_AGO_SECONDS = 5.0

Reading = tuple[float, float | None, float]  # (clock, idle, own), in seconds


class SpareCores:
    """Cores that are idle, or that this process has: those that it can have without harm.

    idle: seconds that the cores were idle so far, all together; None where that is not told.
    own: CPU seconds of this process. clock: seconds.
    """

    def __init__(
        self,
        idle: Callable[[], float | None] | None = None,
        own: Callable[[], float] = time.process_time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._idle, self._own, self._clock = idle or idle_seconds, own, clock
        self._last = self._read()
        self._found = 0.0

    def __call__(self) -> float:
        """As last measured; 0 at first, after a pause, and where the kernel does not tell."""
        if self._clock() - self._last[0] >= PERIOD_SECONDS:
            before, self._last = self._last, self._read()
            recent = self._last[0] - before[0] < LONG_AGO_SECONDS
            self._found = _between(before, self._last) if recent else 0.0
        return self._found

    def _read(self) -> Reading:
        return self._clock(), self._idle(), self._own()


def _between(before: Reading, after: Reading) -> float:
    """Cores that were spare from one reading to the next."""
    (began, idle, own), (ended, idle_after, own_after) = before, after
    if idle is None or idle_after is None:
        return 0.0
    return (idle_after - idle + own_after - own) / (ended - began)


def idle_seconds(stat: Path = _STAT) -> float | None:
    """Of the cores that this process may use, since the machine started."""
    cores = {f"cpu{number}" for number in os.sched_getaffinity(0)}
    try:
        rows = [line.split() for line in stat.read_text().splitlines() if line.startswith("cpu")]
    except OSError:
        return None
    waited = [int(row[4]) + int(row[5]) for row in rows if row[0] in cores]  # idle, iowait
    return sum(waited) / os.sysconf("SC_CLK_TCK") if waited else None
