"""Rays/s over the number of workers, fitted to the sizes at which a job has trained.

A ray takes t(n) = a/n + b + c n seconds with n workers: work that is shared, work that each
repeats, and communication that grows with n. Optimus (Peng et al., EuroSys 2018) fits the same to
synchronous training, with as many parameter servers as workers, likewise by non-negative least
squares. As in Pollux (Qiao et al., OSDI 2021), sizes that were never tried follow an
optimistic prior, so that they are tried.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import Final

#: a, b, c where one worker takes a second, and their standard deviations.
_PRIOR: Final = (0.985, 0.014, 0.001)
_SPREAD: Final = (0.5, 0.1, 0.01)
#: Of measured seconds, relative.
_NOISE: Final = 0.03
#: A point counts as at most so many times as fast as the mean second a ray says: rates that no
#: training has would make the prior vanish in rounding.
_MOST: Final = 1e4


@dataclass(frozen=True, slots=True)
class Curve:
    """shared, repeated, growing: a, b and c, in seconds a ray; their sum is positive."""

    shared: float
    repeated: float
    growing: float

    def seconds(self, workers: int) -> float:
        """A ray takes, with at least one worker."""
        return self.shared / workers + self.repeated + self.growing * workers

    def rate(self, workers: int) -> float:
        """rays/s; 0 without workers."""
        return 1 / self.seconds(workers) if workers else 0.0

    def speedup(self, workers: int) -> float:
        """The rate, in those of one worker."""
        return self.seconds(1) / self.seconds(workers) if workers else 0.0

    def widest(self, efficiency: float) -> int:
        """The most workers of which each is at least so efficient (0 to 1), at least 1.

        speedup(n) / n falls as n grows: it is (a + b + c) / (a + b n + c n^2).
        """
        budget = self.seconds(1) / efficiency - self.shared
        b, c = self.repeated, self.growing
        root = 2 * budget / max(b + math.sqrt(b * b + 4 * c * budget), 1e-300)
        return max(1, int(min(root + 1e-9, 1e9)))


def prior(rate: float) -> Curve:
    """Of a job of which no more is known than the rays/s of one worker."""
    scale = 1 / (rate * sum(_PRIOR))
    return Curve(*(value * scale for value in _PRIOR))


@lru_cache(maxsize=1 << 14)
def fit(points: tuple[tuple[int, float], ...]) -> Curve:
    """From one or more (workers, rays/s), both positive. The same points give the same object."""
    believed = prior(1)
    level = sum(1 / (rate * believed.seconds(n)) for n, rate in points) / len(points)
    aa, bb, cc = (1 / s**2 for s in _SPREAD)
    ab = ac = bc = 0.0
    ra, rb, rc = (mean / s**2 for mean, s in zip(_PRIOR, _SPREAD, strict=True))
    for workers, rate in points:  # Written out: a thousand jobs may all have to be fitted at once.
        b = min(rate * level, _MOST) / _NOISE  # Errors are relative, in units of the noise.
        a, c = b / workers, b * workers
        aa, bb, cc = aa + a * a, bb + b * b, cc + c * c
        ab, ac, bc = ab + a * b, ac + a * c, bc + b * c
        ra, rb, rc = ra + a / _NOISE, rb + b / _NOISE, rc + c / _NOISE
    gram, right = [[aa, ab, ac], [ab, bb, bc], [ac, bc, cc]], [ra, rb, rc]
    a, b, c = _non_negative(gram, right)
    return Curve(a * level, b * level, c * level)


def _non_negative(gram: list[list[float]], right: list[float]) -> list[float]:
    """argmin x G x / 2 - r x over x >= 0, for G (3, 3) positive definite and a positive r.

    It is the least of the minima on all faces that are within the bounds, where it is -r x / 2.
    """
    free = _solve(gram, right, (0, 1, 2))
    if min(free) >= 0:
        return free
    faces = (face for size in (1, 2) for face in combinations(range(3), size))
    minima = (_solve(gram, right, face) for face in faces)
    return max((x for x in minima if min(x) >= 0), key=lambda x: _dot(right, x))


def _dot(x: list[float], y: list[float]) -> float:
    return sum(a * b for a, b in zip(x, y, strict=True))


def _solve(gram: list[list[float]], right: list[float], face: Sequence[int]) -> list[float]:
    """The unconstrained minimum on a face, by Gaussian elimination; 0 elsewhere."""
    rows = [[gram[i][j] for j in face] + [right[i]] for i in face]
    count = len(face)
    for k in range(count):
        for row in rows[k + 1 :]:
            factor = row[k] / rows[k][k]
            for j in range(k, count + 1):
                row[j] -= factor * rows[k][j]
    x = [0.0, 0.0, 0.0]
    for k in reversed(range(count)):
        known = sum(rows[k][j] * x[face[j]] for j in range(k + 1, count))
        x[face[k]] = (rows[k][count] - known) / rows[k][k]
    return x
