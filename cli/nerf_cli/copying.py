"""Copying to a volume and back until both sides hold the same, whatever is cut off meanwhile."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from nerf_cli.errors import UserError
from nerf_cli.files import LocalFile
from nerf_cli.folder import human
from nerf_cli.meter import Meter, Say
from nerf_cli.persistence import Open, persistently
from nerf_cli.volume import Volume, sha256

#: A file from this size on is continued where it was cut off, and not sent again.
LARGE = 64 << 20


#: What becomes of files on the volume that are not here.
Others = Literal["tell", "delete", "refuse"]


class SurplusError(Exception):
    """Files are on the volume that are not here. names: theirs."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(f"{len(names)} files on the volume are not here")
        self.names = tuple(names)


@dataclass(frozen=True)
class Copied:
    """Files and bytes that were copied, and files that were there before.

    surplus: files on the volume that are not here; removed: whether they were deleted.
    """

    files: int
    size: int
    present: int
    surplus: tuple[str, ...] = ()
    removed: bool = False


def upload(
    files: Sequence[LocalFile],
    open_: Open,
    meter: Meter,
    say: Say,
    pause: Callable[[float], None] = time.sleep,
    large: int = LARGE,
    others: Others = "tell",
) -> Copied:
    """Make the volume hold the files, by their SHA-256. Raises UserError, OSError.

    others: what becomes of other files there, but for what is hidden and results of jobs, which
    stay. Where they are refused, nothing is sent, and SurplusError is raised.
    """
    meter.begin("reading", sum(file.size for file in files))
    digests = {file.name: sha256(file.path, meter) for file in files}
    remaining = list(files)
    sent: dict[str, int] = {}
    surplus: list[str] = []

    def attempt(volume: Volume, counting: Meter) -> bool:
        surplus[:] = sorted({*surplus, *volume.surplus(digests)})
        if others == "refuse" and surplus:
            raise SurplusError(surplus)
        remaining[:] = _different(volume, remaining, digests, meter)
        if remaining:
            _check_room(sum(file.size for file in remaining), volume.mark())
            sent.update((file.name, file.size) for file in remaining)
            _send(volume, remaining, digests, counting, large)
            remaining[:] = _different(volume, remaining, digests, meter)
        if remaining:
            return False
        if others == "delete":
            volume.remove(surplus)
        volume.unmark()
        return True

    persistently(attempt, open_, meter, say, pause)
    present = len(files) - len(sent)
    removed = others == "delete"
    return Copied(len(sent), sum(sent.values()), present, tuple(surplus), removed)


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
