"""Asking the coordinator for a place: through every absence of it, not through every refusal."""

import logging
import time
from collections.abc import Callable
from typing import Final, Protocol

from nerf_trainer.coordination.client import RefusedError, UnreachableError
from nerf_trainer.coordination.messages import Join, Placement, Reply, Verdict

log = logging.getLogger(__name__)

#: Between two tries.
PAUSE_SECONDS: Final = 0.5
#: A replacement whose node's clock is slow is taken for the older one until the old one is lost.
FENCED_SECONDS: Final = 10.0
#: A coordinator of an earlier version, token or config may be about to be replaced, or to end.
REFUSED_SECONDS: Final = 60.0


class FencedError(RuntimeError):
    """A newer incarnation of this pod has taken its place."""


class Coordinator(Protocol):
    """Whom to ask: see `client.Client`."""

    def join(self, message: Join) -> Reply:
        """One long poll. Raises: UnreachableError, RefusedError."""


def await_placement(
    coordinator: Coordinator,
    wish: Join,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Placement:
    """Ask until there is a place.

    Raises: FencedError, RefusedError: that was the answer, and no other, for too long.
    """
    said: Exception | None = None
    since = clock()
    while True:
        try:
            placement = _ask(coordinator, wish)
        except (FencedError, RefusedError) as no:
            since = since if type(no) is type(said) else clock()
            said = _tell(no, said)
            if clock() - since > _patience(no):
                raise
            sleep(PAUSE_SECONDS)
        except UnreachableError as error:
            said = _tell(error, said)
            sleep(PAUSE_SECONDS)
        else:
            said = None
            if placement:
                return placement


def _ask(coordinator: Coordinator, wish: Join) -> Placement | None:
    reply = coordinator.join(wish)
    if reply.verdict is Verdict.FENCED:
        raise FencedError(f"a newer pod is worker {wish.member.id.pod} now; ending")
    if reply.verdict is Verdict.MISFIT:
        raise RefusedError(
            "the group trains by another config than this worker, as after a change of the job's "
            "spec. Delete all worker pods, so that they start again with the same one."
        )
    return reply.placement


def _tell(error: Exception, before: Exception | None) -> Exception:
    """Log what is new; returns what was said last."""
    if str(error) != str(before):
        log.warning("no place in the group yet, trying again: %s", error)
    return error


def _patience(no: Exception) -> float:
    return FENCED_SECONDS if isinstance(no, FencedError) else REFUSED_SECONDS
