"""Saving checkpoints beside the training: a copy is taken, a thread writes it."""

import logging
import threading
import time
from collections.abc import Callable

from torch import Tensor

from nerf_trainer.checkpoint import NO_NOTES, CheckpointStore, Notes

log = logging.getLogger(__name__)

OnSaved = Callable[[int, str, float], None]  # (step, time, seconds that it took) -> None


class BackgroundSaver:
    """Writes at most one checkpoint at a time.

    interval: seconds between two. on_saved is called in the thread that wrote.
    saved_step: that of the newest checkpoint; 0 before the first.
    """

    def __init__(
        self, store: CheckpointStore, interval: float, on_saved: OnSaved, saved_step: int = 0
    ) -> None:
        self._store = store
        self._interval = interval
        self._on_saved = on_saved
        self._thread: threading.Thread | None = None
        self._error: Exception | None = None
        self._last = time.monotonic()
        self.saved_step = saved_step

    def due(self) -> bool:
        """Whether the interval is over and the last checkpoint is written."""
        busy = self._thread is not None and self._thread.is_alive()
        return not busy and time.monotonic() - self._last >= self._interval

    def save(self, step: int, tensors: dict[str, Tensor], notes: Notes = NO_NOTES) -> None:
        """Copy the tensors and write them in the background."""
        self.wait()
        self._last = time.monotonic()
        copies = {name: tensor.detach().cpu().clone() for name, tensor in tensors.items()}
        self._thread = threading.Thread(target=self._write, args=(step, copies, notes), daemon=True)
        self._thread.start()

    def wait(self) -> Exception | None:
        """Wait for the write under way. Returns what went wrong with the last one, if anything."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        return self._error

    def _write(self, step: int, tensors: dict[str, Tensor], notes: Notes) -> None:
        began = time.monotonic()
        self._error = None
        try:
            stamp = self._store.save(step, tensors, notes)
        except Exception as error:  # Whatever it is, the last checkpoint must not pass as saved.
            self._error = error
            log.warning("checkpoint of step %d was not written: %s", step, error)
            return
        self.saved_step = step
        self._on_saved(step, stamp, time.monotonic() - began)
