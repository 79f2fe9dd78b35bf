"""Where rays are sampled: evenly spaced candidates, empty space skipped, the rest packed.

Packed samples of R rays lie one after the other in arrays of a fixed length M, so that one
compiled step serves all batches. Where n > M candidates are in occupied space they are thinned:
every k-th is kept, k = n / (M - R), with a random phase for each ray, and stands for a k times
longer piece. Each is kept with probability 1/k, so sums along a ray stay right on average. Beyond
k = MAX_STRIDE a ray would be sampled too coarsely to learn from; then the last rays are left out
instead, which are as random as the first. So early in training, when all space counts as
occupied, a step has fewer rays, and all of them soon, as the grid empties.

Names: R rays, C candidates a ray, M packed samples, o origins, d directions, t distances.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

MAX_STRIDE = 2.0


class Packed(NamedTuple):
    """Samples of R rays, ray by ray, padded to M.

    candidate: index into the flattened (R, C) candidates, (M,); padding points at the last.
    first, end: the samples of ray r are first[r] to end[r] - 1, (R,).
    stride: each sample stands for so many candidates, scalar; 1 where nothing was thinned.
    rays: so many rays, from the first, have their samples here, scalar.
    """

    candidate: Tensor
    first: Tensor
    end: Tensor
    stride: Tensor
    rays: Tensor


class Samples(NamedTuple):
    """Packed samples in space.

    x, d: positions and directions (M, 3). t: distances (M,). delta: lengths (M,), 0 for padding.
    ray: (M,). first, end: (R,).
    """

    x: Tensor
    d: Tensor
    t: Tensor
    delta: Tensor
    ray: Tensor
    first: Tensor
    end: Tensor


def intersect_cube(o: Tensor, d: Tensor, bound: Tensor | float) -> tuple[Tensor, Tensor]:
    """Distances (R,) at which rays enter and leave the cube [-bound, bound]^3.

    Both are equal where a ray misses it. A ray that starts inside enters at 0.
    """
    inverse = 1 / torch.where(d.abs() < 1e-9, torch.full_like(d, 1e-9), d)
    a, b = (-bound - o) * inverse, (bound - o) * inverse
    near = torch.minimum(a, b).amax(-1).clamp(min=0)
    far = torch.maximum(a, b).amin(-1)
    return near, torch.maximum(near, far)


def candidates(near: Tensor, far: Tensor, count: int, jitter: Tensor) -> tuple[Tensor, Tensor]:
    """Distances (R, C) of one sample in each of `count` equal bins, and the bin lengths (R,).

    jitter: place in the bin, in [0, 1), (R,).
    """
    step = (far - near) / count
    bins = torch.arange(count, device=near.device, dtype=near.dtype)
    return near[:, None] + (bins + jitter[:, None]) * step[:, None], step


def pack(occupied: Tensor, budget: int, phase: Tensor) -> Packed:
    """Pack the occupied candidates (R, C) into `budget` places; see above for what does not fit.

    occupied: 1 or 0, as numbers: a CPU computes with those many times faster than with booleans.
    budget: at least C. phase: random in [0, 1), (R,), decides which candidates thinning keeps.
    """
    stride = stride_for(occupied, budget)
    kept = thin(occupied, stride, phase)
    order = kept.flatten().cumsum(0, dtype=torch.int32)
    places = torch.arange(1, budget + 1, device=order.device, dtype=torch.int32)
    candidate = torch.searchsorted(order, places).clamp(max=kept.numel() - 1)
    end = order.view(kept.shape)[:, -1].long()
    fits = end <= budget
    end = end.clamp(max=torch.where(fits, end, 0).amax())
    first = torch.cat([end.new_zeros(1), end[:-1]])
    return Packed(candidate, first, end, stride, fits.sum())


def stride_for(occupied: Tensor, budget: int) -> Tensor:
    """k of the thinning, a scalar: 1 where all fit."""
    count = occupied.sum()
    places = max(budget - len(occupied), 1)
    return torch.where(count <= budget, 1.0, (count / places).clamp(1, MAX_STRIDE))


def thin(occupied: Tensor, stride: Tensor, phase: Tensor) -> Tensor:
    """Keep every stride-th occupied candidate of each ray (R, C), starting at a random one.

    A ray with n occupied candidates keeps at most n / stride + 1.
    """
    number = occupied.cumsum(-1, dtype=torch.float32) - 1
    place = number / stride + phase[:, None]
    before = (number - 1) / stride + phase[:, None]
    return occupied * (place.floor() - before.floor()).clamp(max=1)


def place_samples(o: Tensor, d: Tensor, t: Tensor, step: Tensor, packed: Packed) -> Samples:
    """Positions, lengths and ray numbers of packed samples of candidates t (R, C)."""
    ray = packed.candidate // t.shape[1]
    used = torch.arange(len(ray), device=ray.device) < packed.end[-1]
    ts = t.flatten()[packed.candidate]
    directions = d[ray]
    return Samples(
        x=o[ray] + directions * ts[:, None],
        d=directions,
        t=ts,
        delta=torch.where(used, step[ray] * packed.stride, 0.0),
        ray=ray,
        first=packed.first,
        end=packed.end,
    )


def runs(ends: NDArray[np.int64], budget: int) -> Iterator[tuple[int, int]]:
    """Cut a list of numbers into the longest runs whose sums are at most `budget`.

    ends: the running sums of the list (N,); none of its numbers is beyond the budget. Yields the
    first of each run, and the one behind its last.
    """
    start = before = 0
    while start < len(ends):
        end = int(np.searchsorted(ends, before + budget, side="right"))
        yield start, end
        start, before = end, int(ends[end - 1])
