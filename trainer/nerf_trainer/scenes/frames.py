"""What a frame of a transforms file says of its camera: pose, intrinsics and lens.

`path` is the transforms file, `name` the frame's file_path: errors name both. `merged` are the
fields of the file with those of the frame over them.
"""

import reprlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nerf_trainer.cameras import Lens
from nerf_trainer.scenes.types import invalid

Document = dict[str, Any]

#: How far a rotation's columns may be from orthonormal, once its scale is divided out.
ROTATION_TOLERANCE = 1e-2
#: Scales and sizes whose squares are numbers of 32 bits, too.
SMALLEST, LARGEST = 1e-15, 1e15
#: Camera models of nerfstudio, with the coefficients that each can have.
MODELS = {
    "SIMPLE_PINHOLE": (),
    "PINHOLE": (),
    "SIMPLE_RADIAL": ("k1",),
    "RADIAL": ("k1", "k2"),
    "OPENCV": ("k1", "k2", "k3", "p1", "p2"),
    "OPENCV_FISHEYE": ("k1", "k2", "k3", "k4"),
}
FISHEYE = "OPENCV_FISHEYE"
POSITIVE = ("fl_x", "fl_y", "camera_angle_x", "w", "h")
COEFFICIENTS = ("k1", "k2", "k3", "k4", "k5", "k6", "p1", "p2")


def read_pose(path: Path, name: str, value: Any) -> NDArray[np.float32]:
    """Camera-to-world (3, 4) from a 4x4 or 3x4 matrix."""
    try:
        matrix = np.array(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        matrix = np.empty(0)
    if matrix.shape not in ((4, 4), (3, 4)):
        raise invalid(f"{path}: transform_matrix of {name} must be 4 rows of 4 numbers.")
    if not (np.abs(matrix) <= LARGEST).all():
        raise invalid(
            f"{path}: transform_matrix of {name} holds a number that is not finite, or greater "
            f"than {LARGEST:g}. Mend it, or remove the frame."
        )
    if not is_rotation(matrix[:3, :3]):
        raise invalid(
            f"{path}: the first 3x3 numbers of transform_matrix of {name} are not a rotation. "
            "Mend it (it is camera-to-world, with rows as lists), or remove the frame."
        )
    return matrix[:3].astype(np.float32)


def is_rotation(matrix: NDArray[np.float64]) -> bool:
    """Whether (3, 3) turns and does not mirror. Any scale will do: rays are normalised later."""
    scale = np.cbrt(np.linalg.det(matrix))
    if not scale > SMALLEST:
        return False
    turn = matrix / scale
    return bool(np.abs(turn.T @ turn - np.eye(3)).max() < ROTATION_TOLERANCE)


def read_intrinsics(path: Path, name: str, merged: Document) -> NDArray[np.float32] | None:
    """fx, fy, cx, cy, or None where only the field of view is given."""
    fx = read_number(path, name, merged, "fl_x")
    if fx is None:
        if read_number(path, name, merged, "camera_angle_x") is None:
            raise invalid(f"{path}: {name} has neither fl_x nor camera_angle_x. Add one of them.")
        return None
    fy = read_number(path, name, merged, "fl_y")
    width, height = (read_number(path, name, merged, key) for key in ("w", "h"))
    cx, cy = (read_number(path, name, merged, key) for key in ("cx", "cy"))
    cx = cx if cx is not None else _half(path, name, width, "cx", "w")
    cy = cy if cy is not None else _half(path, name, height, "cy", "h")
    return np.array([fx, fx if fy is None else fy, cx, cy], np.float32)


def _half(path: Path, name: str, size: float | None, centre: str, edge: str) -> float:
    if size is None:
        raise invalid(f"{path}: {name} has neither {centre} nor {edge}. Add one of them.")
    return size / 2


def read_size(path: Path, name: str, merged: Document) -> tuple[float, float] | None:
    """Width and height that the intrinsics are for, where both are there."""
    width, height = (read_number(path, name, merged, key) for key in ("w", "h"))
    return None if width is None or height is None else (width, height)


def read_lens(path: Path, name: str, merged: Document) -> Lens:
    """The lens; a file without camera_model means OPENCV, as it does to nerfstudio."""
    model = merged.get("camera_model", "OPENCV")
    if not isinstance(model, str) or model not in MODELS:
        raise invalid(
            f"{path}: camera_model {reprlib.repr(model)} of {name} is not supported. Supported are "
            f"{', '.join(MODELS)}: undistort the photos to one of them."
        )
    found = {key: read_number(path, name, merged, key) or 0.0 for key in COEFFICIENTS}
    for key, value in found.items():
        if value and key not in MODELS[model]:
            raise invalid(
                f"{path}: {name} has {key} {value}, but its camera_model {model} has "
                f"{', '.join(MODELS[model]) or 'no distortion'}. Correct the one or the other."
            )
    if model == FISHEYE and merged.get("fl_x") is None:
        raise invalid(f"{path}: {name} has no fl_x, which {FISHEYE} needs. Add it.")
    return Lens(
        fisheye=model == FISHEYE,
        radial=(found["k1"], found["k2"], found["k3"], found["k4"]),
        tangential=(found["p1"], found["p2"]),
    )


def read_number(path: Path, name: str, merged: Document, key: str) -> float | None:
    """A finite number, or None where there is none; lengths and angles must be positive."""
    value = merged.get(key)
    if value is None:
        return None
    told = reprlib.repr(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not _is_finite(value):
        raise invalid(f"{path}: {key} of {name} must be a finite number, not {told}.")
    if key in POSITIVE and not value > SMALLEST:
        raise invalid(f"{path}: {key} of {name} must be greater than 0, not {told}.")
    return float(value)


def _is_finite(value: float) -> bool:
    """Whether it can be reckoned with: JSON knows integers of thousands of digits."""
    return -LARGEST <= value <= LARGEST
