"""The hash grid against a slow version, written from the paper in plain Python."""

import itertools
import math

import pytest

torch = pytest.importorskip("torch")

from nerf_trainer.fields.directions import spherical_harmonics  # noqa: E402
from nerf_trainer.fields.hashgrid import HashGrid, level_resolutions  # noqa: E402

pytestmark = pytest.mark.torch

#: Coarse levels of 4 and 6 cells are dense (5^3 and 7^3 <= 512), finer ones are hashed.
LEVELS, LOG2_SIZE, FEATURES, BASE, FINEST = 5, 9, 2, 4, 40
PRIMES = (1, 2654435761, 805459861)


def grid() -> HashGrid:
    torch.manual_seed(3)
    grid = HashGrid(LEVELS, LOG2_SIZE, FEATURES, BASE, FINEST)
    torch.nn.init.normal_(grid.table)
    return grid


def slow_encode(table: list[list[float]], point: tuple[float, ...]) -> list[float]:
    """All levels for one point."""
    size, start, out = 2**LOG2_SIZE, 0, []
    for level in range(LEVELS):
        growth = math.exp((math.log(FINEST) - math.log(BASE)) / (LEVELS - 1))
        resolution = math.floor(BASE * growth**level + 1e-6)
        rows = min((resolution + 1) ** 3, size)
        out += slow_level(table[start : start + rows], point, resolution, size)
        start += rows
    assert start == len(table)
    return out


def slow_level(
    rows: list[list[float]], point: tuple[float, ...], resolution: int, size: int
) -> list[float]:
    cell = [min(math.floor(c * resolution), resolution - 1) for c in point]
    out = [0.0] * FEATURES
    for corner in itertools.product((0, 1), repeat=3):
        vertex = [c + d for c, d in zip(cell, corner, strict=True)]
        weight = math.prod(
            (c * resolution - v) if d else (1 - (c * resolution - v))
            for c, v, d in zip(point, cell, corner, strict=True)
        )
        entry = rows[slow_row(vertex, resolution, size)]
        out = [o + weight * e for o, e in zip(out, entry, strict=True)]
    return out


def slow_row(vertex: list[int], resolution: int, size: int) -> int:
    x, y, z = vertex
    edge = resolution + 1
    if edge**3 <= size:
        return x + y * edge + z * edge * edge
    h = 0
    for coordinate, prime in zip(vertex, PRIMES, strict=True):
        h ^= coordinate * prime & 0xFFFFFFFF
    return h % size


def points() -> torch.Tensor:
    inside = torch.rand(40, 3, generator=torch.Generator().manual_seed(4))
    return torch.cat([inside, torch.zeros(1, 3), torch.ones(1, 3)])


def rows(encoding: HashGrid) -> torch.Tensor:
    return encoding.table.view(-1, FEATURES)


def by_level(encoding: HashGrid, x: torch.Tensor) -> torch.Tensor:
    """Features of points in [0, 1]^3, level by level: (M, L * F)."""
    return encoding(2 * x - 1).view(-1, FEATURES, LEVELS).mT.flatten(1)


def test_equals_the_slow_version() -> None:
    encoding, x = grid(), points()
    expected = [slow_encode(rows(encoding).tolist(), tuple(p)) for p in x.tolist()]
    torch.testing.assert_close(by_level(encoding, x), torch.tensor(expected), rtol=1e-4, atol=1e-4)


def test_compiled_it_is_the_same() -> None:
    plain, compiled, x = grid(), grid(), 2 * points() - 1
    compiled.compile_kernels()
    g = torch.randn(len(x), plain.out_features, generator=torch.Generator().manual_seed(5))
    for encoding in (plain, compiled):
        (encoding(x) * g).sum().backward()
    torch.testing.assert_close(compiled(x), plain(x))
    torch.testing.assert_close(compiled.table.grad, plain.table.grad)


def test_points_outside_the_cube_and_nan_stay_within_the_table() -> None:
    encoding = grid()
    x = torch.tensor([[-9.0, 5.0, 1.5], [float("nan"), 0.0, 0.0], [float("inf"), 0.0, 1.0]])
    assert encoding(x).shape == (3, LEVELS * FEATURES)


def test_some_levels_are_dense_and_some_hashed() -> None:
    assert 0 < grid().dense_levels < LEVELS


def test_gradient_is_the_transpose_of_the_interpolation() -> None:
    """The encoding is linear in the table, so <g, encode(t)> = <gradient, t> for any table t."""
    encoding, x = grid(), points()
    g = torch.randn(len(x), encoding.out_features, generator=torch.Generator().manual_seed(5))
    (encoding(x) * g).sum().backward()
    gradient = encoding.table.grad
    other = torch.randn(encoding.table.shape, generator=torch.Generator().manual_seed(6))
    with torch.no_grad():
        encoding.table.copy_(other)
        torch.testing.assert_close(
            (gradient * other).sum(), (encoding(x) * g).sum(), rtol=1e-4, atol=1e-3
        )


def test_resolutions_are_a_geometric_series() -> None:
    assert level_resolutions(1, 16, 512) == [16]
    assert level_resolutions(6, 16, 512) == [16, 32, 64, 128, 256, 512]


def test_a_vertex_keeps_its_value() -> None:
    encoding = grid()
    features = by_level(encoding, torch.tensor([[0.25, 0.5, 0.75]]))[0, :FEATURES]
    torch.testing.assert_close(features, rows(encoding)[slow_row([1, 2, 3], 4, 512)])


def test_spherical_harmonics_are_orthonormal() -> None:
    d = torch.randn(400_000, 3, generator=torch.Generator().manual_seed(7))
    basis = spherical_harmonics(torch.nn.functional.normalize(d, dim=-1))
    gram = 4 * math.pi * (basis.T @ basis) / len(d)
    torch.testing.assert_close(gram, torch.eye(16), rtol=0, atol=0.03)
