"""Which pairs of photos are compared. Pairs are (i, j) with i < j, in order."""

import re
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

Pair = tuple[int, int]

#: Up to so many photos, all pairs are compared.
MOST_EXHAUSTIVE = 200
#: Photos before and after a photo in a sequence.
OVERLAP = 10
#: Others that a photo in a sequence is compared with, as they look most like it.
RETURNS = 5
#: Photos that a photo is compared with, where they are chosen by a distance.
NEIGHBOURS = 40
EARTH_RADIUS = 6_371_000.0


def exhaustive(count: int) -> list[Pair]:
    """All pairs."""
    return [(i, j) for i in range(count) for j in range(i + 1, count)]


def sequential(names: Sequence[str]) -> list[Pair]:
    """Neighbours in order of name, and photos 2, 4, 8 ... apart: they see drift.

    Numbers in names count as numbers: `frame_10` comes after `frame_9`.
    """
    order = sorted(range(len(names)), key=lambda i: _natural(names[i]))
    steps = set(range(1, OVERLAP + 1)) | {2**k for k in range(len(names).bit_length())}
    return _ordered(
        (order[at], order[at + step]) for step in steps for at in range(len(names) - step)
    )


def with_returns(pairs: Sequence[Pair], distances: NDArray[np.floating]) -> list[Pair]:
    """The pairs, and for each photo those that are nearest by (N, N) distances of all others: where
    a path comes back to a place, its ends are joined."""
    apart = distances + np.diag(np.full(len(distances), np.inf))
    for i, j in pairs:
        apart[[i, j], [j, i]] = np.inf
    chosen = np.argsort(apart, axis=1, kind="stable")[:, :RETURNS]
    more = [(i, int(j)) for i, row in enumerate(chosen) for j in row if np.isfinite(apart[i, j])]
    return _ordered([*pairs, *more])


def nearest(distances: NDArray[np.floating]) -> list[Pair]:
    """Each photo with those that are nearest by (N, N) distances, and with the next one by name."""
    apart = distances + np.diag(np.full(len(distances), np.inf))
    chosen = np.argsort(apart, axis=1, kind="stable")[:, : min(NEIGHBOURS, len(apart) - 1)]
    pairs = [(i, int(j)) for i, row in enumerate(chosen) for j in row]
    return _ordered([*pairs, *((i, i + 1) for i in range(len(apart) - 1))])


def metres(places: Sequence[tuple[float, float]]) -> NDArray[np.float64]:
    """Distances (N, N) between places that are given by latitude and longitude in degrees."""
    latitude, longitude = np.radians(np.array(places)).T
    # Relative to the first, so that places on both sides of the 180th meridian are neighbours.
    east = (longitude - longitude[0] + np.pi) % (2 * np.pi) - np.pi
    flat = EARTH_RADIUS * np.stack([latitude, east * np.cos(latitude.mean())], -1)
    return np.asarray(np.linalg.norm(flat[:, None] - flat[None], axis=-1))


def _ordered(pairs: Iterable[Pair]) -> list[Pair]:
    return sorted({(min(pair), max(pair)) for pair in pairs})


def _natural(name: str) -> list[tuple[int, str]]:
    parts = re.split(r"(\d+)", name)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]
