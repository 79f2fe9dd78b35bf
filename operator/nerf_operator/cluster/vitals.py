"""What tells whether this process is well: its watches, its event loop."""

import asyncio
import time
from collections.abc import Callable

#: The API server sends a bookmark a minute, and watches begin anew after 70 s without a word.
STALE_SECONDS = 180.0
#: If nothing at all was answered for this long, the API server was away, and no watch is to blame.
AWAY_SECONDS = 90.0
LAG_SECONDS = 5.0
BEAT_SECONDS = 1.0


class Vitals:
    """Notes when what was heard. `expected`: how many watches there are, once all have begun."""

    def __init__(self, expected: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._expected = expected
        self._clock = clock
        self._heard: dict[str, float] = {}
        self._last = self._back = self._beat = clock()

    def heard(self, watch: str) -> None:
        """The watch of this path told something, or was listed."""
        self.answered()
        self._heard[watch] = self._clock()

    def answered(self) -> None:
        """The API server answered."""
        now = self._clock()
        if now - self._last > AWAY_SECONDS:
            self._back = now
        self._last = now

    def beat(self) -> None:
        """The event loop came round."""
        self._beat = self._clock()

    async def run(self) -> None:
        """Beat until cancelled."""
        while True:
            self.beat()
            await asyncio.sleep(BEAT_SECONDS)

    def lag(self) -> float:
        """Seconds by which the event loop is late."""
        return max(0.0, self._clock() - self._beat - BEAT_SECONDS)

    def ages(self) -> dict[str, float]:
        """Seconds since each watch was heard."""
        now = self._clock()
        return {watch: now - at for watch, at in self._heard.items()}

    def ready(self) -> bool:
        """Whether everything was listed once."""
        return len(self._heard) >= self._expected

    def problem(self) -> str | None:
        """What makes a restart worth while; not that the API server is away."""
        if self.lag() > LAG_SECONDS:
            return f"the event loop is {self.lag():.0f} s late"
        for watch, at in self._heard.items():
            silent = self._last - max(at, self._back)
            if silent > STALE_SECONDS:
                return f"the watch of {watch} has told nothing for {silent:.0f} s"
        return None
