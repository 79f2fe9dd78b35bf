"""Plain photos and videos in a folder, and the masks beside them."""

import os
from pathlib import Path

from nerf_contract.dataset import HEIC_ADVICE, HEIC_SUFFIXES, VIDEO_SUFFIXES
from nerf_trainer.scenes.types import invalid

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff"})
#: Photos that have to be converted first.
FOREIGN = HEIC_SUFFIXES | {".dng", ".cr2", ".cr3", ".nef", ".arw"}
PHOTOS_DIR = "images"
MASKS_DIR = "masks"


def list_photos(folder: Path) -> list[Path]:
    """The photos in `images/` and its folders where that is there, else in the folder: by name.

    Raises TrainerFailure (DatasetInvalid) where there are none, or some of a kind that is not read.
    """
    photos = photos_in(folder)
    if not photos:
        raise invalid(f"{_root(folder)} holds no photos (JPEG, PNG, WebP or TIFF). Put them there.")
    return photos


def photos_in(folder: Path) -> list[Path]:
    """The same, where there may be none. Raises the same for those of a kind that is not read."""
    shown = _shown(folder)
    foreign = _with(shown, FOREIGN)
    if foreign:
        raise invalid(
            f"{_root(folder)} holds {len(foreign)} photos such as {foreign[0].name}, of a kind "
            f"that is not read. {_conversion(foreign)}"
        )
    return _with(shown, SUFFIXES)


def videos_in(folder: Path) -> list[Path]:
    """The videos where `list_photos` looks, by name; there may be none.

    One with the name of a photo beside it is the moving part of a phone's live photo, and no video.
    """
    shown = _shown(folder)
    live = {path.with_suffix("") for path in _with(shown, SUFFIXES | FOREIGN)}
    return [path for path in _with(shown, VIDEO_SUFFIXES) if path.with_suffix("") not in live]


def has_photos(folder: Path) -> bool:
    """Whether there is a photo where `list_photos` looks."""
    places = [folder / PHOTOS_DIR, folder]
    known = SUFFIXES | FOREIGN
    return any(path.suffix.lower() in known for place in places for path in _entries(place))


def mask_of(folder: Path, photo: Path) -> Path | None:
    """The photo's mask in `masks/`: its name or its stem, with `.png`.

    Raises TrainerFailure (DatasetInvalid) where it is a link that leads elsewhere.
    """
    root = folder / PHOTOS_DIR
    relative = photo.relative_to(root if photo.is_relative_to(root) else folder)
    masks = folder / MASKS_DIR
    for name in (f"{relative}.png", str(relative.with_suffix(".png"))):
        mask = masks / name
        if mask.is_file():
            if not mask.resolve().is_relative_to(folder.resolve()):
                raise invalid(f"{mask} leads out of the dataset's folder. Copy the mask into it.")
            return mask
    return None


def _root(folder: Path) -> Path:
    return folder / PHOTOS_DIR if (folder / PHOTOS_DIR).is_dir() else folder


def _shown(folder: Path) -> list[Path]:
    """The files that are looked at; hidden ones are not."""
    root = _root(folder)
    files = _files(root) if root != folder else [path for path in root.iterdir() if path.is_file()]
    return [path for path in files if not path.name.startswith(".")]


def _with(files: list[Path], suffixes: frozenset[str]) -> list[Path]:
    return sorted(path for path in files if path.suffix.lower() in suffixes)


def _conversion(foreign: list[Path]) -> str:
    """What to do with them."""
    heic = all(path.suffix.lower() in HEIC_SUFFIXES for path in foreign)
    return HEIC_ADVICE if heic else "Convert them to JPEG, with their EXIF data."


def _entries(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _files(folder: Path) -> list[Path]:
    """All files below a folder; hidden folders and links to folders are left out."""
    found: list[Path] = []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(place) / name for name in files]
    return found
