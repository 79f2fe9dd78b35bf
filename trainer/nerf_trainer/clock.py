"""The time of day, and how long something takes."""

import time


def timestamp() -> str:
    """Now, as RFC 3339: UTC, whole seconds."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


class Stopwatch:
    """Seconds since it was made, or since the last `lap`."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def lap(self) -> float:
        """Seconds of this lap; a new one begins."""
        now = time.monotonic()
        seconds, self._began = now - self._began, now
        return seconds
