"""Multi-resolution hash encoding in plain torch.

Müller, Evans, Schied, Keller: Instant Neural Graphics Primitives with a Multiresolution Hash
Encoding, ACM TOG 41(4), 2022.

Written for torch.compile. The points are the innermost dimension of every array, so that a CPU
computes eight of them at once, and the eight corners of a cell are separate expressions, which fuse
into one loop without arrays in between. The backward pass computes them again: it is compiled by
itself, since a compiler that saw both would keep them all.

Names: M points, L levels, F features an entry, T entries of a hashed level, u in [0, 1]^3. The
table is flat: the F features of row r are numbers r * F to r * F + F - 1.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from nerf_trainer.fields.detail import open_share

#: The primes of the paper's spatial hash, modulo 2^32 as int32; the first is 1 for the cache.
PRIMES = (1, 2654435761 - (1 << 32), 805459861)
INITIAL_RANGE = 1e-4
#: Rows are in range by construction; and no array is worth keeping, however often it is used.
KERNEL_OPTIONS = {
    "assert_indirect_indexing": False,
    "realize_opcount_threshold": 1 << 20,
    "realize_reads_threshold": 1 << 20,
}


class LevelGroup(NamedTuple):
    """Neighbouring levels that find their entries alike: all dense, or all hashed.

    resolution: cells along an edge, (L, 1) int32. start: first row in the table, (L, 1) int32.
    mask: T - 1 where hashed, None where dense.
    """

    resolution: Tensor
    start: Tensor
    mask: int | None


class HashGrid(nn.Module):
    """Encodes points (M, 3) in [-1, 1]^3 as features (M, F * L): for each feature, all levels.

    backward() adds the gradient to `table.grad` by itself; hooks and torch.autograd.grad do not see
    it. An array as large as the table for each chunk of rays, cleared and then added, would cost
    more than the scattering.

    A level whose (resolution + 1)^3 vertices fit in 2^log2_table_size entries is stored densely
    and without collisions; a finer one is hashed.
    """

    def __init__(
        self, levels: int, log2_table_size: int, features: int, base: int, finest: int
    ) -> None:
        super().__init__()
        self.features = features
        self.resolutions = level_resolutions(levels, base, finest)
        self.table_size = 1 << log2_table_size
        sizes = [min((r + 1) ** 3, self.table_size) for r in self.resolutions]
        self.dense_levels = sum((r + 1) ** 3 <= self.table_size for r in self.resolutions)
        self.out_features = levels * features
        self.table = nn.Parameter(torch.empty(sum(sizes) * features))
        nn.init.uniform_(self.table, -INITIAL_RANGE, INITIAL_RANGE)
        starts = [sum(sizes[:i]) for i in range(levels)]
        self.resolution: Tensor
        self.register_buffer("resolution", _column(self.resolutions), persistent=False)
        self.start: Tensor
        self.register_buffer("start", _column(starts), persistent=False)
        self.open: Tensor
        self.register_buffer("open", torch.ones(levels, 1), persistent=False)
        self.interpolate: Callable[..., Tensor] = interpolate
        self.scatter: Callable[..., None] = scatter

    def forward(self, v: Tensor) -> Tensor:
        """Trilinear interpolation on each level: (M, 3) -> (M, F * L)."""
        u = (v / 2 + 0.5).t().contiguous()
        features = _Interpolate.apply(self.table, u, self) * self.open
        return features.reshape(self.out_features, len(v)).t()

    def compile_kernels(self) -> None:
        """Compile both passes; each is one loop."""
        self.interpolate = torch.compile(interpolate, dynamic=False, options=KERNEL_OPTIONS)
        self.scatter = torch.compile(scatter, dynamic=False, options=KERNEL_OPTIONS)

    def set_detail(self, detail: float) -> None:
        """Open this share, in [0, 1], of the levels, coarse to fine."""
        self.open.copy_(open_share(detail, len(self.open))[:, None])

    def groups(self) -> list[LevelGroup]:
        """The levels, coarse to fine, in at most two groups."""
        n = self.dense_levels
        dense = LevelGroup(self.resolution[:n], self.start[:n], None)
        hashed = LevelGroup(self.resolution[n:], self.start[n:], self.table_size - 1)
        return [group for group in (dense, hashed) if len(group.resolution)]


def _column(numbers: list[int]) -> Tensor:
    return torch.tensor(numbers, dtype=torch.int32)[:, None]


def level_resolutions(levels: int, base: int, finest: int) -> list[int]:
    """Cells along an edge of each level: a geometric series from base to finest."""
    if levels == 1:
        return [base]
    growth = math.log(finest / base) / (levels - 1)
    return [int(base * math.exp(growth * i) + 1e-6) for i in range(levels)]


class _Interpolate(torch.autograd.Function):
    """Features (F, L, M) of points u (3, M); differentiable by the table alone."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, u: Tensor, grid: HashGrid) -> Tensor:
        ctx.save_for_backward(u)
        ctx.grid = grid
        features: Tensor = grid.interpolate(table, u, grid.groups(), grid.features)
        return features

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[None, None, None]:
        (u,) = ctx.saved_tensors
        grid, table = ctx.grid, ctx.grid.table
        if table.grad is None:
            table.grad = torch.zeros_like(table)
        grid.scatter(table.grad, grads[0], u, grid.groups(), grid.features)
        return None, None, None


