"""The files of a folder here: which are uploaded, and which are photos or videos."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from nerf_contract.dataset import HEIC_SUFFIXES, VIDEO_SUFFIXES

PHOTO_ENDINGS = frozenset({".jpg", ".jpeg", ".png"})
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


def photo_files(files: Files, plain: bool) -> list[LocalFile]:
    """Those of the files that are photos: of plain ones in `images/`, else in the folder itself."""
    if plain:
        return _with(_place(files), PHOTO_ENDINGS)
    return [f for f in _with(files, PHOTO_ENDINGS) if "masks" not in Path(f.name).parts]


def heic_files(files: Files) -> list[LocalFile]:
    """Photos of phones that have to be converted."""
    return _with(_place(files), HEIC_SUFFIXES)


def video_files(files: Files) -> list[LocalFile]:
    """Those of the files that frames are taken of, as the trainer finds them.

    One with the name of a photo beside it is the moving part of a phone's live photo.
    """
    there = _place(files)
    live = {Path(f.name).with_suffix("") for f in _with(there, PHOTO_ENDINGS | HEIC_SUFFIXES)}
    videos = _with(there, VIDEO_SUFFIXES)
    return [f for f in videos if Path(f.name).with_suffix("") not in live]


def _place(files: Files) -> list[LocalFile]:
    """The photos and videos in `images/`, else in the folder itself."""
    media = _with(files, PHOTO_ENDINGS | HEIC_SUFFIXES | VIDEO_SUFFIXES)
    inside = [f for f in media if f.name.startswith("images/")]
    return inside or [f for f in media if "/" not in f.name]


def _with(files: Iterable[LocalFile], endings: frozenset[str]) -> list[LocalFile]:
    return [f for f in files if Path(f.name).suffix.lower() in endings]
