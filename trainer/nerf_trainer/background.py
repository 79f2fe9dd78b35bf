"""Writing beside the training: one write at a time, in a thread, not more often than is asked."""

import threading
import time
from collections.abc import Callable


class BackgroundWriter:
    """interval: seconds from the start of one write to that of the next that is `due`."""

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._thread: threading.Thread | None = None
        self._last = time.monotonic()

    @property
    def busy(self) -> bool:
        """Whether a write is under way."""
        return self._thread is not None and self._thread.is_alive()

    def due(self) -> bool:
        """Whether the interval is over and the last write is done."""
        return not self.busy and time.monotonic() - self._last >= self._interval

    def start(self, write: Callable[[], None]) -> None:
        """Begin to write; the write before has to be done. Never called by two threads at once."""
        self._last = time.monotonic()
        self._thread = threading.Thread(target=write, daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Wait for the write under way, if any."""
        if self._thread is not None:
            self._thread.join()
