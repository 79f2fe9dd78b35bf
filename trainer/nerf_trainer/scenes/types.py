"""Photos with known cameras.

Cameras look along -z with +x right and +y up (OpenGL axes), and poses are camera-to-world.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nerf_contract.reasons import DATASET_INVALID
from nerf_trainer.cameras import PINHOLE, Lens, Lenses
from nerf_trainer.failures import TrainerFailure

#: What is behind transparent pixels; `random` is another colour for each ray that is drawn.
Background = Literal["white", "black", "random"]


@dataclass(frozen=True)
class Photo:
    """One photo of a dataset before its pixels are read.

    pose: camera-to-world, (3, 4). intrinsics: fx, fy, cx, cy in pixels of the file, (4,);
    None where they follow from the width by `angle_x`, the horizontal field of view (radians).
    size: width and height that they are for, where the dataset tells. mask: an image of the photo's
    size, black where the photo is to be ignored. orientation, mask_orientation: EXIF codes by which
    photo and mask are turned on opening; all else is about them as they are then.
    """

    path: Path
    name: str
    pose: NDArray[np.float32]
    intrinsics: NDArray[np.float32] | None
    angle_x: float | None = None
    size: tuple[float, float] | None = None
    lens: Lens = PINHOLE
    mask: Path | None = None
    orientation: int = 1
    mask_orientation: int = 1


@dataclass(frozen=True)
class Views:
    """Photos in memory.

    images: colours times alpha, over the background if it is one colour, (V, H, W, 3) uint8.
    poses: (V, 3, 4). intrinsics: fx, fy, cx, cy in pixels, (V, 4).
    alpha: (V, H, W) uint8 where the background is random and some pixel is not opaque, else None.
    usable: pixels to learn from and to judge by, (V, H, W), or None where that is all of them.
    lenses: one for each view, or None where all are pinholes.
    """

    images: NDArray[np.uint8]
    poses: NDArray[np.float32]
    intrinsics: NDArray[np.float32]
    names: tuple[str, ...]
    alpha: NDArray[np.uint8] | None = None
    usable: NDArray[np.bool_] | None = None
    lenses: Lenses | None = None

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class Scene:
    """What is trained on, and what is held out to judge by."""

    train: Views
    held_out: Views


@dataclass(frozen=True)
class Cameras:
    """The cameras of a scene, without its photos.

    poses: (V, 3, 4). intrinsics: fx, fy, cx, cy in pixels, (V, 4). width, height: of the photos as
    they are trained on.
    """

    poses: NDArray[np.float32]
    intrinsics: NDArray[np.float32]
    names: tuple[str, ...]
    width: int
    height: int

    def orthonormal_poses(self) -> NDArray[np.float64]:
        """The poses (V, 3, 4) without the scale that rotations of a dataset may have."""
        axes = self.poses[:, :, :3].astype(np.float64)
        axes /= np.linalg.norm(axes, axis=1, keepdims=True)
        return np.concatenate([axes, self.poses[:, :, 3:].astype(np.float64)], -1)


def invalid(message: str) -> TrainerFailure:
    """The dataset cannot be used: `message` names the file and says what to do."""
    return TrainerFailure(DATASET_INVALID, message)


def unreadable(path: Path, error: OSError) -> TrainerFailure:
    """A file of the dataset cannot be read."""
    return invalid(
        f"{path} cannot be read ({error.strerror}). It must be readable for user id "
        f"{os.getuid()}: chmod a+r it."
    )
