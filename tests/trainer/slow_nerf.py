"""The classic NeRF once more, slowly and independently: one ray and one number after the other.

Mildenhall et al.: NeRF, ECCV 2020. In float64, by torch's autograd alone; Adam is written out.
Weights are a dictionary of the fast network's names, so that both can start from the same ones.
"""

import itertools
import math

import torch
from torch import Tensor

Weights = dict[str, Tensor]


def encode(v: Tensor, frequencies: int) -> Tensor:
    """gamma of equation 4: coordinates (3, S) of S points -> (6 * frequencies, S)."""
    values = []
    for k in range(frequencies):
        values += [torch.sin(2**k * math.pi * c) for c in v]
        values += [torch.cos(2**k * math.pi * c) for c in v]
    return torch.stack(values)


def network(weights: Weights, points: Tensor, directions: Tensor) -> Tensor:
    """[r, g, b, density] before their activations, (4, S), at points (3, S) in [-1, 1]^3."""

    def layer(name: str, x: Tensor) -> Tensor:
        return weights[f"{name}.weight"] @ x + weights[f"{name}.bias"][:, None]

    position, view = encode(points, 10), encode(directions, 4)
    h = torch.relu(layer("layers.0", position))
    for i in (1, 2, 3, 4):
        h = torch.relu(layer(f"layers.{i}", h))
    h = torch.relu(layer("layers.5", torch.cat([position, h])))
    h = torch.relu(layer("layers.6", h))
    h = torch.relu(layer("layers.7", h))
    density = layer("density", h)
    colour = torch.relu(layer("colour", torch.cat([layer("feature", h), view])))
    return torch.cat([layer("rgb", colour), density])


def composite(weights: Weights, o: Tensor, d: Tensor, t: list[Tensor], far: Tensor, bound: float):
    """Colour (3,) of one ray over white by equation 3, and the samples' weights."""
    points = torch.stack([torch.clamp((o + distance * d) / bound, -1, 1) for distance in t], 1)
    raw = network(weights, points, d[:, None].expand_as(points))
    colour, light, found = torch.zeros(3, dtype=torch.float64), torch.tensor(1.0).double(), []
    for i, distance in enumerate(t):
        step = (t[i + 1] if i + 1 < len(t) else far) - distance
        alpha = 1 - torch.exp(-torch.relu(raw[3, i]) * step)
        found.append(light * alpha)
        colour = colour + light * alpha * torch.sigmoid(raw[:3, i])
        light = light * (1 - alpha)
    return colour + (1 - sum(found)), found


def inverse_transform(edges: list[float], heights: list[float], u: float) -> float:
    """Where the histogram's distribution function reaches u."""
    padded = [height + 1e-5 for height in heights]
    total, reached = sum(padded), 0.0
    for i, height in enumerate(padded):
        if u < reached + height / total or i == len(padded) - 1:
            return edges[i] + (u - reached) / (height / total) * (edges[i + 1] - edges[i])
        reached += height / total
    raise AssertionError("a histogram has bins")


def interval(o: Tensor, d: Tensor, bound: float) -> tuple[float, float]:
    """Where a ray enters and leaves the cube; twice the same where it misses it."""
    near, far = 0.0, math.inf
    for axis in range(3):
        a, b = ((side * bound - float(o[axis])) / float(d[axis]) for side in (-1, 1))
        near, far = max(near, min(a, b)), min(far, max(a, b))
    return near, max(near, far)


def ray_loss(coarse: Weights, fine: Weights, ray, jitter: list[float], counts, bound: float):
    """Squared errors (coarse, fine) of one ray's colour."""
    o, d, truth = ray
    c, f = counts
    near, far = interval(o, d, bound)
    end = torch.tensor(far).double()
    t = [torch.tensor(near + (i + jitter[i]) / c * (far - near)).double() for i in range(c)]
    rough, weights = composite(coarse, o, d, t, end, bound)
    middles = [float(a + b) / 2 for a, b in itertools.pairwise(t)]
    heights = [float(w) for w in weights[1:-1]]
    u = [(i + jitter[c + i]) / f for i in range(f)]
    closer = [torch.tensor(inverse_transform(middles, heights, v)).double() for v in u]
    sharp, _ = composite(fine, o, d, sorted([*t, *closer], key=float), end, bound)
    return ((rough - truth) ** 2).sum(), ((sharp - truth) ** 2).sum()


class Adam:
    """Kingma and Ba: Adam, ICLR 2015, algorithm 1."""

    def __init__(self, betas: tuple[float, float], epsilon: float) -> None:
        self.betas, self.epsilon, self.t = betas, epsilon, 0
        self.moments: dict[int, tuple[Tensor, Tensor]] = {}

    @torch.no_grad()
    def step(self, parameters: list[Tensor], rate: float) -> None:
        self.t += 1
        b1, b2 = self.betas
        for i, p in enumerate(parameters):
            m, v = self.moments.get(i, (torch.zeros_like(p), torch.zeros_like(p)))
            m, v = b1 * m + (1 - b1) * p.grad, b2 * v + (1 - b2) * p.grad**2
            self.moments[i] = m, v
            p -= rate * (m / (1 - b1**self.t)) / ((v / (1 - b2**self.t)).sqrt() + self.epsilon)
            p.grad = None
