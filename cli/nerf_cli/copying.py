"""Copying to a volume and back until both sides hold the same, whatever is cut off meanwhile."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from nerf_cli.errors import UserError
from nerf_cli.folder import LocalFile, human
from nerf_cli.meter import Meter, Say
from nerf_cli.shell import CommandFailedError, ConnectionLostError
from nerf_cli.volume import Volume, sha256

#: A file from this size on is continued where it was cut off, and not sent again.
LARGE = 64 << 20
#: Seconds before the next attempt, after attempts in a row in which nothing moved.
PAUSES = (1, 2, 4, 8, 15)
#: Bytes that pipes on the way may hold: that they left here does not mean that they arrived.
IN_PIPES = 1 << 20
#: Connections that may be lost in all.
MOST_LOST = 50
#: Files may change while they are copied; they are copied again so often.
ROUNDS = 3

Open = Callable[[], Volume]


@dataclass(frozen=True)
class Copied:
    """Files and bytes that were copied, and files that were there before."""

    files: int
    size: int
    present: int


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


def upload(
    files: Sequence[LocalFile],
    open_: Open,
    meter: Meter,
    say: Say,
    pause: Callable[[float], None] = time.sleep,
    large: int = LARGE,
) -> Copied:
    """Make the volume hold the files, by their SHA-256. Raises UserError, OSError."""
    meter.begin("reading", sum(file.size for file in files))
    digests = {file.name: sha256(file.path, meter) for file in files}
    remaining = list(files)
    sent: dict[str, int] = {}

    def attempt(volume: Volume, counting: Meter) -> bool:
        remaining[:] = _different(volume, remaining, digests, meter)
        if remaining:
            _check_room(sum(file.size for file in remaining), volume.mark())
            sent.update((file.name, file.size) for file in remaining)
            _send(volume, remaining, digests, counting, large)
            remaining[:] = _different(volume, remaining, digests, meter)
        if not remaining:
            volume.unmark()
        return not remaining

    persistently(attempt, open_, meter, say, pause)
    return Copied(len(sent), sum(sent.values()), len(files) - len(sent))


def _different(
    volume: Volume, files: Sequence[LocalFile], digests: dict[str, str], meter: Meter
) -> list[LocalFile]:
    sizes = {file.name: file.size for file in files}
    meter.begin("checking", sum(sizes.values()))
    there = volume.hashes(list(sizes), meter, sizes)
    return [file for file in files if there.get(file.name) != digests[file.name]]


def _check_room(size: int, room: int) -> None:
    if size > room:
        raise UserError(
            f"{human(size)} are to be sent, and the volume has room for {human(room)}. Use a "
            "larger one by --claim and --size, or make room."
        )


def _send(
    volume: Volume, files: list[LocalFile], digests: dict[str, str], meter: Meter, large: int
) -> None:
    meter.begin("sending", sum(file.size for file in files))
    small = [file for file in files if file.size < large]
    if small:
        volume.send(small, meter)
    for file in files:
        if file.size >= large:
            volume.send_large(file, digests[file.name], meter)


def download(
    paths: Sequence[str],
    into: Path,
    open_: Open,
    meter: Meter,
    say: Say,
    pause: Callable[[float], None] = time.sleep,
) -> tuple[Copied, list[str]]:
    """Make `into` hold what lies below these paths of the volume; names of all files.

    Raises UserError, OSError.
    """
    fetched: set[str] = set()
    listed: dict[str, int] = {}

    def attempt(volume: Volume, counting: Meter) -> bool:
        listed.clear()
        listed.update({n: s for n, s in volume.listing(paths).items() if _inside(n)})
        meter.begin("checking", sum(listed.values()))
        digests = volume.hashes(list(listed), meter, listed)
        wanted = {n: d for n, d in digests.items() if not _same(into / n, listed[n], d)}
        fetched.difference_update(wanted)
        meter.begin("fetching", sum(listed[name] for name in wanted))
        if wanted:
            volume.receive(wanted, into, counting, fetched.add)
        return wanted.keys() <= fetched and digests.keys() == listed.keys()

    persistently(attempt, open_, meter, say, pause)
    new = fetched & listed.keys()
    size = sum(listed[name] for name in new)
    return Copied(len(new), size, len(listed) - len(new)), sorted(listed)


def _inside(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts


def _same(path: Path, size: int, digest: str) -> bool:
    if not path.is_file() or path.stat().st_size != size:
        return False
    return sha256(path, _Silent()) == digest


class _Silent:
    """A meter that nobody reads."""

    def begin(self, activity: str, total: int) -> None: ...

    def advance(self, count: int) -> None: ...
