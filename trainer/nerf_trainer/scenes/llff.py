"""LLFF's format: poses_bounds.npy, with a row for each photo in `images/`, in order of name.

Mildenhall et al.: Local Light Field Fusion, SIGGRAPH 2019. A row holds a matrix (3, 5), row by row,
and the nearest and the farthest depth. The matrix is camera-to-world, with the camera's axes in
the order down, right, backwards, its place, and then height, width and focal length in pixels.

Names: V photos. Poses are camera-to-world (V, 3, 4), OpenGL axes.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nerf_contract.training import PreparedDataset
from nerf_trainer.scenes.frames import LARGEST, SMALLEST, is_rotation
from nerf_trainer.scenes.listing import list_photos, mask_of
from nerf_trainer.scenes.nerfstudio import every_nth
from nerf_trainer.scenes.normalising import normalising
from nerf_trainer.scenes.orientation import Y_UP
from nerf_trainer.scenes.types import Photo, invalid

POSES_BOUNDS = "poses_bounds.npy"
COLUMNS = 17
#: Of the depth of the subject, in 1 / distance: so near to the nearest, as in LLFF's renderings.
NEARNESS = 0.25

Array = NDArray[np.float64]


def read_split(folder: Path, config: PreparedDataset) -> tuple[list[Photo], list[Photo]]:
    """Photos to train on, and every n-th, held out."""
    path = folder / POSES_BOUNDS
    return every_nth(path, _photos(folder, path), config.holdout_every)


def _photos(folder: Path, path: Path) -> list[Photo]:
    rows, files = read_rows(path), list_photos(folder)
    if len(files) != len(rows):
        raise invalid(
            f"{path} has {len(rows)} rows, but there are {len(files)} photos. Put exactly the "
            f"photos that it was made of into {folder / 'images'}."
        )
    matrices, bounds = rows[:, :15].reshape(-1, 3, 5), rows[:, 15:]
    poses, sizes = opengl(matrices), matrices[:, :, 4]
    place = normalising(poses, subject(poses, sizes, bounds), np.tile(Y_UP, (len(poses), 1)))
    return [
        Photo(
            path=file,
            name=file.relative_to(folder).as_posix(),
            pose=pose.astype(np.float32),
            intrinsics=np.array([focal, focal, width / 2, height / 2], np.float32),
            size=(float(width), float(height)),
            mask=mask_of(folder, file),
        )
        for file, pose, (height, width, focal) in zip(files, place.poses(poses), sizes, strict=True)
    ]


def read_rows(path: Path) -> Array:
    """The checked rows (V, 17)."""
    try:
        # Mapped, so that a header that promises more than is there takes no memory.
        found = np.lib.format.open_memmap(path, mode="r")
    except Exception as error:  # A header is parsed as Python, and fails in as many ways.
        raise invalid(f"{path} is not an array that numpy can read ({error}).") from error
    if found.ndim != 2 or found.shape[1] != COLUMNS or found.dtype.kind not in "fiu":
        raise invalid(
            f"{path} holds {found.dtype} numbers of shape {found.shape}, not a row of {COLUMNS} "
            "for each photo."
        )
    rows = np.array(found, np.float64)
    for i, row in enumerate(rows):
        _check(path, i, row)
    return rows


def _check(path: Path, i: int, row: Array) -> None:
    matrix, (near, far) = row[:15].reshape(3, 5), row[15:]
    if not (np.abs(row) <= LARGEST).all():
        raise invalid(
            f"{path}: row {i} holds a number that is not finite, or beyond {LARGEST:g}. Make the "
            "file anew."
        )
    if not is_rotation(opengl(matrix[None])[0, :, :3]):
        raise invalid(f"{path}: the axes in row {i} are not a rotation. Make the file anew.")
    if not (matrix[:, 4] >= SMALLEST).all() or not SMALLEST <= near <= far:
        raise invalid(
            f"{path}: height, width, focal length and depths in row {i} must be {SMALLEST:g} or "
            "more, and the nearest depth not beyond the farthest. Make the file anew."
        )


def opengl(matrices: Array) -> Array:
    """Poses of LLFF's matrices (V, 3, 5)."""
    down, right, back, place = np.moveaxis(matrices[:, :, :4], -1, 0)
    return np.stack([right, -down, back, place], -1)


def subject(poses: Array, sizes: Array, bounds: Array) -> Array:
    """Corners of the middle half of what cameras see, at the subject's depth: (4 V, 3).

    sizes: height, width and focal length in pixels (V, 3). bounds: depths (V, 2).
    """
    near, far = bounds.T
    depth = 1 / (NEARNESS / near + (1 - NEARNESS) / far)
    height, width, focal = sizes.T
    corners = [
        np.stack([x * width / focal, y * height / focal, np.full(len(poses), -1.0)], -1)
        for x in (-0.25, 0.25)
        for y in (-0.25, 0.25)
    ]
    ahead = np.stack(corners, 1) * depth[:, None, None]
    seen: Array = poses[:, None, :, 3] + np.einsum("vij,vcj->vci", poses[:, :, :3], ahead)
    return seen.reshape(-1, 3)
