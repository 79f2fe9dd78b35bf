"""Where the picture is seen from."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nerf_trainer.rays import Rays, pinhole_directions, world_rays


@dataclass(frozen=True)
class Camera:
    """A pinhole camera.

    pose: camera-to-world, OpenGL axes, (3, 4). fov: vertical field of view (radians). aspect: width
    over height.
    """

    pose: NDArray[np.float64]
    fov: float
    aspect: float

    def rays(self, width: int, height: int, pixels: Tensor) -> Rays:
        """Rays through some pixels of a picture, numbered row by row (R,)."""
        focal = height / 2 / math.tan(self.fov / 2)
        across = focal * width / (height * self.aspect)  # Sizes are whole numbers, shapes are not.
        intrinsics = torch.tensor([across, focal, width / 2, height / 2])
        row, column = pixels // width, pixels % width
        local = pinhole_directions(row, column, intrinsics.expand(len(pixels), 4))
        pose = torch.from_numpy(self.pose).float().expand(len(pixels), 3, 4)
        o, d = world_rays(local, pose)
        return Rays(o, d, torch.empty(0, 3))


def opengl_pose(
    rotation: NDArray[np.float64], position: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The pose (3, 4) of a camera whose rotation (3, 3) is in OpenCV's axes: y down, z forward."""
    return np.concatenate([rotation * [1, -1, -1], position[:, None]], 1)
