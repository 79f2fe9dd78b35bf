"""The time of day, and how long something takes."""

import time
from datetime import datetime

_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


def timestamp() -> str:
    """Now, as RFC 3339: UTC, whole seconds."""
    return time.strftime(_FORMAT, time.gmtime())


def is_timestamp(text: str) -> bool:
    """Whether `timestamp` may have written it."""
    try:
        return datetime.strptime(text, _FORMAT).strftime(_FORMAT) == text
    except ValueError:
        return False


class Stopwatch:
    """Seconds since it was made, or since the last `lap`."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def lap(self) -> float:
        """Seconds of this lap; a new one begins."""
        now = time.monotonic()
        seconds, self._began = now - self._began, now
        return seconds
