"""Multi-resolution hash encoding in plain torch.

Müller, Evans, Schied, Keller: Instant Neural Graphics Primitives with a Multiresolution Hash
Encoding, ACM TOG 41(4), 2022.

Names: M points, L levels, F features an entry, T entries of a hashed level, x in [0, 1]^3.
"""

import math

import torch
from torch import Tensor, nn

#: The primes of the paper's spatial hash; the first is 1 for cache coherence.
PRIMES = (1, 2654435761, 805459861)
INITIAL_RANGE = 1e-4


class HashGrid(nn.Module):
    """Encodes points (M, 3) in [0, 1]^3 as features (M, L * F).

    A level whose (resolution + 1)^3 vertices fit in 2^log2_table_size entries is stored densely
    and without collisions; a finer one is hashed.
    """

    def __init__(
        self, levels: int, log2_table_size: int, features: int, base: int, finest: int
    ) -> None:
        super().__init__()
        self.resolutions = level_resolutions(levels, base, finest)
        table_size = 1 << log2_table_size
        dense = [(r + 1) ** 3 <= table_size for r in self.resolutions]
        sizes = [min((r + 1) ** 3, table_size) for r in self.resolutions]
        starts = [sum(sizes[:i]) for i in range(levels)]
        self.out_features = levels * features
        self._mask = table_size - 1
        self.table = nn.Parameter(torch.empty(sum(sizes), features))
        nn.init.uniform_(self.table, -INITIAL_RANGE, INITIAL_RANGE)
        self._constant("resolution", torch.tensor(self.resolutions))
        self._constant("dense", torch.tensor(dense))
        self._constant("start", torch.tensor(starts))
        self._constant("corner", torch.tensor([[i & 1, i >> 1 & 1, i >> 2] for i in range(8)]))

    def _constant(self, name: str, value: Tensor) -> None:
        self.register_buffer(name, value, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Trilinear interpolation on each level: (M, 3) -> (M, L * F)."""
        scaled = x * self.resolution[:, None, None]  # (L, M, 3)
        cell = torch.minimum(scaled.floor(), self.resolution[:, None, None] - 1)
        index = self._entry(cell.long()[:, :, None] + self.corner)  # (L, M, 8)
        weight = _trilinear_weights(scaled - cell, self.corner)  # (L, M, 8)
        features = (self.table[index] * weight[..., None]).sum(2)  # (L, M, F)
        return features.permute(1, 0, 2).reshape(len(x), self.out_features)

    def _entry(self, vertex: Tensor) -> Tensor:
        """Row of the table that holds each vertex: (L, M, 8, 3) -> (L, M, 8)."""
        x, y, z = vertex.unbind(-1)
        edge = self.resolution[:, None, None] + 1
        dense = x + edge * (y + edge * z)
        hashed = (x * PRIMES[0] ^ y * PRIMES[1] ^ z * PRIMES[2]) & self._mask
        return torch.where(self.dense[:, None, None], dense, hashed) + self.start[:, None, None]


def level_resolutions(levels: int, base: int, finest: int) -> list[int]:
    """Cells along an edge of each level: a geometric series from base to finest."""
    if levels == 1:
        return [base]
    growth = math.log(finest / base) / (levels - 1)
    return [int(base * math.exp(growth * i) + 1e-6) for i in range(levels)]


def _trilinear_weights(offset: Tensor, corner: Tensor) -> Tensor:
    """Weight of each cell corner for points at `offset` (..., 3) in their cell: (..., 8)."""
    offset = offset[..., None, :]
    parts = torch.where(corner.bool(), offset, 1 - offset)
    return parts[..., 0] * parts[..., 1] * parts[..., 2]
