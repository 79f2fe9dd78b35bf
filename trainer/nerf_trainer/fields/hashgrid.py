"""Multi-resolution hash encoding in plain torch.

Müller, Evans, Schied, Keller: Instant Neural Graphics Primitives with a Multiresolution Hash
Encoding, ACM TOG 41(4), 2022.

Written for torch.compile: the eight corners of a cell are separate expressions, which fuse into
one loop without arrays in between, and the backward pass computes them again instead of keeping
them.

Names: M points, L levels, F features an entry, T entries of a hashed level, x in [0, 1]^3.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from nerf_trainer.fields.detail import open_share

#: The primes of the paper's spatial hash, modulo 2^32 as int32; the first is 1 for the cache.
PRIMES = (1, 2654435761 - (1 << 32), 805459861)
INITIAL_RANGE = 1e-4


@dataclass(frozen=True)
class LevelGroup:
    """Neighbouring levels that find their entries alike: all dense, or all hashed.

    resolution: cells along an edge, (L, 1) int32. start: first row in the table, (L, 1) int64.
    mask: T - 1 where hashed, None where dense.
    """

    resolution: Tensor
    start: Tensor
    mask: int | None


class HashGrid(nn.Module):
    """Encodes points (M, 3) in [-1, 1]^3 as features (M, L * F).

    A level whose (resolution + 1)^3 vertices fit in 2^log2_table_size entries is stored densely
    and without collisions; a finer one is hashed.
    """

    def __init__(
        self, levels: int, log2_table_size: int, features: int, base: int, finest: int
    ) -> None:
        super().__init__()
        self.resolutions = level_resolutions(levels, base, finest)
        self.table_size = 1 << log2_table_size
        sizes = [min((r + 1) ** 3, self.table_size) for r in self.resolutions]
        self.dense_levels = sum((r + 1) ** 3 <= self.table_size for r in self.resolutions)
        self.out_features = levels * features
        self.table = nn.Parameter(torch.empty(sum(sizes), features))
        nn.init.uniform_(self.table, -INITIAL_RANGE, INITIAL_RANGE)
        starts = [sum(sizes[:i]) for i in range(levels)]
        resolution = torch.tensor(self.resolutions, dtype=torch.int32)[:, None]
        self.resolution: Tensor
        self.register_buffer("resolution", resolution, persistent=False)
        self.start: Tensor
        self.register_buffer("start", torch.tensor(starts)[:, None], persistent=False)
        self.open: Tensor
        self.register_buffer("open", torch.ones(levels), persistent=False)

    def forward(self, v: Tensor) -> Tensor:
        """Trilinear interpolation on each level: (M, 3) -> (M, L * F)."""
        features = _Interpolate.apply(self.table, v / 2 + 0.5, self) * self.open[:, None, None]
        return features.permute(1, 0, 2).reshape(len(v), self.out_features)

    def set_detail(self, detail: float) -> None:
        """Open this share, in [0, 1], of the levels, coarse to fine."""
        self.open.copy_(open_share(detail, len(self.open)))

    def groups(self) -> list[LevelGroup]:
        """The levels, coarse to fine, in at most two groups."""
        n = self.dense_levels
        dense = LevelGroup(self.resolution[:n], self.start[:n], None)
        hashed = LevelGroup(self.resolution[n:], self.start[n:], self.table_size - 1)
        return [group for group in (dense, hashed) if len(group.resolution)]


def level_resolutions(levels: int, base: int, finest: int) -> list[int]:
    """Cells along an edge of each level: a geometric series from base to finest."""
    if levels == 1:
        return [base]
    growth = math.log(finest / base) / (levels - 1)
    return [int(base * math.exp(growth * i) + 1e-6) for i in range(levels)]


class _Interpolate(torch.autograd.Function):
    """Features (L, M, F) of points x (M, 3); differentiable by the table alone."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, x: Tensor, grid: HashGrid) -> Tensor:
        ctx.save_for_backward(x)
        # Not the groups themselves: torch.compile mixes up tensors in lists that a context keeps.
        ctx.grid, ctx.shape = grid, table.shape
        return torch.cat([_weighted_sum(table, x, group) for group in grid.groups()])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (x,), grad = ctx.saved_tensors, grads[0]
        table = grad.new_zeros(ctx.shape)
        groups = ctx.grid.groups()
        parts = grad.split([len(group.resolution) for group in groups])
        for group, part in zip(groups, parts, strict=True):
            for row, w in corners(x, group):
                table = table.index_put((row,), part * w[..., None], accumulate=True)
        return table, None, None


def _weighted_sum(table: Tensor, x: Tensor, group: LevelGroup) -> Tensor:
    """The forward pass for the levels of one group: (L, M, F)."""
    features = torch.zeros((), device=x.device)
    for row, w in corners(x, group):
        features = features + table[row] * w[..., None]
    return features


def corners(x: Tensor, group: LevelGroup) -> Iterator[tuple[Tensor, Tensor]]:
    """Row of the table and trilinear weight, both (L, M), of each corner of the points' cells."""
    scaled = x.t()[:, None, :] * group.resolution  # (3, L, M)
    cell = torch.minimum(scaled.floor(), (group.resolution - 1).float())
    high = scaled - cell
    low = 1 - high
    factors = _factors(group)
    near = [cell[axis].int() * factors[axis] for axis in range(3)]
    far = [near[axis] + factors[axis] for axis in range(3)]
    for corner in range(8):
        up = [corner >> axis & 1 for axis in range(3)]
        i, j, k = ((far if up[axis] else near)[axis] for axis in range(3))
        u, v, w = ((high if up[axis] else low)[axis] for axis in range(3))
        row = i + j + k if group.mask is None else (i ^ j ^ k) & group.mask
        yield row.long() + group.start, u * v * w


def _factors(group: LevelGroup) -> tuple[Any, Any, Any]:
    """By what the coordinates are multiplied before they are added (dense) or xored (hashed)."""
    if group.mask is not None:
        return PRIMES
    edge = group.resolution + 1
    return 1, edge, edge * edge
