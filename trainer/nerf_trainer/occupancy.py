"""The occupancy grid: which cells of the scene's cube hold anything worth sampling.

Müller et al. 2022, appendix C. A cell remembers the greatest density that was found in it, which
fades with each update; a cell counts as empty once a sample there would be all but transparent.

Cells are looked at in turn, some in each step, and those of a step by all shards of the batch:
ranks share this work as they share the rays, and no step takes much longer than others.

Names: G cells along an edge; cells are numbered x + G * (y + G * z).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

DECAY = 0.85
#: A cell is empty if this part of the cube's diagonal, at its density, is less opaque than that.
DIAGONAL_PARTS = 1024
MIN_OPACITY = 0.01
#: While the whole scene is thin, cells below this part of the mean density are empty.
THIN_SHARE = 0.5
#: Which cells are occupied is judged anew after so many steps.
EVERY_STEPS = 16
#: All cells are looked at within EVERY_STEPS at first, and later within LATER_STEPS.
WARM_UP_STEPS = 128
LATER_STEPS = 128


@dataclass(frozen=True)
class Rota:
    """Which cells are looked at in which step, and by which shard.

    cells: of the grid. shards: of a batch. block: cells that are evaluated at once.
    """

    cells: int
    shards: int
    block: int

    @property
    def most(self) -> int:
        """Cells of a shard in a step, at most."""
        return self._share(EVERY_STEPS)

    def cells_of(self, step: int, shard: int) -> range:
        """Numbers of the cells that a shard looks at in a step, counted from 0."""
        steps = EVERY_STEPS if step < WARM_UP_STEPS else LATER_STEPS
        share = self._share(steps)
        turns = -(-self.cells // (share * self.shards))
        pause = max(1, steps // turns)
        if step % pause:
            return range(0)
        start = (step // pause % turns * self.shards + shard) * share
        return range(min(start, self.cells), min(start + share, self.cells))

    def cells_in(self, step: int) -> range:
        """Those of all shards."""
        first, last = self.cells_of(step, 0), self.cells_of(step, self.shards - 1)
        return range(first.start, last.stop)

    def _share(self, steps: int) -> int:
        """Cells of a shard in one turn, whole blocks, if all turns are to fit in so many steps."""
        return self.block * -(-self.cells // (steps * self.shards * self.block))


class OccupancyGrid(nn.Module):
    """Density per cell (G^3,), and which cells count as occupied (1, else 0): at first, all.

    bound: half the edge of the cube, in world units. kept: the same as `occupied`, in a quarter of
    the memory, as part of the state: densities have changed since it followed from them.
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
        self.kept: Tensor
        self.register_buffer("kept", torch.ones(count, dtype=torch.uint8))
        self.occupied: Tensor
        self.register_buffer("occupied", torch.ones(count), persistent=False)

    def at(self, x: Tensor) -> Tensor:
        """1 where points (..., 3) lie in occupied cells, else 0: (...)."""
        return look_up(self.occupied, self.bound, x.unbind(-1))

    def points(self, cells: range, place: Tensor) -> Tensor:
        """World positions (N, 3) at `place` in [0, 1)^3 of each cell."""
        g = self.resolution
        number = torch.arange(cells.start, cells.stop, device=place.device)
        corner = torch.stack([number % g, number // g % g, number // (g * g)], -1)
        return (corner + place) * (2 * self.bound / g) - self.bound

    def take_in(self, cells: range, found: Tensor) -> None:
        """Densities (N,) that were found in cells."""
        known = self.density[cells.start : cells.stop]
        torch.maximum(known * DECAY, found, out=known)

    def judge(self) -> None:
        """Which cells count as occupied, by their densities: some do, however thin the scene is."""
        threshold = (THIN_SHARE * self.density.mean()).clamp(max=self.threshold)
        torch.ge(self.density, threshold, out=self.kept)
        self.refresh()

    def refresh(self) -> None:
        """Derive `occupied` from `kept`."""
        self.occupied.copy_(self.kept)


def look_up(occupied: Tensor, bound: Tensor, axes: Sequence[Tensor]) -> Tensor:
    """Entries of `occupied` (G^3,) at the cells of points in the cube: (...).

    bound: scalar. axes: x, y and z of the points, each (...).
    """
    g = round(len(occupied) ** (1 / 3))
    i, j, k = (((x + bound) * (g / (2 * bound))).int().clamp(0, g - 1) for x in axes)
    return occupied[i + g * (j + g * k)]
