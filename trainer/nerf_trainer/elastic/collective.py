"""Waiting for a collective, which is given up where its group is broken.

Gloo has the connections of a broken group closed, and most who wait learn it. Not who sends to a
peer that took a part of the message and died: `Pair::signalException` of gloo's transport/tcp
forgets the unbound buffers that are being sent, whose senders wait until the time-out.

NCCL's collectives are aborted, and whoever waits for the GPU goes on as if nothing had happened,
with sums of a part: whether its group is broken is asked once the GPU is done.
"""

import threading
from datetime import timedelta
from time import monotonic

import torch
import torch.distributed as dist

from nerf_trainer.elastic.activity import activity
from nerf_trainer.elastic.interface import PeerLost

_POLL = timedelta(seconds=0.1)
#: What closed connections have still brought is read in this time, so that nobody writes into the
#: tensors of a collective that is given up.
GIVE_UP_SECONDS = 0.5

_broken = threading.Event()
#: Collectives of the present group that were given up: gloo's threads are still in them.
_unfinished: list[dist.Work] = []
#: Groups out of service: the last one, and those that gloo's threads are still in.
_retired: list[tuple[dist.ProcessGroup, list[dist.Work]]] = []


def complete(work: dist.Work | None) -> None:
    """Wait until the collective is done.

    Raises: PeerLost where its group is broken; RuntimeError as torch does, see `peer_loss`.
    """
    assert work is not None  # Only who is not of the group has none.
    with activity.waiting():
        if dist.get_backend() == dist.Backend.GLOO:
            _complete_gloo(work)
        else:
            _complete_nccl(work)


def _complete_nccl(work: dist.Work) -> None:
    try:
        work.wait()  # Only the stream waits.
        torch.cuda.current_stream().synchronize()
    except RuntimeError as error:
        if _broken.is_set():
            raise PeerLost(f"the group is broken: {error}") from error
        raise
    if _broken.is_set():
        raise PeerLost("the group is broken, and the collective was aborted")


def _complete_gloo(work: dist.Work) -> None:
    broken_since: float | None = None
    while not _done(work):
        if not _broken.is_set():
            continue
        broken_since = broken_since or monotonic()
        if monotonic() - broken_since > GIVE_UP_SECONDS:
            _unfinished.append(work)
            raise PeerLost("the group is broken, and gloo does not notice")


def _done(work: dist.Work) -> bool:
    """Wait for a moment. Whether it is done; raises its error."""
    try:
        work.wait(_POLL)
    except RuntimeError:  # Its error, or that it took longer, which may be over by now.
        if not work.is_completed():
            return False
        work.wait()
    return True


def begin() -> None:
    """A new group is about to form."""
    _broken.clear()


def break_off() -> None:
    """Whoever waits for a collective of the group gives up. Called from any thread."""
    _broken.set()


def retire_group() -> None:
    """Take the process group out of service, and keep it until the next one is.

    A gloo thread that lets go of its last collective takes the GIL while it holds a lock that the
    destructor needs, which runs under the GIL: destroyed at once, the group can deadlock. So must
    the last one not be destroyed at the end of the process: see `nerf_trainer.ending.leave`. And
    one that has a collective unfinished would wait for it.
    """
    _retired[:] = [known for known in _retired if not all(one.is_completed() for one in known[1])]
    _retired.append((dist.group.WORLD, list(_unfinished)))
    _unfinished.clear()
    dist.destroy_process_group()
