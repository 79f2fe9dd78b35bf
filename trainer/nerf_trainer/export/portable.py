"""A field in operations that every runtime of ONNX has.

Bitwise XOR is an operator of ONNX, but TensorRT and others do not import it. Here the XOR of a hash
comes from a table of the XOR of each two bytes, so that all that is needed is to gather.

Names: M points, L hashed or dense levels, F features of an entry, as in `fields.hashgrid`.
"""

import copy

import torch
from torch import Tensor, nn

from nerf_trainer.fields import RadianceField
from nerf_trainer.fields.hashgrid import PRIMES, HashGrid, LevelGroup

BYTE = 256

#: Of the points along one axis: the bytes of what they add to the hash, lowest byte first.
Bytes = list[Tensor]


class PortableField(nn.Module):
    """The field on the CPU: positions and unit directions (N, 3) -> density (N,), colour (N, 3)."""

    def __init__(self, field: RadianceField) -> None:
        super().__init__()
        self.field = copy.deepcopy(field).float().cpu().requires_grad_(False)
        if isinstance(field.encoding, HashGrid):
            self.field.encoding = PortableGrid(self.field.encoding)

    def forward(self, position: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
        sigma, rgb = self.field(position, direction)
        return sigma, rgb


class PortableGrid(nn.Module):
    """What `HashGrid` computes."""

    def __init__(self, grid: HashGrid) -> None:
        super().__init__()
        self.out_features = grid.out_features
        entries = grid.table.detach().view(-1, grid.features)
        self.levels = nn.ModuleList(
            HashedLevels(entries, group) if group.mask else DenseLevels(entries, group)
            for group in grid.groups()
        )
        self.open: Tensor
        self.register_buffer("open", grid.open.clone())

    def forward(self, v: Tensor) -> Tensor:
        """(M, 3) -> (M, F * L)."""
        u = (v / 2 + 0.5).t()
        features = torch.cat([levels(u) for levels in self.levels], 1) * self.open
        return features.reshape(self.out_features, -1).t()


class Levels(nn.Module):
    """Neighbouring levels that find their entries alike. See `fields.hashgrid.corners`."""

    def __init__(self, entries: Tensor, group: LevelGroup) -> None:
        super().__init__()
        self.entries: Tensor
        self.register_buffer("entries", entries)
        self.resolution: Tensor
        self.register_buffer("resolution", group.resolution.float())
        self.start: Tensor
        self.register_buffer("start", group.start.long())

    def forward(self, u: Tensor) -> Tensor:
        """Features (F, L, M) of points u (3, M), trilinear."""
        scaled = u[:, None, :] * self.resolution  # (3, L, M)
        cell = torch.minimum(scaled.floor().clamp(min=0), self.resolution - 1)
        high = scaled - cell
        low = 1 - high
        near = cell.long()
        total = torch.zeros((), dtype=u.dtype)
        rows = self.rows(near)
        for corner, row in enumerate(rows):
            a, b, c = ((high if corner >> axis & 1 else low)[axis] for axis in range(3))
            total = total + self.entries[row + self.start] * (a * b * c)[..., None]
        return total.permute(2, 0, 1)

    def rows(self, near: Tensor) -> list[Tensor]:
        """Entries, each (L, M), of the eight corners of cells; `near` is the lowest (3, L, M).

        Bit `axis` of a corner's number says whether it is the upper one along that axis.
        """
        raise NotImplementedError


class DenseLevels(Levels):
    """Levels with an entry for each vertex."""

    def __init__(self, entries: Tensor, group: LevelGroup) -> None:
        super().__init__(entries, group)
        self.edge: Tensor
        self.register_buffer("edge", group.resolution.long() + 1)

    def rows(self, near: Tensor) -> list[Tensor]:
        """See `Levels.rows`."""
        first = near[0] + self.edge * (near[1] + self.edge * near[2])
        steps = (1, self.edge, self.edge * self.edge)
        return [
            first + sum((steps[axis] for axis in range(3) if corner >> axis & 1), 0)
            for corner in range(8)
        ]


class HashedLevels(Levels):
    """Levels whose vertices share the entries of a table."""

    def __init__(self, entries: Tensor, group: LevelGroup) -> None:
        super().__init__(entries, group)
        assert group.mask is not None
        self._bytes = (group.mask.bit_length() + 7) // 8
        byte = torch.arange(BYTE)
        self.xor: Tensor
        self.register_buffer("xor", (byte[:, None] ^ byte).flatten())
        self.parts: Tensor
        self.register_buffer("parts", self._axis_parts(group))

    def _axis_parts(self, group: LevelGroup) -> Tensor:
        """Bytes of coordinate times prime, within the table: (3, bytes, coordinates)."""
        coordinate = torch.arange(int(group.resolution.max()) + 1)
        hashed = torch.stack([coordinate * (prime & 0xFFFFFFFF) & group.mask for prime in PRIMES])
        return torch.stack([hashed >> 8 * i & 0xFF for i in range(self._bytes)], 1)

    def rows(self, near: Tensor) -> list[Tensor]:
        """See `Levels.rows`."""
        x, y, z = ([self._part(axis, near[axis] + up) for up in (0, 1)] for axis in range(3))
        flat = [self._xor(x[corner & 1], y[corner >> 1]) for corner in range(4)]
        return [self._number(self._xor(flat[corner & 3], z[corner >> 2])) for corner in range(8)]

    def _part(self, axis: int, coordinate: Tensor) -> Bytes:
        return [self.parts[axis, i][coordinate] for i in range(self._bytes)]

    def _xor(self, a: Bytes, b: Bytes) -> Bytes:
        return [self.xor[BYTE * p + q] for p, q in zip(a, b, strict=True)]

    def _number(self, parts: Bytes) -> Tensor:
        return sum((part * BYTE**i for i, part in enumerate(parts[1:], 1)), parts[0])
