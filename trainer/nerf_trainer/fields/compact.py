"""The network of Instant-NGP: two small MLPs behind an encoding that does most of the work.

Müller et al.: Instant Neural Graphics Primitives, ACM TOG 41(4), 2022, section 5.4.
"""

import torch
from torch import Tensor, nn

from nerf_trainer.fields.directions import OUT_FEATURES, spherical_harmonics

GEOMETRY_FEATURES = 16
#: exp() beyond this is opaque at any step length, and overflows soon after.
MAX_LOG_DENSITY = 12.0


class CompactNetwork(nn.Module):
    """A density MLP, and a colour MLP that sees its features and the direction.

    positions: features of the encoded position. width: of the hidden layers. log_density: at first.
    """

    def __init__(self, positions: int, width: int, log_density: float) -> None:
        super().__init__()
        self._log_density = log_density
        self.geometry = perceptron(positions, width, GEOMETRY_FEATURES)
        self.colour = perceptron(GEOMETRY_FEATURES + OUT_FEATURES, width, 3)

    def forward(self, position: Tensor, d: Tensor) -> tuple[Tensor, Tensor]:
        """sigma (M,) and rgb (M, 3) from encoded positions (M, P) and unit directions (M, 3)."""
        geometry = self.geometry(position)
        seen = torch.cat([geometry, spherical_harmonics(d).to(geometry.dtype)], -1)
        return density(geometry[:, 0] + self._log_density), torch.sigmoid(self.colour(seen).float())


class DensityNetwork(nn.Module):
    """The same for a density alone, which is all that a proposal needs."""

    def __init__(self, positions: int, width: int, log_density: float) -> None:
        super().__init__()
        self._log_density = log_density
        self.geometry = perceptron(positions, width, 1)

    def forward(self, position: Tensor) -> Tensor:
        """sigma (M,) from encoded positions (M, P)."""
        return density(self.geometry(position)[:, 0] + self._log_density)


def density(raw: Tensor) -> Tensor:
    """Density from its logarithm, never too large."""
    return torch.exp(raw.float().clamp(max=MAX_LOG_DENSITY))


def perceptron(inputs: int, width: int, outputs: int) -> nn.Sequential:
    """One hidden layer without biases, which would drown the encoding's small first values.

    He's initialisation: with torch's own, which is smaller, learning starts several times slower.
    """
    layers = [nn.Linear(inputs, width, bias=False), nn.Linear(width, outputs, bias=False)]
    for layer in layers:
        nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
    return nn.Sequential(layers[0], nn.ReLU(), layers[1])
