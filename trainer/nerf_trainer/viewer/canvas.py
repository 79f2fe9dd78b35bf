"""A picture that is drawn slab by slab over a coarser one.

Names: H, W its size, P its pixels.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nerf_trainer.viewer.camera import Camera
from nerf_trainer.viewer.source import Snapshot

Pixels = NDArray[np.uint8]


@dataclass
class Canvas:
    """The picture of a camera.

    sharp: drawn by the model itself, else by its preview. pixels: (P, 3) uint8. order: in which
    pixels are drawn, the middle first (P,). done: so many are drawn.
    """

    snapshot: Snapshot
    camera: Camera
    size: tuple[int, int]
    sharp: bool
    pixels: Tensor
    order: Tensor
    done: int = 0

    @property
    def finished(self) -> bool:
        """Whether nothing is left to draw."""
        return self.done >= len(self.order)

    @property
    def picture(self) -> Pixels:
        """As it is now, (H, W, 3)."""
        width, height = self.size
        return self.pixels.view(height, width, 3).numpy().copy()

    def draw(self, rays: int) -> int:
        """Draw the next pixels, so many at most. Returns how many."""
        numbers = self.order[self.done : self.done + rays]
        through = self.camera.rays(*self.size, numbers)
        model = self.snapshot.model if self.sharp else self.snapshot.preview
        rgb = model.render(through).rgb
        self.pixels[numbers] = (rgb.clamp(0, 1) * 255).round().byte()
        self.done += len(numbers)
        return len(numbers)


def blank(snapshot: Snapshot, camera: Camera, size: tuple[int, int], sharp: bool = False) -> Canvas:
    """A canvas on which nothing is drawn. size: width and height."""
    width, height = size
    pixels = torch.zeros(width * height, 3, dtype=torch.uint8)
    return Canvas(snapshot, camera, size, sharp, pixels, middle_first(width, height))


def sharpen(snapshot: Snapshot, before: Canvas, size: tuple[int, int]) -> Canvas:
    """A sharp canvas that shows another one, enlarged, where it is not drawn yet.

    It goes on where a sharp one before it stopped: while checkpoints come faster than pictures,
    all parts have their turn.
    """
    canvas = blank(snapshot, before.camera, size, sharp=True)
    image = torch.from_numpy(before.picture).permute(2, 0, 1)[None].float()
    enlarged = torch.nn.functional.interpolate(image, size[::-1], mode="bilinear")
    canvas.pixels = enlarged[0].permute(1, 2, 0).round().byte().reshape(-1, 3)
    if before.sharp and before.size == size:
        canvas.order = before.order.roll(-before.done)
    return canvas


def middle_first(width: int, height: int) -> Tensor:
    """Numbers of the pixels (P,), row after row from the middle one outwards."""
    rows = torch.arange(height)
    rows = rows[(rows - height // 2).abs().argsort(stable=True)]
    return (rows[:, None] * width + torch.arange(width)).flatten()
