"""The camera that pictures are made with: as wide as the photos', without distortion.

Names: V training cameras, H, W size of a picture.
"""

import itertools
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from nerf_trainer import scenes
from nerf_trainer.rays import Rays, pinhole_directions, world_rays

Array = NDArray[np.float64]

#: Focal length in widths that a picture has at least: a pinhole that sees more than 90 degrees
#: draws out its corners.
MIN_FOCAL = 0.5


@dataclass(frozen=True)
class Cameras:
    """The training cameras.

    poses: camera-to-world, orthonormal, (V, 3, 4). focal: median focal length in widths.
    width, height: of the photos, in pixels.
    """

    poses: Array
    focal: float
    width: int
    height: int

    @staticmethod
    def of(found: scenes.Cameras) -> "Cameras":
        """Those of a dataset."""
        focal = float(np.median(found.intrinsics[:, 0])) / found.width
        return Cameras(found.orthonormal_poses(), focal, found.width, found.height)

    def picture(self, most: int) -> "Picture":
        """The shape of pictures at most so wide, and no wider than the photos; its sides are even.

        Codecs with halved colour want that.
        """
        width = max(2, min(most, self.width) // 2 * 2)
        height = max(2, round(width * self.height / self.width / 2) * 2)
        return Picture(width, height, max(self.focal, MIN_FOCAL) * width)


@dataclass(frozen=True)
class Picture:
    """Shape of a picture. focal: length in pixels."""

    width: int
    height: int
    focal: float

    def bands(self, rays: int) -> list[range]:
        """All rows, in the fewest and most even parts of at most so many rays, or of a row."""
        most = max(1, rays // self.width)
        count = -(-self.height // most)
        edges = [self.height * i // count for i in range(count + 1)]
        return [range(a, b) for a, b in itertools.pairwise(edges)]

    def rays(self, pose: Array, device: torch.device, rows: range | None = None) -> Rays:
        """Rays through the pixels of `rows`, row by row, from a camera at `pose` (3, 4).

        rows: all of them, if absent.
        """
        rows = rows or range(self.height)
        row, column = torch.meshgrid(
            torch.arange(rows.start, rows.stop), torch.arange(self.width), indexing="ij"
        )
        count = len(rows) * self.width
        intrinsics = torch.tensor([self.focal, self.focal, self.width / 2, self.height / 2])
        local = pinhole_directions(row.flatten(), column.flatten(), intrinsics.expand(count, 4))
        placed = torch.from_numpy(pose).float().expand(count, 3, 4)
        o, d = (part.to(device) for part in world_rays(local, placed))
        return Rays(o, d, torch.empty(0, 3))
