"""The same points in two photos: descriptors compared, then checked against two-view geometry."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pycolmap
from numpy.typing import NDArray

from nerf_trainer.cpus import usable_cpus
from nerf_trainer.poses.features import Features
from nerf_trainer.poses.pairs import Pair
from nerf_trainer.poses.pieces import Arrays, Pieces

Matches = NDArray[np.uint32]  # (M, 2): numbers of features in the first and in the second photo
Compared = tuple[Pair, Features, Features, Matches]

#: Farthest that matching descriptors may be apart, in radians.
FARTHEST = 0.7
#: Fewest matches of a pair that is worth a check, and fewest that must agree in it.
LEAST_MATCHES, LEAST_INLIERS = 25, 15
#: Trials of RANSAC. Pairs that show the same need a hundred; the others would take COLMAP's 10,000.
TRIALS = 250
#: Pairs between two pieces that are kept.
PART = 200
#: Photos whose features are in memory, at about a megabyte each.
IN_MEMORY = 256


@dataclass(frozen=True)
class Match:
    """Two photos that see the same. geometry: a pycolmap.TwoViewGeometry with inliers."""

    pair: Pair
    geometry: Any


def match_all(
    pairs: Sequence[Pair],
    features: Callable[[int], Features],
    cameras: Sequence[Any],
    ratio: float,
    pieces: Pieces,
    tell: Callable[[float], None],
) -> list[Match]:
    """Compare all pairs; what was kept by an earlier attempt is taken.

    cameras: a pycolmap.Camera for each photo. ratio: see `mutual_matches`. tell: takes the share
    that is done.
    """
    cached = lru_cache(maxsize=IN_MEMORY)(features)
    found: list[Match] = []
    for start in range(0, len(pairs), PART):
        tell(start / len(pairs))
        part = pairs[start : start + PART]
        name = f"matches-{ratio:g}-{_digest(part)}"
        if not pieces.has(name):
            pieces.keep(name, _pack(_match(part, cached, cameras, ratio)))
        found += _unpack(pieces.read(name))
    return found


def _digest(pairs: Sequence[Pair]) -> str:
    """What names a part of the pairs: with one pair more, others stand in its place."""
    return hashlib.sha256(np.array(pairs, np.int64).tobytes()).hexdigest()[:16]


def median_shift(matches: Sequence[Match], features: Callable[[int], Features]) -> float:
    """By how many pixels points move from one photo to another, as a rule."""
    shifts = []
    for match in matches:
        a, b = (features(i).points for i in match.pair)
        first, second = match.geometry.inlier_matches.T
        shifts.append(np.median(np.linalg.norm(a[first] - b[second], axis=1)))
    return float(np.median(shifts))


def _match(
    pairs: Sequence[Pair],
    features: Callable[[int], Features],
    cameras: Sequence[Any],
    ratio: float,
) -> list[Match]:
    """The pairs that see the same. Compared here, by all CPUs; checked by threads meanwhile."""

    def compared() -> Iterator[Compared]:
        for i, j in pairs:
            a, b = features(i), features(j)
            yield (i, j), a, b, mutual_matches(a.descriptors, b.descriptors, ratio)

    with ThreadPoolExecutor(usable_cpus()) as pool:
        checked = pool.map(lambda item: _check(item, cameras), compared())
        return [match for match in checked if match is not None]


def mutual_matches(a: NDArray[np.float32], b: NDArray[np.float32], ratio: float) -> Matches:
    """Descriptors that are nearest to each other, clearly. a, b: unit vectors (N, 128), (M, 128).

    ratio: of the angles to the nearest and to the second nearest, at most (Lowe 2004). A matrix
    product and its greatest entries: faster than COLMAP's search on a CPU.
    """
    if len(a) < 2 or len(b) < 2:
        return np.empty((0, 2), np.uint32)
    cosines = a @ b.T
    rows, best = np.arange(len(a)), cosines.argmax(1)
    greatest = cosines[rows, best]
    # By values, as numpy's argmax along columns takes twenty times as long.
    mutual = greatest == cosines.max(0)[best]
    cosines[rows, best] = -1
    nearest, second = (np.arccos(np.clip(c, -1, 1)) for c in (greatest, cosines.max(1)))
    good = mutual & (nearest < ratio * second) & (nearest < FARTHEST)
    return np.stack([rows[good], best[good]], 1).astype(np.uint32)


def _check(compared: Compared, cameras: Sequence[Any]) -> Match | None:
    """The match with what agrees with one motion of the camera, if that is enough."""
    pair, a, b, matches = compared
    if len(matches) < LEAST_MATCHES:
        return None
    options = pycolmap.TwoViewGeometryOptions()
    options.min_num_inliers = LEAST_INLIERS
    options.ransac.max_num_trials = TRIALS
    options.ransac.random_seed = 0
    first, second = (cameras[i] for i in pair)
    geometry = pycolmap.estimate_two_view_geometry(
        first, a.points.astype(float), second, b.points.astype(float), matches, options
    )
    enough = len(geometry.inlier_matches) >= LEAST_INLIERS
    return Match(pair, geometry) if enough else None


def _pack(found: Sequence[Match]) -> Arrays:
    """Matches as arrays. Matrices that COLMAP did not find are NaN."""
    empty = np.full((3, 3), np.nan)
    matrices = [
        [empty if m is None else m for m in (x.geometry.E, x.geometry.F, x.geometry.H)]
        for x in found
    ]
    return {
        "pairs": np.array([x.pair for x in found], np.int64).reshape(-1, 2),
        "kinds": np.array([int(x.geometry.config) for x in found], np.int64),
        "matrices": np.array(matrices).reshape(-1, 3, 3, 3),
        "counts": np.array([len(x.geometry.inlier_matches) for x in found], np.int64),
        "inliers": np.concatenate([np.empty((0, 2)), *(x.geometry.inlier_matches for x in found)]),
    }


def _unpack(arrays: Arrays) -> list[Match]:
    parts: Any = arrays
    ends = np.cumsum(parts["counts"])
    inliers = np.split(parts["inliers"].astype(np.uint32), ends[:-1])
    return [
        Match((int(pair[0]), int(pair[1])), _geometry(kind, matrices, agreed))
        for pair, kind, matrices, agreed in zip(
            parts["pairs"], parts["kinds"], parts["matrices"], inliers, strict=False
        )
    ]


def _geometry(kind: Any, matrices: Any, inliers: Matches) -> Any:
    geometry = pycolmap.TwoViewGeometry()
    geometry.config = int(kind)
    geometry.E, geometry.F, geometry.H = (None if np.isnan(m).any() else m for m in matrices)
    geometry.inlier_matches = inliers
    return geometry
