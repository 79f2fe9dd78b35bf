"""How far a copy is: a bar on a terminal, a line now and then elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from nerf_cli.folder import human

Say = Callable[[str], None]
CHUNK = 1 << 20
LINE_EVERY_S = 5.0


class Meter(Protocol):
    """Told what is going on, and of the bytes that were dealt with."""

    def begin(self, activity: str, total: int) -> None:
        """An activity of so many bytes begins; an earlier one is over."""

    def advance(self, count: int) -> None:
        """So many bytes more."""


class Bar:
    """A bar that is redrawn."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=None)

    def begin(self, activity: str, total: int) -> None:
        """Start the bar again."""
        self._progress.reset(self._task, description=activity, total=total)

    def advance(self, count: int) -> None:
        """Move the bar."""
        self._progress.advance(self._task, count)


class Lines:
    """A line at the end of an activity that took a while, and every few seconds in it."""

    def __init__(self, say: Say, clock: Callable[[], float] = time.monotonic) -> None:
        self._say = say
        self._clock = clock
        self._activity, self._total, self._done = "", 0, 0
        self._told = clock()

    def begin(self, activity: str, total: int) -> None:
        """Say what begins, where there is anything to do."""
        self._activity, self._total, self._done = activity, total, 0
        self._told = self._clock()
        if total:
            self._say(f"{activity}: {human(total)}")

    def advance(self, count: int) -> None:
        """Say how far it is, if the last line is a while ago."""
        self._done += count
        if self._clock() - self._told >= LINE_EVERY_S:
            self._told = self._clock()
            self._say(f"{self._activity}: {human(self._done)} of {human(self._total)}")


@contextmanager
def meter(console: Console, say: Say) -> Iterator[Meter]:
    """The meter that suits the console."""
    if not console.is_terminal:
        yield Lines(say)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(
        *columns, TransferSpeedColumn(), TimeRemainingColumn(), console=console, transient=True
    ) as progress:
        yield Bar(progress)


def metered(source: IO[bytes], meter: Meter) -> Iterator[bytes]:
    """The rest of a file in chunks, each counted once it was taken."""
    while chunk := source.read(CHUNK):
        yield chunk
        meter.advance(len(chunk))


class MeteredReader:
    """A file to read from, whose bytes are counted."""

    def __init__(self, source: IO[bytes], meter: Meter) -> None:
        self._source = source
        self._meter = meter

    def read(self, count: int = -1) -> bytes:
        """Read, and count."""
        data = self._source.read(count)
        self._meter.advance(len(data))
        return data
