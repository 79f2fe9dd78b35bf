"""Where a stage before or after the training stands, shared by it and the server that tells it."""

import faulthandler
import os
import threading
import time
from typing import Literal

from nerf_contract.progress import StageProgress
from nerf_contract.reasons import FAILURES, STAGE_HUNG
from nerf_trainer.failures import write_termination

#: Before this share is done, its speed says little about the rest.
MIN_SHARE = 0.02
#: A stage with nothing new to tell for so long hangs. COLMAP's global mapping, which tells nothing,
#: may take hours for thousands of photos.
SILENCE_SECONDS = 6 * 3600.0
LOOK_EVERY_SECONDS = 60.0


class StageBoard:
    """A thread-safe holder of the newest `StageProgress`.

    ready: set from the start, as a stage has nothing to warm up.
    """

    def __init__(self, stage: Literal["download", "poses", "export"]) -> None:
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._first = 0.0
        self._told = self._began
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
            if (activity, done) != (self._progress.activity, self._progress.done):
                self._told = time.monotonic()
            self._progress = self._progress.model_copy(
                update={"activity": activity, "done": done, "eta_seconds": left}
            )

    @property
    def progress(self) -> StageProgress:
        """An immutable snapshot."""
        with self._lock:
            return self._progress

    @property
    def silence(self) -> float:
        """Seconds since it had something new to tell."""
        with self._lock:
            return time.monotonic() - self._told

    def _left(self, done: float) -> float | None:
        """Seconds left if the rest goes on as fast; None while nobody can tell."""
        share = done - self._first
        if share < MIN_SHARE:
            return None
        return (time.monotonic() - self._began) * (1 - done) / share


def end_if_it_hangs(
    board: StageBoard, limit: float = SILENCE_SECONDS, look_every: float = LOOK_EVERY_SECONDS
) -> None:
    """From now on end the process, with a last word, once the stage is silent for `limit` seconds.

    A process that cannot even do that is ended by the kubelet: it does not answer /healthz either.
    """

    def watch() -> None:
        while board.silence < limit:
            time.sleep(look_every)
        faulthandler.dump_traceback()
        write_termination(
            STAGE_HUNG,
            f"The {board.progress.stage} stage made no progress for {limit / 3600:.1f} h while it "
            f"was at {board.progress.activity!r}. Its log shows where.",
        )
        os._exit(FAILURES[STAGE_HUNG].exit_code)

    threading.Thread(target=watch, name="watchdog", daemon=True).start()
