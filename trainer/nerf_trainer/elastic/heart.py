"""The heartbeat: a thread that says "I live" and hears what became of the group."""

import logging
import threading
import time
from collections.abc import Callable

from nerf_trainer.coordination.client import Client, UnreachableError
from nerf_trainer.coordination.messages import (
    NO_GENERATION,
    GenerationId,
    Heartbeat,
    Identity,
    Verdict,
)
from nerf_trainer.elastic.activity import activity
from nerf_trainer.elastic.last_resort import end_process

log = logging.getLogger(__name__)

PERIOD_SECONDS = 0.5
REQUEST_SECONDS = 1.5
#: How long a collective may still run after its group is known to be over: members that leave
#: together finish their last one within this time; one that a hung peer blocks never does.
LINGER_SECONDS = 0.4
#: A process whose training does not notice for so long that its group is over hangs for good, as on
#: a GPU or in a file system.
END_SECONDS = 120.0


class Heart:
    """Beats until stopped. While the coordinator is away, training goes on.

    abort: called from the heart's thread to break the collectives of a group that is over.
    """

    def __init__(self, client: Client, identity: Identity, abort: Callable[[], None]) -> None:
        self._client = client
        self._identity = identity
        self._abort = abort
        self._lock = threading.Lock()
        self._last = NO_GENERATION, 0
        self._inside = False
        self._verdict = Verdict.CURRENT
        self._over_since: float | None = None
        self._leaving = False
        self._reachable = True
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heart", daemon=True)

    @property
    def last(self) -> tuple[GenerationId, int]:
        """The generation that this process entered last, and its world size; 0 before any.

        Its number is the highest that this process ever saw.
        """
        return self._last

    @property
    def verdict(self) -> Verdict:
        """What the coordinator last said of the current group."""
        return self._verdict

    def start(self) -> None:
        """Begin to beat, once."""
        if not self._thread.is_alive():
            self._thread.start()

    @property
    def leaving(self) -> bool:
        """Whether this process wants to leave for good."""
        return self._leaving

    def say_leaving(self) -> None:
        """Tell the coordinator now, and with each beat from now on, that this pod leaves.

        Waits for its answer, about `REQUEST_SECONDS` at most once its name is known. Who has never
        beaten is not known to it, and need not be told of.
        """
        self._leaving = True
        if self._thread.is_alive():
            self._beat()

    def stop(self) -> None:
        """Beat no more."""
        self._stopped.set()

    def enter(self, generation: GenerationId, world_size: int) -> None:
        """From now on this process is in `generation`, and in no earlier one."""
        self._move((generation, world_size), inside=True)

    def leave(self) -> None:
        """From now on this process is in no generation."""
        self._move(self._last, inside=False)

    def _move(self, last: tuple[GenerationId, int], inside: bool) -> None:
        with self._lock:
            self._last, self._inside = last, inside
            self._verdict, self._over_since = Verdict.CURRENT, None

    def _run(self) -> None:
        while not self._stopped.wait(PERIOD_SECONDS):
            try:
                self._beat()
            except Exception:
                log.exception("a heartbeat failed; trying again")

    def _beat(self) -> None:
        message = self._message()
        try:
            reply = self._client.send(message, REQUEST_SECONDS)
        except UnreachableError as error:
            self._note_reachable(False, f"{error}; going on without it, and trying again")
        else:
            self._note_reachable(True, "the coordinator is back")
            self._hear(message.generation, reply.verdict)

    def _message(self) -> Heartbeat:
        with self._lock:
            generation, size = self._last if self._inside else (NO_GENERATION, 0)
            seen = self._last[0].number
        return Heartbeat(
            self._identity,
            generation,
            world_size=size,
            seen=seen,
            leaving=self._leaving,
            waited_ms=int(1000 * activity.waited_seconds()),
            overdue=activity.is_overdue(),
        )

    def _note_reachable(self, reachable: bool, text: str) -> None:
        if reachable != self._reachable:
            self._reachable = reachable
            log.log(logging.INFO if reachable else logging.WARNING, text)

    def _hear(self, generation: GenerationId, verdict: Verdict) -> None:
        with self._lock:  # So that no later group is aborted.
            if not self._inside or generation != self._last[0]:
                return
            self._verdict = verdict
            self._follow_up(verdict in (Verdict.OVER, Verdict.FENCED))

    def _follow_up(self, is_over: bool) -> None:
        """What the training should have noticed by itself, or has to be told."""
        now = time.monotonic()
        if not is_over:
            self._over_since = None
            return
        if self._over_since is None:
            self._over_since = now
        over = now - self._over_since
        if over >= END_SECONDS and _hangs():
            end_process("the training hangs, and its group is over")
        if over >= LINGER_SECONDS:
            self._abort()


def _hangs() -> bool:
    """Whether the training should have noticed by now. Who waits for a GPU may wait for ever."""
    return activity.is_overdue() or activity.waited_seconds() > END_SECONDS
