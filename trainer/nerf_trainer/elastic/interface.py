"""What the training loop sees of elasticity: a membership that yields generations.

while not done:
    generation = membership.join(step)
    try:
        with peer_loss():
            train(generation)  # returns at a step boundary when all agree to change
    except PeerLost as lost:
        log(lost)
    membership.leave()
membership.close()
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import torch.distributed as dist

#: An I/O error of gloo names where it was thrown. A failed check of gloo ("[enforce fail at")
#: or of torch is a bug of ours, and matches nothing here.
_GLOO_IO_ERROR = re.compile(r"\[[^]\s]*gloo/\S+:\d+\] ")


@dataclass(frozen=True)
class Generation:
    """One group of processes that train together until its membership changes.

    number: from 1; only ever grows.
    rank, world_size: of this process in the group.
    source: rank whose state the others take; it has completed the most steps.
    writer: rank of the process that writes checkpoints, or None where the group lacks it.
    """

    number: int
    rank: int
    world_size: int
    source: int
    writer: int | None


class Membership(Protocol):
    """This process's place in the changing group."""

    @property
    def is_writer(self) -> bool:
        """Whether this process is the one that writes checkpoints and results."""

    def join(self, step: int) -> Generation:
        """Block until a group has formed; `torch.distributed` is initialised on return.

        step: steps completed by this process; the most advanced member becomes the source.
        """

    def changing(self) -> bool:
        """Whether a new generation was announced, or this process leaves, as far as it knows.

        A local view: let all ranks agree (all-reduce) on the step at which they leave.
        """

    def announce_departure(self) -> None:
        """Say that this process will join no more: `changing` from now on. From any thread."""

    def leave(self) -> None:
        """Destroy the process group, if any. Neither raises nor hangs."""

    def close(self) -> None:
        """Leave, and say goodbye: this process is finished."""


class PeerLost(Exception):  # noqa: N818 - a turn of events, not an error
    """A collective failed because a peer died, hung or left: join again."""


def is_peer_loss(error: BaseException) -> bool:
    """Whether `error`, raised by a collective, means that a peer is gone."""
    if isinstance(error, (PeerLost, dist.DistError)):
        return True
    return isinstance(error, RuntimeError) and bool(_GLOO_IO_ERROR.search(str(error)))


@contextmanager
def peer_loss() -> Iterator[None]:
    """Turn the many errors by which torch reports a lost peer into `PeerLost`.

    Every other error passes unchanged.
    """
    try:
        yield
    except RuntimeError as error:
        if not is_peer_loss(error):
            raise
        raise PeerLost(str(error).partition("\n")[0]) from error
