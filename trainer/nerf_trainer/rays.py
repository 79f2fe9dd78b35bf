"""Rays through pixels.

Names: R rays, o origins (R, 3), d unit directions (R, 3), rgb true colours (R, 3) in [0, 1].
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nerf_trainer.scenes.types import Views


@dataclass(frozen=True)
class Rays:
    """Rays and the colours that the photos show along them."""

    o: Tensor
    d: Tensor
    rgb: Tensor
    alpha: Tensor | None = None

    def __len__(self) -> int:
        return len(self.o)

    def slice(self, start: int, end: int) -> "Rays":
        """Rays number start to end - 1."""
        return Rays(self.o[start:end], self.d[start:end], self.rgb[start:end])


class RaySource:
    """Makes rays for the pixels of views. Photos stay uint8, and in the CPU's memory."""

    def __init__(self, views: Views, device: torch.device) -> None:
        self._device = device
        self._images = torch.from_numpy(views.images)
        self._poses = torch.from_numpy(views.poses)
        self._intrinsics = torch.from_numpy(views.intrinsics)
        self.views, self.height, self.width = (int(n) for n in views.images.shape[:3])

    def at(self, scale: int) -> "RaySource":
        return self

    def draw(self, count: int, rng: np.random.Generator) -> Rays:
        """Rays through `count` pixels of all views, drawn evenly with replacement."""
        pixels = rng.integers(0, self.views * self.height * self.width, count)
        return self._through(torch.from_numpy(pixels))

    def view(self, index: int) -> Rays:
        """The rays of one view, row by row."""
        size = self.height * self.width
        return self._through(torch.arange(index * size, (index + 1) * size))

    def photo(self, index: int) -> Tensor:
        """The pixels of one view, (H, W, 3) uint8."""
        return self._images[index]

    def _through(self, pixel: Tensor) -> Rays:
        """Rays through the centres of pixels, numbered over all views."""
        size = self.height * self.width
        view, row, column = pixel // size, pixel % size // self.width, pixel % self.width
        o, d = pinhole_rays(row, column, self._poses[view], self._intrinsics[view])
        rgb = self._images[view, row, column].float() / 255
        return Rays(o.to(self._device), d.to(self._device), rgb.to(self._device))


def pinhole_rays(
    row: Tensor, column: Tensor, pose: Tensor, intrinsics: Tensor
) -> tuple[Tensor, Tensor]:
    """Origins and unit directions (R, 3) through pixel centres.

    row, column: (R,). pose: camera-to-world, OpenGL axes, (R, 3, 4). intrinsics: (R, 4).
    """
    fx, fy, cx, cy = intrinsics.unbind(-1)
    x, y = (column + 0.5 - cx) / fx, (row + 0.5 - cy) / fy
    local = torch.stack([x, -y, -torch.ones_like(x)], -1)
    d = (pose[:, :, :3] * local[:, None, :]).sum(-1)
    return pose[:, :, 3].contiguous(), torch.nn.functional.normalize(d, dim=-1)
