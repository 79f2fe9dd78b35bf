"""Plain photos and videos in a folder, and the masks beside them."""

import os
from pathlib import Path

from nerf_contract.media import PHOTO_KINDS, PHOTOS_DIR, Media, media_of, told_of_unread
from nerf_trainer.scenes.types import invalid

MASKS_DIR = "masks"
#: Characters of a photo's path.
LONGEST_PATH = 1024


def look_into(folder: Path) -> Media:
    """The photos and videos of a dataset's folder, where it has any. Raises OSError."""
    return media_of(path.relative_to(folder).as_posix() for path in _files(folder))


def list_photos(folder: Path) -> list[Path]:
    """The photos of a folder, by name.

    Raises TrainerFailure (DatasetInvalid) where there are none, or some of a kind that is not read.
    """
    photos = photos_in(folder)
    if not photos:
        raise invalid(f"{_place(folder)} holds no photos ({PHOTO_KINDS}). Put them there.")
    return photos


def photos_in(folder: Path) -> list[Path]:
    """The same, where there may be none. Raises the same for those of a kind that is not read."""
    media = look_into(folder)
    if media.unread:
        raise invalid(f"{_place(folder)} {told_of_unread(media.unread)}")
    return [folder / name for name in media.photos]


def videos_in(folder: Path) -> list[Path]:
    """The videos of a folder, by name; there may be none."""
    return [folder / name for name in look_into(folder).videos]


def is_path(text: str) -> bool:
    """Whether the system takes it for one: some texts have no bytes, or are too long."""
    try:
        return 0 < len(text) <= LONGEST_PATH and b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False


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


def _place(folder: Path) -> Path:
    return folder / PHOTOS_DIR if (folder / PHOTOS_DIR).is_dir() else folder


def _files(folder: Path) -> list[Path]:
    """The files in a folder, and all below its `images`; hidden ones and links to folders are left
    out."""
    found = [path for path in folder.iterdir() if path.is_file()]
    for place, folders, files in os.walk(folder / PHOTOS_DIR, onerror=_pass_on):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(place) / name for name in files]
    return [path for path in found if not path.name.startswith(".")]


def _pass_on(error: OSError) -> None:
    """What cannot be read is not as if it were empty."""
    if not isinstance(error, (FileNotFoundError, NotADirectoryError)):
        raise error
