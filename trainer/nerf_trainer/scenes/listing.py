"""Plain photos in a folder, and the masks beside them."""

import os
from pathlib import Path

from nerf_trainer.scenes.types import invalid

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff"})
#: Photos that have to be converted first.
FOREIGN = frozenset({".heic", ".heif", ".dng", ".cr2", ".cr3", ".nef", ".arw"})
PHOTOS_DIR = "images"
MASKS_DIR = "masks"


def list_photos(folder: Path) -> list[Path]:
    """The photos in `images/` and its folders where that is there, else in the folder: by name.

    Raises TrainerFailure (DatasetInvalid) where there are none, or some of a kind that is not read.
    """
    root = folder / PHOTOS_DIR if (folder / PHOTOS_DIR).is_dir() else folder
    files = _files(root) if root != folder else [path for path in root.iterdir() if path.is_file()]
    shown = [path for path in files if not path.name.startswith(".")]
    photos = sorted(path for path in shown if path.suffix.lower() in SUFFIXES)
    foreign = sorted(path.name for path in shown if path.suffix.lower() in FOREIGN)
    if foreign:
        raise invalid(
            f"{root} holds {len(foreign)} photos such as {foreign[0]}, of a kind that is not read. "
            "Convert them to JPEG, with their EXIF data."
        )
    if not photos:
        raise invalid(f"{root} holds no photos (JPEG, PNG, WebP or TIFF). Put them there.")
    return photos


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


def _entries(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _files(folder: Path) -> list[Path]:
    """All files below a folder; hidden folders and links to folders are left out."""
    found: list[Path] = []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(place) / name for name in files]
    return found
