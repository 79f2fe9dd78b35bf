"""Rays: where they begin, where they go, and what is seen along them.

Names: R rays, o origins (R, 3), d unit directions (R, 3), rgb true
colours (R, 3) in [0, 1].
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Rays:
    """Rays and the colours that the photos show along them.

    alpha: opacity (R,) in [0, 1] where photos are transparent and have no background yet; then rgb
    are colours times alpha, and over a background b the truth is rgb + b (1 - alpha).
    """

    o: Tensor
    d: Tensor
    rgb: Tensor
    alpha: Tensor | None = None

    def __len__(self) -> int:
        return len(self.o)

    def slice(self, start: int, end: int) -> "Rays":
        """Rays number start to end - 1."""
        alpha = None if self.alpha is None else self.alpha[start:end]
        return Rays(self.o[start:end], self.d[start:end], self.rgb[start:end], alpha)

    def padded(self, count: int) -> "Rays":
        """As many as `count` by repeating the first one, for a picture: without their colours."""
        missing = count - len(self)
        o, d = (torch.cat([t, t[:1].expand(missing, 3)]) for t in (self.o, self.d))
        return Rays(o, d, self.rgb[:0])


def pinhole_directions(row: Tensor, column: Tensor, intrinsics: Tensor) -> Tensor:
    """Directions (R, 3) through pixel centres, in OpenGL axes.

    row, column: (R,). intrinsics: fx, fy, cx, cy (R, 4).
    """
    fx, fy, cx, cy = intrinsics.unbind(-1)
    x, y = (column + 0.5 - cx) / fx, (row + 0.5 - cy) / fy
    return torch.stack([x, -y, -torch.ones_like(x)], -1)


def world_rays(local: Tensor, pose: Tensor) -> tuple[Tensor, Tensor]:
    """Origins and unit directions (R, 3) of rays.

    local: directions in the axes of the cameras (R, 3). pose: camera-to-world (R, 3, 4).
    """
    d = (pose[:, :, :3] * local[:, None, :]).sum(-1)
    return pose[:, :, 3].contiguous(), torch.nn.functional.normalize(d, dim=-1)
