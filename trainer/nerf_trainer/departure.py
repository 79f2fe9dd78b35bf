"""How a worker leaves when it is told to by SIGTERM: at a step boundary, with its state saved.

Kubernetes deletes, drains and scales down by that signal. torchrun's agent passes it on, and waits
30 s for its processes, which is also what the pod is given. The first one is answered so:

- in a group: the process votes for a change, as one that knows of a joiner does, and ends when
  all have left the step. An evaluation ends first. Who takes too long is not waited for.
- in no group (reading the photos, compiling, waiting for a place): it ends at once.

The writer saves what no checkpoint holds yet, whether or not others go on with the same state: it
costs them nothing, as the group has left it behind. A second signal ends the process at once.
"""

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

log = logging.getLogger(__name__)

#: How long the others are waited for.
AGREE_SECONDS: Final = 5.0
#: How long a step that never ends keeps the state from being saved, after that.
STATE_SECONDS: Final = 5.0


def _nothing() -> None:
    pass


class Departure:
    """Ends the process, once it is told to, from a thread of its own.

    end: ends the process, and does not return. The training goes on in the main thread, which may
    be blocked in a collective where no handler of Python's would run.
    """

    def __init__(self, end: Callable[[], None]) -> None:
        self._end = end
        self._announce: Callable[[], None] = _nothing
        self._save: Callable[[], None] = _nothing
        self._asked = threading.Event()
        self._alone = threading.Event()
        self._alone.set()
        self._state = threading.Lock()
        self._last_act = threading.Lock()

    def listen(self) -> None:
        """Take over SIGTERM. Call it in the main thread."""
        told, tell = os.pipe()
        os.set_blocking(tell, False)
        # Python writes there in whichever thread the signal reaches, blocked or not.
        signal.set_wakeup_fd(tell)
        signal.signal(signal.SIGTERM, lambda *_: None)
        threading.Thread(target=self._listen, args=(told,), name="departure", daemon=True).start()

    def prepare(self, announce: Callable[[], None], save: Callable[[], None]) -> None:
        """What is to be done first: tell the others, and save the state. Both may fail."""
        self._announce, self._save = announce, save

    @contextmanager
    def in_group(self) -> Iterator[None]:
        """Others count on this process meanwhile: it does not end before all agree."""
        self._alone.clear()
        try:
            yield
        finally:
            self._alone.set()

    @contextmanager
    def state_changes(self) -> Iterator[None]:
        """The state cannot be saved meanwhile."""
        with self._state:
            yield

    def stop_if_asked(self) -> None:
        """Go no further where the process is about to end: does not return then."""
        if self._asked.is_set():
            threading.Event().wait()

    def forgo(self) -> None:
        """The process ends by itself, for a better reason."""
        self._last_act.acquire()

    def depart(self) -> None:
        """What the first signal starts. Ends the process, whatever the others do."""
        self._asked.set()
        # A name that does not resolve may take longer than there is time.
        speaker = threading.Thread(target=_attempt, args=(self._announce,), daemon=True)
        speaker.start()
        self._alone.wait(AGREE_SECONDS)
        speaker.join(AGREE_SECONDS)
        if self._state.acquire(timeout=STATE_SECONDS):
            _attempt(self._save)
        self._finish()

    def _finish(self) -> None:
        with self._last_act:
            self._end()

    def _listen(self, told: int) -> None:
        _await(told)
        log.info("told to end: leaving the group at the end of a step")
        threading.Thread(target=self.depart, name="departure-end", daemon=True).start()
        _await(told)
        self._finish()


def _await(told: int) -> None:
    while os.read(told, 1) != bytes([signal.SIGTERM]):
        pass


def _attempt(act: Callable[[], None]) -> None:
    try:
        act()
    except Exception:
        log.exception("leaving all the same")
