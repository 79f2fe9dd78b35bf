"""Reading and checking a transforms file, which both dataset formats share."""

import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nerf_trainer.scenes.types import Photo, invalid

EXTENSIONS = ("", ".png", ".jpg", ".jpeg", ".JPG", ".PNG")
Document = dict[str, Any]


def read_transforms(path: Path) -> Document:
    """The JSON object in `path`, with at least one frame."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise invalid(f"{path} is missing.") from error
    except OSError as error:
        raise invalid(
            f"{path} cannot be read ({error.strerror}). It must be readable for user id "
            f"{os.getuid()}: chmod a+r it."
        ) from error
    except json.JSONDecodeError as error:
        raise invalid(
            f"{path} is not JSON: {error.msg} at line {error.lineno}, column {error.colno}. "
            "Mend it, or write it anew."
        ) from error
    except UnicodeDecodeError as error:
        raise invalid(f"{path} is not UTF-8 text. Write it anew.") from error
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


def photos(path: Path, document: Document) -> list[Photo]:
    """One `Photo` for each frame of the document that was read from `path`."""
    return [_photo(path, document, frame) for frame in document["frames"]]


def _photo(path: Path, document: Document, frame: Document) -> Photo:
    name = str(frame["file_path"])
    merged = {**document, **frame}
    return Photo(
        path=find_image(path, name),
        name=name,
        pose=_pose(path, name, frame.get("transform_matrix")),
        intrinsics=_intrinsics(path, name, merged),
        angle_x=_number(path, name, merged, "camera_angle_x"),
    )


def find_image(transforms: Path, name: str) -> Path:
    """The image that a frame names; it must lie in the dataset's folder, which may omit `.png`."""
    folder = transforms.parent.resolve()
    for extension in EXTENSIONS:
        candidate = (folder / (name + extension)).resolve()
        if not candidate.is_relative_to(folder):
            raise invalid(
                f"{transforms}: {name} lies outside the dataset's folder. Move the image into it."
            )
        if _is_file(candidate):
            return candidate
    raise invalid(f"{transforms}: {folder / name} is missing. Add the image, or remove its frame.")


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError as error:
        raise invalid(
            f"{path} cannot be looked up ({error.strerror}). Make its folder readable for user id "
            f"{os.getuid()}: chmod a+rx it."
        ) from error


def _pose(path: Path, name: str, value: Any) -> NDArray[np.float32]:
    """Camera-to-world (3, 4) from a 4x4 or 3x4 matrix."""
    try:
        matrix = np.array(value, dtype=np.float64)
    except (TypeError, ValueError):
        matrix = np.empty(0)
    if matrix.shape not in ((4, 4), (3, 4)):
        raise invalid(f"{path}: transform_matrix of {name} must be 4 rows of 4 numbers.")
    if not np.isfinite(matrix).all():
        raise invalid(
            f"{path}: transform_matrix of {name} holds a number that is not finite. "
            "Mend it, or remove the frame."
        )
    return matrix[:3].astype(np.float32)


def _intrinsics(path: Path, name: str, merged: Document) -> NDArray[np.float32] | None:
    """fx, fy, cx, cy, or None where only the field of view is given."""
    fx = _number(path, name, merged, "fl_x")
    if fx is None:
        if _number(path, name, merged, "camera_angle_x") is None:
            raise invalid(f"{path}: {name} has neither fl_x nor camera_angle_x. Add one of them.")
        return None
    fy = _number(path, name, merged, "fl_y")
    width, height = _number(path, name, merged, "w"), _number(path, name, merged, "h")
    cx, cy = _number(path, name, merged, "cx"), _number(path, name, merged, "cy")
    cx = cx if cx is not None else _half(path, name, width, "cx", "w")
    cy = cy if cy is not None else _half(path, name, height, "cy", "h")
    return np.array([fx, fx if fy is None else fy, cx, cy], np.float32)


def _half(path: Path, name: str, size: float | None, centre: str, edge: str) -> float:
    if size is None:
        raise invalid(f"{path}: {name} has neither {centre} nor {edge}. Add one of them.")
    return size / 2


def _number(path: Path, name: str, merged: Document, key: str) -> float | None:
    value = merged.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise invalid(f"{path}: {key} of {name} must be a finite number, not {value!r}.")
    if key in ("fl_x", "fl_y", "camera_angle_x") and value <= 0:
        raise invalid(f"{path}: {key} of {name} must be greater than 0, not {value!r}.")
    return float(value)
