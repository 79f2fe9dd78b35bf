"""Reading and checking a transforms file, which both dataset formats share."""

import json
import os
import reprlib
from pathlib import Path
from typing import Any

from nerf_trainer.scenes.frames import (
    Document,
    read_intrinsics,
    read_lens,
    read_number,
    read_pose,
    read_size,
)
from nerf_trainer.scenes.listing import is_path
from nerf_trainer.scenes.opening import TRANSPOSES, UPRIGHT
from nerf_trainer.scenes.types import Photo, invalid, unreadable

EXTENSIONS = ("", ".png", ".jpg", ".jpeg", ".JPG", ".PNG")
#: A file of a hundred thousand frames has some 50 MB.
MOST_BYTES = 200_000_000


def read_transforms(path: Path) -> Document:
    """The JSON object in `path`, with at least one frame."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise invalid(f"{path} has more than {MOST_BYTES} bytes. Is it a transforms file?")
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise invalid(f"{path} is missing.") from error
    except OSError as error:
        raise unreadable(path, error) from error
    except json.JSONDecodeError as error:
        raise invalid(
            f"{path} is not JSON: {error.msg} at line {error.lineno}, column {error.colno}. "
            "Mend it, or write it anew."
        ) from error
    except UnicodeDecodeError as error:
        raise invalid(f"{path} is not UTF-8 text. Write it anew.") from error
    except (ValueError, RecursionError) as error:  # Numbers without end, lists in lists in lists.
        raise invalid(f"{path} is not the JSON of a transforms file. Write it anew.") from error
    _check_frames(path, document)
    return dict(document)


def _check_frames(path: Path, document: Any) -> None:
    if not isinstance(document, dict) or not isinstance(document.get("frames"), list):
        raise invalid(f"{path} must hold an object with a list `frames`.")
    if not document["frames"]:
        raise invalid(f"{path} lists no frames. Add at least two photos.")
    for i, frame in enumerate(document["frames"]):
        if not isinstance(frame, dict) or not isinstance(frame.get("file_path"), str):
            raise invalid(f"{path}: frame {i} must be an object with a text `file_path`.")
        if not is_path(frame["file_path"]):
            raise invalid(f"{path}: file_path of frame {i} cannot be the path of a file.")


def photos(path: Path, document: Document, root: Path | None = None) -> list[Photo]:
    """One `Photo` for each frame of the document that was read from `path`.

    root: the folder that photos and masks are relative to; the document's own if absent.
    """
    found = [_photo(path, root or path.parent, document, frame) for frame in document["frames"]]
    seen: set[Path] = set()
    for photo in found:
        if photo.path in seen:
            raise invalid(f"{path} lists {photo.name} more than once. Remove the other frames.")
        seen.add(photo.path)
    return found


def _photo(path: Path, root: Path, document: Document, frame: Document) -> Photo:
    name = str(frame["file_path"])
    merged = {**document, **frame}
    orientation = _orientation(path, name, frame, "orientation", UPRIGHT)
    return Photo(
        path=find_image(path, root, name),
        name=name,
        pose=read_pose(path, name, frame.get("transform_matrix")),
        intrinsics=read_intrinsics(path, name, merged),
        angle_x=read_number(path, name, merged, "camera_angle_x"),
        size=read_size(path, name, merged),
        lens=read_lens(path, name, merged),
        mask=_mask(path, root, name, frame.get("mask_path")),
        orientation=orientation,
        mask_orientation=_orientation(path, name, frame, "mask_orientation", orientation),
    )


def _orientation(path: Path, name: str, frame: Document, key: str, default: int) -> int:
    code = frame.get(key, default)
    if isinstance(code, int) and (code == UPRIGHT or code in TRANSPOSES):
        return int(code)
    raise invalid(f"{path}: {key} of {name} must be one of EXIF's codes, 1 to 8.")


def _mask(path: Path, root: Path, name: str, mask: Any) -> Path | None:
    if mask is None:
        return None
    if not isinstance(mask, str):
        raise invalid(f"{path}: mask_path of {name} must be a text, not {reprlib.repr(mask)}.")
    if not is_path(mask):
        raise invalid(f"{path}: mask_path of {name} cannot be the path of a file.")
    return find_image(path, root, mask, owner="mask_path")


def find_image(transforms: Path, root: Path, name: str, owner: str = "frame") -> Path:
    """The image that a frame names; it must lie below `root`, and `.png` may be omitted.

    owner: what to remove where there is no such image.
    """
    folder = root.resolve()
    for extension in EXTENSIONS:
        candidate = (folder / (name + extension)).resolve()
        if not candidate.is_relative_to(folder):
            raise invalid(
                f"{transforms}: {name} lies outside the dataset's folder. Move the image into it."
            )
        if _is_file(candidate):
            return candidate
    raise invalid(
        f"{transforms}: {folder / name} is missing. Add the image, or remove its {owner}."
    )


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError as error:
        raise invalid(
            f"{path} cannot be looked up ({error.strerror}). Make its folder readable for user id "
            f"{os.getuid()}: chmod a+rx it."
        ) from error
