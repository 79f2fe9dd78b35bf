"""The occupancy grid: which cells of the scene's cube hold anything worth sampling.

Müller et al. 2022, appendix C. A cell remembers the greatest density that was found in it, which
fades with each update; a cell counts as empty once a sample there would be all but transparent.

Names: G cells along an edge; cells are numbered x + G * (y + G * z).
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from nerf_trainer.randomness import OCCUPANCY_STREAM, generator

DECAY = 0.85
#: A cell is empty if this part of the cube's diagonal, at its density, is less opaque than that.
DIAGONAL_PARTS = 1024
MIN_OPACITY = 0.01
#: While the whole scene is thin, cells below this part of the mean density are empty.
THIN_SHARE = 0.5
EVERY_STEPS = 16
WARM_UP_STEPS = 128
#: After the warm-up, an update looks at one of this many parts of the cells.
PARTS = 8

DensityAt = Callable[[Tensor], Tensor]  # (N, 3) -> (N,)


class OccupancyGrid(nn.Module):
    """Density per cell (G^3,), and which cells count as occupied (1, else 0): at first, all.

    bound: half the edge of the cube, in world units.
    """

    def __init__(self, resolution: int, bound: float) -> None:
        super().__init__()
        self.resolution = resolution
        # A tensor, so that what is compiled does not depend on its value.
        self.bound: Tensor
        self.register_buffer("bound", torch.tensor(bound), persistent=False)
        self.threshold = MIN_OPACITY * DIAGONAL_PARTS / (2 * bound * 3**0.5)
        count = resolution**3
        self.density: Tensor
        self.register_buffer("density", torch.zeros(count))
        self.occupied: Tensor
        self.register_buffer("occupied", torch.ones(count), persistent=False)

    def at(self, x: Tensor) -> Tensor:
        """1 where points (..., 3) lie in occupied cells, else 0: (...)."""
        return look_up(self.occupied, self.bound, x.unbind(-1))

    @torch.no_grad()
    def update(self, step: int, seed: int, density_at: DensityAt) -> None:
        """Look at cells again, at a random place in each; which ones follows from the step."""
        cells = self._due(step)
        rng = generator(seed, step, OCCUPANCY_STREAM)
        place = torch.from_numpy(rng.random((len(cells), 3), dtype="float32")).to(cells.device)
        found = density_at(self._points(cells, place))
        self.density[cells] = torch.maximum(self.density[cells] * DECAY, found)
        self.refresh()

    def refresh(self) -> None:
        """Derive `occupied` from `density`: never all empty, however thin the scene still is."""
        threshold = (THIN_SHARE * self.density.mean()).clamp(max=self.threshold)
        self.occupied.copy_(self.density >= threshold)

    def _due(self, step: int) -> Tensor:
        """Numbers of the cells to look at: all in the warm-up, later one part after the other."""
        device = self.density.device
        if step < WARM_UP_STEPS:
            return torch.arange(self.resolution**3, device=device)
        part = step // EVERY_STEPS % PARTS
        return torch.arange(part, self.resolution**3, PARTS, device=device)

    def _points(self, cells: Tensor, place: Tensor) -> Tensor:
        """World positions (N, 3) at `place` in [0, 1)^3 of each cell."""
        g = self.resolution
        corner = torch.stack([cells % g, cells // g % g, cells // (g * g)], -1)
        return (corner + place) * (2 * self.bound / g) - self.bound


def look_up(occupied: Tensor, bound: Tensor, axes: Sequence[Tensor]) -> Tensor:
    """Entries of `occupied` (G^3,) at the cells of points in the cube: (...).

    bound: scalar. axes: x, y and z of the points, each (...).
    """
    g = round(len(occupied) ** (1 / 3))
    i, j, k = (((x + bound) * (g / (2 * bound))).int().clamp(0, g - 1) for x in axes)
    return occupied[i + g * (j + g * k)]


def is_due(step: int) -> bool:
    """Whether the grid is updated after this many completed steps."""
    return step % EVERY_STEPS == 0
