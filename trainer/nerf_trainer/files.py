"""Files that are either complete or not there, whenever the machine stops."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def write_atomically(path: Path, data: bytes) -> None:
    """Write beside `path`, force to the disk, rename into place, force the folder too."""
    temporary = path.with_name(f".{path.name}.tmp")
    write_durably(temporary, data)
    temporary.rename(path)
    sync_folder(path.parent)


def write_durably(path: Path, data: bytes | memoryview) -> None:
    """Write a file and force it to the disk."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Force a folder's entries to the disk."""
    sync_file(path)


def sync_file(path: Path) -> None:
    """Force what was written to a file to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Be alone in what is kept in `folder/.nerf`: wait for other processes, on other nodes too.

    A volume that knows no locks is used without. Raises OSError where it cannot be written.
    """
    place = folder / ".nerf"
    place.mkdir(parents=True, exist_ok=True)
    with (place / "lock").open("w") as file:
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
