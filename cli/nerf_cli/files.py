"""The files of a folder here that are uploaded."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

#: What other programs leave behind.
_JUNK = frozenset({"thumbs.db", "desktop.ini", "__macosx", "lost+found"})


@dataclass(frozen=True)
class LocalFile:
    """A file to upload. name: relative to the folder, with slashes; size in bytes."""

    path: Path
    name: str
    size: int


Files = tuple[LocalFile, ...]


def walk(root: Path) -> tuple[Files, tuple[str, ...]]:
    """Files to upload, by name, and links that lead out of the folder.

    Hidden files and what other programs leave behind are left out; links to folders too.
    """
    files, skipped = [], []
    for path in _paths(root):
        name = path.relative_to(root).as_posix()
        if path.is_symlink() and not path.resolve().is_relative_to(root.resolve()):
            skipped.append(name)
        elif path.is_file():
            files.append(LocalFile(path, name, path.stat().st_size))
    return tuple(sorted(files, key=lambda file: file.name)), tuple(sorted(skipped))


def _paths(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if _wanted(name)]
        links = [name for name in folders if (Path(folder) / name).is_symlink()]
        yield from (Path(folder) / name for name in [*names, *links] if _wanted(name))


def _wanted(name: str) -> bool:
    return not name.startswith(".") and not name.endswith("~") and name.lower() not in _JUNK
