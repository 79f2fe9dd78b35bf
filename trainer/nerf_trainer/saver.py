"""Saving the state beside the training: a copy is taken, a thread writes it."""

import logging
import time
from collections.abc import Callable, Mapping

from torch import Tensor

from nerf_trainer.background import BackgroundWriter
from nerf_trainer.checkpoint import CheckpointStore
from nerf_trainer.manifest import NO_NOTES, Notes
from nerf_trainer.state_buffer import StateBuffer

log = logging.getLogger(__name__)

OnSaved = Callable[[int, str, float], object]  # (step, time, seconds that it took)
OnFailed = Callable[[Exception], object]


class BackgroundSaver:
    """Writes at most one copy at a time.

    what: it is called so in the log. interval: seconds between two. on_saved and on_failed are
    called in the thread that wrote. `save` is never called by two threads at once.
    """

    def __init__(
        self,
        what: str,
        store: CheckpointStore,
        buffer: StateBuffer,
        interval: float,
        on_saved: OnSaved = lambda *_: None,
        on_failed: OnFailed = lambda _: None,
    ) -> None:
        self._what = what
        self._store = store
        self._buffer = buffer
        self._writer = BackgroundWriter(interval)
        self._on_saved = on_saved
        self._on_failed = on_failed
        self._error: Exception | None = None

    def due(self) -> bool:
        """Whether the interval is over and the last copy is written."""
        return self._writer.due()

    def beats_best(self, score: float) -> bool:
        """Whether no checkpoint that is kept is known to be so good. score: see `Notes`.

        Not while one is written: a slow volume would hold the training up.
        """
        return not self._writer.busy and score > self._store.best_score

    def save(self, step: int, tensors: Mapping[str, Tensor], notes: Notes = NO_NOTES) -> None:
        """Copy the tensors and write them in the background."""
        self._writer.wait()
        self._buffer.fill(tensors)
        self._writer.start(lambda: self._write(step, notes))

    def wait(self) -> Exception | None:
        """Wait for the write under way. Returns what went wrong with the last one, if anything."""
        self._writer.wait()
        return self._error

    def is_behind(self, step: int) -> bool:
        """Whether this step is past all that this process read or wrote. Waits for a write.

        What else lies in the store does not count: it may be damaged.
        """
        self.wait()
        return step > self._store.known_step

    def _write(self, step: int, notes: Notes) -> None:
        began = time.monotonic()
        try:
            stamp = self._store.save(step, self._buffer.data(), notes)
        except Exception as error:  # Whatever it is, the last one must not pass as saved.
            self._note(error, step)
            self._on_failed(error)
            return
        self._note(None, step)
        self._on_saved(step, stamp, time.monotonic() - began)

    def _note(self, error: Exception | None, step: int) -> None:
        """Remember how it went, and log the changes: a full volume may stay full for hours."""
        before, self._error = self._error, error
        if error and not before:
            log.warning("the %s of step %d was not written: %s", self._what, step, error)
        elif before and not error:
            log.info("the %s of step %d was written again", self._what, step)
