"""Unpacking what strangers have packed: plain files below one folder, and no more than is meant."""

import gzip
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from nerf_trainer.archive.downloading import CHUNK, Tell
from nerf_trainer.archive.web import invalid

MAX_FILES = 100_000
MAX_NAME = 1024
#: What some systems add to archives, and what we add to folders.
JUNK = frozenset({"__MACOSX", ".DS_Store", "Thumbs.db", ".nerf"})


@dataclass(frozen=True)
class Entry:
    """A regular file of an archive, and its content."""

    path: PurePosixPath
    content: IO[bytes]


def unpack(file: Path, folder: Path, limit: int, tell: Tell) -> None:
    """Unpack a .zip or .tar file, of any compression, into an empty folder.

    limit: bytes that it may have unpacked. They are counted as they come, whatever the archive
    says of itself. Raises TrainerFailure (ArchiveInvalid), and OSError of the volume.
    """
    packed, done, seen = file.stat().st_size, 0, set()
    with file.open("rb") as raw:
        for entry in _entries(raw):
            if entry.path in seen:
                raise invalid(f"it holds {entry.path} more than once")
            seen.add(entry.path)
            if len(seen) > MAX_FILES:
                raise invalid(f"it holds more than {MAX_FILES} files")
            done += _write(entry, folder / entry.path, limit - done)
            tell("unpacking", min(1.0, raw.tell() / packed))
    if not seen:
        raise invalid("it holds no files")


def _entries(raw: IO[bytes]) -> Iterator[Entry]:
    try:
        if zipfile.is_zipfile(raw):
            yield from _zip_entries(raw)
        else:
            raw.seek(0)
            yield from _tar_entries(raw)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, NotImplementedError) as error:
        raise invalid(f"it is not a whole .zip or .tar file ({error})") from error


def _zip_entries(raw: IO[bytes]) -> Iterator[Entry]:
    with zipfile.ZipFile(raw) as archive:
        for info in archive.infolist():
            if info.is_dir() or _is_junk(info.filename):
                continue
            if info.flag_bits & 1:
                raise invalid(f"{info.filename} is encrypted. Pack the photos without a password")
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in (0, stat.S_IFREG):
                raise _not_plain(info.filename)
            with archive.open(info) as content:
                yield Entry(_safe(info.filename), content)


def _tar_entries(raw: IO[bytes]) -> Iterator[Entry]:
    with tarfile.open(fileobj=raw, mode="r:*") as archive:
        for info in archive:
            if info.isdir() or _is_junk(info.name):
                continue
            content = archive.extractfile(info) if info.isreg() else None
            if content is None:
                raise _not_plain(info.name)
            yield Entry(_safe(info.name), content)


def _not_plain(name: str) -> Exception:
    return invalid(f"{name[:200]} is a link or a device. Pack plain files only")


def _is_junk(name: str) -> bool:
    return not JUNK.isdisjoint(PurePosixPath(name).parts)


def _safe(name: str) -> PurePosixPath:
    """The path of an entry below the folder; nothing that could lead out of it."""
    path = PurePosixPath(name)
    odd = len(name) > MAX_NAME or "\\" in name or any(ord(c) < 32 for c in name)
    if odd or path.is_absolute() or ".." in path.parts or not path.parts:
        raise invalid(f"{name[:200]!r} is not a path below the archive's folder. Pack it anew")
    return path


def _read(entry: Entry) -> bytes:
    try:
        return entry.content.read(CHUNK)
    except (zlib.error, lzma.LZMAError, zipfile.BadZipFile, EOFError, gzip.BadGzipFile) as error:
        raise invalid(f"{entry.path} in it is damaged ({error})") from error


def _write(entry: Entry, path: Path, limit: int) -> int:
    """Copy an entry's content; the bytes it has."""
    path.parent.mkdir(parents=True, exist_ok=True)
    size = 0
    with path.open("xb") as out:
        while chunk := _read(entry):
            size += len(chunk)
            if size > limit:
                raise invalid(
                    "it unpacks to more than dataset.archive.maxGigabytes. Raise that if the file "
                    "is the right one"
                )
            out.write(chunk)
    return size
