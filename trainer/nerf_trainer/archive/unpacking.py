"""Unpacking what strangers have packed: plain files below one folder, and no more than is meant."""

import bz2
import errno
import gzip
import lzma
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from nerf_trainer.archive.downloading import CHUNK, Tell
from nerf_trainer.archive.web import invalid

MAX_FILES = 100_000
#: Characters of a path, and bytes of one of its parts, which is what file systems take.
MAX_NAME, MAX_PART = 1024, 255
#: Most that is read in gulps. What a format reads in one go, such as the list of a zip's files or
#: the headers of a tar's, could otherwise be as large as the archive says.
MAX_READ = 16_000_000
#: Others are unpacked without a bound on memory by `zipfile`.
ZIP_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
#: What some systems add to archives, and what we add to folders.
JUNK = frozenset({"__MACOSX", ".DS_Store", "Thumbs.db", ".nerf"})
#: By what a file that is compressed as a whole begins.
COMPRESSIONS: dict[bytes, Callable[[IO[bytes]], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ": lzma.open,
}
#: What the standard library raises for broken archives.
BROKEN = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, OSError),
    *(EOFError, NotImplementedError, OverflowError, RecursionError, ValueError, struct.error),
    LookupError,  # By zipfile, of a file without a name.
)


@dataclass(frozen=True)
class Entry:
    """A regular file of an archive, and its content."""

    path: PurePosixPath
    content: IO[bytes]


class Sips:
    """A file that is read in sips of up to CHUNK bytes, and in gulps of MAX_READ bytes in all."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._left = file, MAX_READ
        self.seek, self.tell, self.seekable = file.seek, file.tell, lambda: True

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes. Raises TrainerFailure (ArchiveInvalid) where that is too much."""
        if 0 <= size <= CHUNK:
            return self._file.read(size)
        most = self._left + 1
        found = self._file.read(most if size < 0 else min(size, most))
        self._left -= len(found)
        if self._left < 0:
            raise invalid("the names of its files take too much room. Pack fewer files")
        return found


def _sips(file: IO[bytes]) -> IO[bytes]:
    return cast(IO[bytes], Sips(file))


def unpack(file: Path, folder: Path, limit: int, tell: Tell) -> None:
    """Unpack a .zip or .tar file, of any compression, into an empty folder.

    limit: bytes that it may have unpacked. They are counted as they come, whatever the archive
    says of itself. Raises TrainerFailure (ArchiveInvalid), and OSError of the volume.
    """
    packed, done, seen = file.stat().st_size, 0, set()
    with file.open("rb") as raw:
        for entry in _entries(raw, limit):
            if entry.path in seen:
                raise invalid(f"it holds {entry.path} more than once. Pack it anew")
            seen.add(entry.path)
            done += _write(entry, folder / entry.path, limit - done)
            tell("unpacking", min(1.0, raw.tell() / packed))
    if not seen:
        raise invalid("it holds no files. Pack the photos anew")


def _entries(raw: IO[bytes], limit: int) -> Iterator[Entry]:
    try:
        if zipfile.is_zipfile(raw):
            yield from _zip_entries(raw)
        else:
            raw.seek(0)
            yield from _tar_entries(raw, limit)
    except BROKEN as error:
        _check_volume(error)
        raise invalid(
            f"it is not a whole .zip or .tar file ({error}). Pack the photos anew, or correct "
            "dataset.archive.url"
        ) from error


def _zip_entries(raw: IO[bytes]) -> Iterator[Entry]:
    with zipfile.ZipFile(_sips(raw)) as archive:
        for number, info in enumerate(archive.infolist()):
            _check_number(number)
            if info.is_dir() or _is_junk(info.filename):
                continue
            if info.flag_bits & 1:
                raise invalid(f"{info.filename} is encrypted. Pack the photos without a password")
            if info.compress_type not in ZIP_METHODS:
                raise invalid(f"{info.filename} is not packed by deflate. Pack it anew")
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in (0, stat.S_IFREG):
                raise _not_plain(info.filename)
            with archive.open(info) as content:
                yield Entry(_safe(info.filename), content)


def _tar_entries(raw: IO[bytes], limit: int) -> Iterator[Entry]:
    with _decompressed(raw) as plain, tarfile.open(fileobj=_sips(plain), mode="r:") as archive:
        for number, info in enumerate(archive):
            _check_number(number)
            if info.offset > limit + MAX_FILES * 4 * tarfile.BLOCKSIZE:  # What was left out counts.
                raise _too_large()
            if info.isdir() or _is_junk(info.name):
                continue
            content = archive.extractfile(info) if info.isreg() else None
            if content is None:
                raise _not_plain(info.name)
            yield Entry(_safe(info.name), content)


def _decompressed(raw: IO[bytes]) -> IO[bytes]:
    head = raw.read(max(map(len, COMPRESSIONS)))
    raw.seek(0)
    for magic, opened in COMPRESSIONS.items():
        if head.startswith(magic):
            return cast(IO[bytes], opened(raw))
    return raw


def _check_volume(error: Exception) -> None:
    """Raise what the file system says; the errors of decompressors have no number.

    A place before the beginning of the file, which a damaged archive names, is an invalid argument.
    """
    if getattr(error, "errno", None) not in (None, errno.EINVAL):
        raise error


def _check_number(number: int) -> None:
    """Folders and what is left out count too."""
    if number >= MAX_FILES:
        raise invalid(f"it holds more than {MAX_FILES} files. Pack the photos alone")


def _too_large() -> Exception:
    return invalid(
        "it unpacks to more than dataset.archive.maxGigabytes. Raise that if the file is the right "
        "one"
    )


def _not_plain(name: str) -> Exception:
    return invalid(f"{name[:200]} is a link or a device. Pack plain files only")


def _is_junk(name: str) -> bool:
    return not JUNK.isdisjoint(PurePosixPath(name).parts)


def _safe(name: str) -> PurePosixPath:
    """The path of an entry below the folder; nothing that could lead out of it."""
    path = PurePosixPath(name)
    odd = len(name) > MAX_NAME or "\\" in name or any(ord(c) < 32 for c in name)
    odd |= any(len(part.encode(errors="surrogateescape")) > MAX_PART for part in path.parts)
    if odd or path.is_absolute() or ".." in path.parts or not path.parts:
        raise invalid(f"{name[:200]!r} is not a path below the archive's folder. Pack it anew")
    return path


def _read(entry: Entry) -> bytes:
    try:
        return entry.content.read(CHUNK)
    except BROKEN as error:
        _check_volume(error)
        raise invalid(f"{entry.path} in it is damaged ({error}). Pack it anew") from error


def _write(entry: Entry, path: Path, limit: int) -> int:
    """Copy an entry's content; the bytes it has."""
    size = 0
    with _made(entry, path) as out:
        while chunk := _read(entry):
            size += len(chunk)
            if size > limit:
                raise _too_large()
            out.write(chunk)
    return size


def _made(entry: Entry, path: Path) -> IO[bytes]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("xb")
    except (FileExistsError, NotADirectoryError) as error:
        raise invalid(f"{entry.path} has the name of another file or folder in it") from error