def interpolate(table: Tensor, u: Tensor, groups: list[LevelGroup], features: int) -> Tensor:
    """Features (F, L, M) of points u (3, M)."""
    return torch.cat([_weighted_sum(table, u, group, features) for group in groups], 1)


def _weighted_sum(table: Tensor, u: Tensor, group: LevelGroup, features: int) -> Tensor:
    """The same for the levels of one group."""
    sums = [torch.zeros((), device=u.device) for _ in range(features)]
    for row, w in corners(u, group):
        for f in range(features):
            sums[f] = sums[f] + table[row * features + f] * w
    return torch.stack(sums)


def scatter(
    gradient: Tensor, grads: Tensor, u: Tensor, groups: list[LevelGroup], features: int
) -> None:
    """Add to the table's gradient, in place, what the features' gradients (F, L, M) give."""
    parts = grads.split([len(group.resolution) for group in groups], 1)
    for group, part in zip(groups, parts, strict=True):
        for row, w in corners(u, group):
            for f in range(features):
                gradient.index_put_((row * features + f,), part[f] * w, accumulate=True)


def corners(u: Tensor, group: LevelGroup) -> Iterator[tuple[Tensor, Tensor]]:
    """Row of the table (int32) and trilinear weight, both (L, M), of the corners of points' cells.

    The cells are clamped, so that no row lies outside the table, whatever u (3, M) holds.
    """
    scaled = u[:, None, :] * group.resolution  # (3, L, M)
    cell = torch.minimum(scaled.int().clamp(min=0), group.resolution - 1)
    high = scaled - cell
    low = 1 - high
    factors = _factors(group)
    near = [cell[axis] * factors[axis] for axis in range(3)]
    far = [near[axis] + factors[axis] for axis in range(3)]
    for corner in range(8):
        up = [corner >> axis & 1 for axis in range(3)]
        i, j, k = ((far if up[axis] else near)[axis] for axis in range(3))
        a, b, c = ((high if up[axis] else low)[axis] for axis in range(3))
        row = i + j + k if group.mask is None else (i ^ j ^ k) & group.mask
        yield row + group.start, a * b * c


def _factors(group: LevelGroup) -> tuple[Any, Any, Any]:
    """By what the coordinates are multiplied before they are added (dense) or xored (hashed)."""
    if group.mask is not None:
        return PRIMES
    edge = group.resolution + 1
    return 1, edge, edge * edge
