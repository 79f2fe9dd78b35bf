"""Where a stage before or after the training stands, shared by it and the server that tells it."""

import threading
import time
from typing import Literal

from nerf_contract.progress import StageProgress

#: Before this share is done, its speed says little about the rest.
MIN_SHARE = 0.02


class StageBoard:
    """A thread-safe holder of the newest `StageProgress`.

    ready: set from the start, as a stage has nothing to warm up.
    """

    def __init__(self, stage: Literal["poses", "export"]) -> None:
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._first = 0.0
        self._progress = StageProgress(stage=stage, activity="starting", done=0.0)
        self.ready = threading.Event()
        self.ready.set()

    def begin(self, done: float) -> None:
        """From now on time counts; what is done already took none of it."""
        with self._lock:
            self._began, self._first = time.monotonic(), done

    def update(self, activity: str, done: float) -> None:
        """What is being done, and the share of the whole stage, in [0, 1], that is behind it."""
        with self._lock:
            left = self._left(done)
            self._progress = self._progress.model_copy(
                update={"activity": activity, "done": done, "eta_seconds": left}
            )

    @property
    def progress(self) -> StageProgress:
        """An immutable snapshot."""
        with self._lock:
            return self._progress

    def _left(self, done: float) -> float | None:
        """Seconds left if the rest goes on as fast; None while nobody can tell."""
        share = done - self._first
        if share < MIN_SHARE:
            return None
        return (time.monotonic() - self._began) * (1 - done) / share
