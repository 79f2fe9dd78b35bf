"""From rays to colours: sampling, the field and volume rendering, in arrays of fixed shapes.

The field is always called with M samples, in training, evaluation and for the occupancy grid, so
that one compiled version serves all three. See `sampling` for the names.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nerf_trainer.fields import RadianceField
from nerf_trainer.occupancy import OccupancyGrid
from nerf_trainer.precision import Precision
from nerf_trainer.rays import Rays
from nerf_trainer.sampling import Samples, candidates, intersect_cube, pack, place_samples
from nerf_trainer.volrend import Rendered, render

Field = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]  # x, d (M, 3) -> sigma (M,), rgb (M, 3)


#: Rays whose candidates are looked up at once outside training.
BLOCK_RAYS = 2048


@dataclass(frozen=True)
class Loss:
    """Mean squared error, and the number of rays that took part; both scalars."""

    value: Tensor
    rays: Tensor


class Renderer:
    """Renders rays of one scene.

    budget: M, samples in one call of the field; at least `count`. count: C, candidates along a
    ray. background: grey value in [0, 1].
    """

    def __init__(
        self,
        field: RadianceField,
        grid: OccupancyGrid,
        precision: Precision,
        *,
        budget: int,
        count: int,
        background: float,
    ) -> None:
        self.field = field
        self.grid = grid
        self._precision = precision
        self._budget = budget
        self._count = count
        self._background = background

    def training_loss(self, field: Field, rays: Rays, rng: np.random.Generator) -> Loss:
        """Mean squared error of rays, sampled at random places; `field` may be a replica."""
        noise = torch.from_numpy(rng.random((2, len(rays)), dtype="float32")).to(rays.o.device)
        t, step, occupied = self._candidates(rays, noise[0])
        packed = pack(occupied, self._budget, noise[1])
        samples = place_samples(rays.o, rays.d, t, step, packed)
        rendered = self._render(field, samples)
        used = torch.arange(len(rays), device=rays.o.device) < packed.rays
        error = torch.where(used[:, None], rendered.rgb - rays.rgb, 0.0)
        return Loss((error**2).sum() / (3 * packed.rays), packed.rays)

    def render_all(self, rays: Rays) -> Rendered:
        """Render any number of rays, each sampled in the middle of its bins, none thinned."""
        blocks = [rays.slice(i, i + BLOCK_RAYS) for i in range(0, len(rays), BLOCK_RAYS)]
        parts = [part for block in blocks for part in self._render_block(block)]
        return Rendered(
            torch.cat([p.rgb for p in parts]),
            torch.cat([p.opacity for p in parts]),
            torch.cat([p.depth for p in parts]),
        )

    def density_at(self, x: Tensor) -> Tensor:
        """Density (N,) at points (N, 3), evaluated M at a time."""
        found = []
        for chunk in x.split(self._budget):
            padded = torch.zeros(self._budget, 3, device=x.device)
            padded[: len(chunk)] = chunk
            sigma, _ = self._call(self.field, padded, padded)
            found.append(sigma[: len(chunk)].detach())
        return torch.cat(found)

    def _candidates(self, rays: Rays, jitter: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Distances (R, C), bin lengths (R,) and which candidates are in occupied space (R, C)."""
        near, far = intersect_cube(rays.o, rays.d, self.grid.bound)
        t, step = candidates(near, far, self._count, jitter)
        x = rays.o[:, None] + rays.d[:, None] * t[..., None]
        return t, step, self.grid.at(x) & (step > 0)[:, None]

    @torch.no_grad()
    def _render_block(self, rays: Rays) -> Iterator[Rendered]:
        """Render rays in runs whose samples fit in M places."""
        middle = torch.full((len(rays),), 0.5, device=rays.o.device)
        t, step, occupied = self._candidates(rays, middle)
        for a, b in runs(occupied.sum(-1).tolist(), self._budget):
            packed = pack(occupied[a:b], self._budget, middle[a:b])
            samples = place_samples(rays.o[a:b], rays.d[a:b], t[a:b], step[a:b], packed)
            yield self._render(self.field, samples)

    def _render(self, field: Field, samples: Samples) -> Rendered:
        sigma, rgb = self._call(field, samples.x, samples.d)
        return render(samples, sigma, rgb, self._background)

    def _call(self, field: Field, x: Tensor, d: Tensor) -> tuple[Tensor, Tensor]:
        # Gradients stay enabled even where none are wanted: without them the field would be
        # compiled a second time.
        with torch.enable_grad(), self._precision.autocast():
            return field(x, d)


def runs(counts: list[int], budget: int) -> Iterator[tuple[int, int]]:
    """Cut a list into the longest runs whose sums are at most `budget`: (start, end) of each."""
    start, total = 0, 0
    for i, count in enumerate(counts):
        if total + count > budget:
            yield start, i
            start, total = i, 0
        total += count
    yield start, len(counts)
