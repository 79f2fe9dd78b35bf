"""Quality on held-out views. The ranks share the views; the result is the same for any number.

Names: V views, H, W their size.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from nerf_trainer.collectives import gather
from nerf_trainer.elastic.interface import Generation
from nerf_trainer.rays import Rays, RaySource
from nerf_trainer.volrend import Rendered

#: A perfect render has no finite PSNR; beyond this nobody sees a difference.
MAX_PSNR = 100.0

Render = Callable[[Rays], Rendered]
OnView = Callable[[int, Tensor], None]  # (view, render as uint8 (H, W, 3)) -> None


@dataclass(frozen=True)
class Evaluation:
    """PSNR in dB of each held-out view, and their mean."""

    views: tuple[float, ...]

    @property
    def psnr(self) -> float:
        """Mean over the views, in dB."""
        return sum(self.views) / len(self.views)


def evaluate(
    render: Render, source: RaySource, generation: Generation, on_view: OnView
) -> Evaluation:
    """Render every view on one of the ranks; `on_view` is called on each rank for each view.

    The ranks meet after each round of views, so that none waits for long.
    """
    found: list[float] = []
    for first in range(0, source.views, generation.world_size):
        mine = min(first + generation.rank, source.views - 1)
        psnr, image = _judge(render, source, mine)
        scores = gather(torch.tensor([psnr], dtype=torch.float64, device=image.device), generation)
        images = gather(image, generation)
        for view in range(first, min(first + generation.world_size, source.views)):
            found.append(float(scores[view - first]))
            on_view(view, images[view - first])
    return Evaluation(tuple(found))


def _judge(render: Render, source: RaySource, view: int) -> tuple[float, Tensor]:
    """PSNR (dB) and render (uint8) of one view."""
    rays: Rays = source.view(view)
    rgb = render(rays).rgb.clamp(0, 1)
    image = (rgb * 255).round().to(torch.uint8).view(source.height, source.width, 3)
    return psnr(rgb, rays.rgb), image


def psnr(rgb: Tensor, truth: Tensor) -> float:
    """Peak signal-to-noise ratio in dB of colours in [0, 1]."""
    error = float(((rgb.double() - truth.double()) ** 2).mean())
    return MAX_PSNR if error == 0 else min(MAX_PSNR, -10 * math.log10(error))
