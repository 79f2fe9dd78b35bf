"""Attempts to copy, again and again, until one says that all is done."""

import time
from collections.abc import Callable

from nerf_cli.errors import UserError
from nerf_cli.meter import Meter, Say
from nerf_cli.shell import CommandFailedError, ConnectionLostError
from nerf_cli.volume import Volume

#: Seconds before the next attempt, after attempts in a row in which nothing moved.
PAUSES = (1, 2, 4, 8, 15)
#: Bytes that pipes on the way may hold: that they left here does not mean that they arrived.
IN_PIPES = 1 << 20
#: Connections that may be lost in all.
MOST_LOST = 50
#: Files may change while they are copied; they are copied again so often.
ROUNDS = 3

Open = Callable[[], Volume]


class _Counting:
    """A meter that knows whether anything moves."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self.moved = 0

    def begin(self, activity: str, total: int) -> None:
        self._meter.begin(activity, total)

    def advance(self, count: int) -> None:
        self.moved += count
        self._meter.advance(count)


def persistently(
    attempt: Callable[[Volume, Meter], bool],
    open_: Open,
    meter: Meter,
    say: Say,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Call `attempt` until it says that all is done.

    A lost connection is opened again. Raises UserError after several in a row that copied nothing,
    or where copies stay different. The attempt tells its meter only of what it copies.
    """
    idle = rounds = losses = 0
    while rounds < ROUNDS:
        counting = _Counting(meter)
        try:
            if attempt(open_(), counting):
                return
            rounds += 1
        except ConnectionLostError as lost:
            losses += 1
            idle = 0 if counting.moved > IN_PIPES else idle + 1
            if idle > len(PAUSES) or losses > MOST_LOST:
                raise UserError(_given_up(lost)) from lost
            say("the connection was lost; going on from there")
            pause(PAUSES[max(idle, 1) - 1])
        except CommandFailedError as failed:
            raise UserError(_refused(str(failed))) from failed
    raise UserError(
        f"Some files still differ after {ROUNDS} rounds of copying. They probably change "
        "meanwhile; try again when nothing writes them."
    )


def _given_up(lost: ConnectionLostError) -> str:
    return f"The connection to the pod is lost again and again ({_last_line(str(lost))})."


def _refused(words: str) -> str:
    if "No space left" in words or "Disk quota" in words:
        return (
            "The volume is full. Use a larger one: `kubectl nerf upload --claim NAME --size SIZE` "
            "makes one, or enlarge the claim if its storage class allows it."
        )
    if "Permission denied" in words or "Read-only file system" in words:
        return (
            f"The volume does not let us write ({_last_line(words)}). User and group 10001 must "
            "be allowed to."
        )
    return f"The pod cannot copy: {_last_line(words)}"


def _last_line(words: str) -> str:
    lines = [line for line in words.splitlines() if "command terminated" not in line]
    return lines[-1].strip() if lines else words.strip()
