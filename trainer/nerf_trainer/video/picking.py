"""Which frames of a video are used: the sharpest one of each of many equal parts of its time."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Candidate:
    """A frame. part: number of the part of the video that it lies in. at: seconds after the first
    one. sharpness: by `sharpness`. frame: an av.VideoFrame."""

    part: int
    at: float
    sharpness: float
    frame: Any


def sharpness(grey: NDArray[np.uint8]) -> float:
    """Variance of the Laplacian (Pech-Pacheco et al. 2000) of a picture (H, W): low where it is
    blurred. It compares pictures of the same things only."""
    near = grey.astype(np.int16)
    around = near[:-2, 1:-1] + near[2:, 1:-1] + near[1:-1, :-2] + near[1:-1, 2:]
    edges = around - 4 * near[1:-1, 1:-1]
    return float(edges.astype(np.float32).var()) if edges.size else 0.0


def sharpest(candidates: Iterable[Candidate]) -> Iterator[Candidate]:
    """The sharpest candidate of each part, in order of parts. Only one at a time is held."""
    for _, of_part in itertools.groupby(candidates, key=lambda candidate: candidate.part):
        yield max(of_part, key=lambda candidate: candidate.sharpness)


def part_of(at: float, seconds: float, parts: int) -> int:
    """The part of a video of so many seconds in which a moment lies: 0 to parts - 1."""
    return min(parts - 1, max(0, int(at / seconds * parts)))


def shares(seconds: Sequence[float], frames: int) -> list[int]:
    """How many of the frames each video gives, by its length; one at least."""
    ends = np.rint(np.cumsum(seconds) / sum(seconds) * frames).astype(int)
    return [max(1, int(share)) for share in np.diff(ends, prepend=0)]
