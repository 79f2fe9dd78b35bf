"""The training cameras, as the page shows them.

Names: V cameras.
"""

import logging
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nerf_contract.training import TrainerConfig
from nerf_trainer.camera_file import read_cameras
from nerf_trainer.failures import TrainerFailure
from nerf_trainer.places import dataset_root
from nerf_trainer.scenes import Cameras, load_cameras
from nerf_trainer.viewer.camera import Camera
from nerf_trainer.viewpoints import UP, look_at

log = logging.getLogger(__name__)

Array = NDArray[np.float64]

#: More cameras than this are thinned.
MOST = 400
#: Length of a drawn frustum, as part of the cameras' median distance from the origin.
LENGTH = 0.07
#: Without cameras: where the scene is seen from, in units of its bound, and how wide (radians).
OUTSIDE = (0.0, -2.6, 1.2)
FOV = 0.8


@dataclass(frozen=True)
class Frusta:
    """Pyramids of what cameras see.

    poses: camera-to-world, orthonormal, OpenGL axes, (V, 3, 4). slopes: half the width and half the
    height of the image plane at depth 1, (V, 2).
    """

    poses: Array
    slopes: Array

    @staticmethod
    def of(cameras: Cameras) -> "Frusta":
        """Those of a dataset; what a lens bends is drawn straight."""
        slopes = np.array([cameras.width, cameras.height]) / 2 / cameras.intrinsics[:, :2]
        return Frusta(cameras.orthonormal_poses(), slopes)

    def edges(self) -> NDArray[np.float32]:
        """The edges of all but the first, as pairs of points (8 (V - 1), 2, 3).

        At the first one the page begins, and would see it as a frame around everything.
        """
        every = max(1, math.ceil((len(self.poses) - 1) / MOST))
        poses, slopes = self.poses[1::every], self.slopes[1::every]
        length = LENGTH * np.median(np.linalg.norm(self.poses[:, :, 3], axis=1))
        signs = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
        plane = np.insert(signs * slopes[:, None], 2, -1, axis=2) * length
        eye = poses[:, None, :, 3]
        corner = np.einsum("vij,vkj->vki", poses[:, :, :3], plane) + eye
        sides = np.stack([np.broadcast_to(eye, corner.shape), corner], 2)
        frame = np.stack([corner, np.roll(corner, 1, axis=1)], 2)
        return np.concatenate([sides, frame], 1).reshape(-1, 2, 3).astype(np.float32)

    def up(self) -> Array:
        """Upwards for most of them: a unit vector (3,)."""
        mean = self.poses[:, :, 1].mean(0)
        length = float(np.linalg.norm(mean))
        return mean / length if length > 0.1 else UP

    def first(self) -> Camera:
        """A camera that sees at least what the first of them does."""
        across, down = self.slopes[0]
        return Camera(self.poses[0], 2 * math.atan(down), across / down)


def read_frusta(config: TrainerConfig, folder: Path) -> Frusta | None:
    """The training cameras as the training left them in the job's folder, else by the dataset.

    None where neither can be read.
    """
    cameras = read_cameras(folder)
    try:
        return Frusta.of(cameras or load_cameras(config.dataset, dataset_root()))
    except TrainerFailure as failure:
        log.warning("the page shows no cameras: %s", failure.message)
        return None


def from_outside(bound: float) -> Camera:
    """Where a page begins without cameras: in front of the scene's cube."""
    return Camera(look_at(np.array(OUTSIDE) * bound, np.zeros(3), UP), FOV, 1.0)
