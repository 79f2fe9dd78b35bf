"""Which of several operators works: the one that holds the Lease. Pure.

Clocks of two machines are never compared. Whoever waits counts how long *it* has seen the Lease
unchanged; whoever holds it counts from the moment at which it *sent* its last renewal that was
answered, and gives up earlier than any other may take over. So two never work at once, whatever
calls take and whichever answers are lost.
"""

from dataclasses import dataclass, replace

#: Seconds without a renewal after which another operator takes over.
DURATION = 9
#: Seconds without a renewal after which the holder stops.
GIVE_UP = 6.0
RENEW_EVERY = 2.0
#: Seconds between two looks of one that waits.
LOOK_EVERY = 1.0


@dataclass(frozen=True)
class Lease:
    """The Lease as the API server has it. holder: "" where it was given back."""

    holder: str
    version: str
    duration: float = DURATION
    transitions: int = 0


@dataclass(frozen=True)
class Candidate:
    """What one operator knows of the Lease. All times are of its own monotonic clock, in seconds.

    me: unique among all operators, but the same after a restart of the container.
    since: when `seen` was first seen in this version.
    renewed: when the last write of ours that was answered had been sent; None: we do not hold it.
    """

    me: str
    seen: Lease | None = None
    since: float = 0.0
    renewed: float | None = None

    def saw(self, lease: Lease | None, now: float) -> "Candidate":
        """After an answer that came at `now`; None: there is no Lease."""
        mine = lease is not None and lease.holder == self.me
        renewed = self.renewed if mine else None
        if lease is None or self.seen is None or lease.version != self.seen.version:
            return replace(self, seen=lease, since=now, renewed=renewed)
        return replace(self, renewed=renewed)

    def wrote(self, lease: Lease, sent: float) -> "Candidate":
        """After our own write, sent at `sent`, was answered with `lease`."""
        renewed = sent if lease.holder == self.me else None
        return replace(self, seen=lease, since=sent, renewed=renewed)

    def wants(self, now: float) -> bool:
        """Whether to write the Lease now: to take it, or to renew it."""
        if self.renewed is not None:
            return now - self.renewed >= RENEW_EVERY
        if self.seen is None or self.seen.holder in ("", self.me):
            return True
        return now - self.since >= self.seen.duration

    def holds(self, now: float) -> bool:
        """Whether it may work now."""
        return self.renewed is not None and now < self.renewed + GIVE_UP
