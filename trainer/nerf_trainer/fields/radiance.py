"""A radiance field: density and colour at a point, seen from a direction.

Names: M points, x in world units, d unit directions, sigma density per world unit, rgb in [0, 1].
"""

import torch
from torch import Tensor, nn

from nerf_trainer.fields.directions import OUT_FEATURES, spherical_harmonics
from nerf_trainer.fields.hashgrid import HashGrid

GEOMETRY_FEATURES = 16
#: Added to the log density, so that space is nearly transparent at first.
DENSITY_BIAS = -1.0
#: exp() beyond this is opaque at any step length, and overflows soon after.
MAX_LOG_DENSITY = 12.0


class RadianceField(nn.Module):
    """Instant-NGP's field: hash encoding, a density MLP, and a colour MLP beside it.

    bound: half the edge of the cube around the origin that holds the scene.
    """

    def __init__(self, encoding: HashGrid, width: int, bound: float) -> None:
        super().__init__()
        self.bound = bound
        self.encoding = encoding
        self.geometry = perceptron(encoding.out_features, width, GEOMETRY_FEATURES)
        self.colour = perceptron(GEOMETRY_FEATURES + OUT_FEATURES, width, 3)

    def forward(self, x: Tensor, d: Tensor) -> tuple[Tensor, Tensor]:
        """sigma (M,) and rgb (M, 3) at x (M, 3) seen along d (M, 3)."""
        unit = (x / (2 * self.bound) + 0.5).clamp(0, 1)
        geometry = self.geometry(self.encoding(unit))
        sigma = torch.exp((geometry[:, 0].float() + DENSITY_BIAS).clamp(max=MAX_LOG_DENSITY))
        seen = torch.cat([geometry, spherical_harmonics(d).to(geometry.dtype)], -1)
        return sigma, torch.sigmoid(self.colour(seen).float())


def perceptron(inputs: int, width: int, outputs: int) -> nn.Sequential:
    """One hidden layer without biases, which would drown the encoding's small first values.

    He's initialisation: with torch's own, which is smaller, learning starts several times slower.
    """
    layers = [nn.Linear(inputs, width, bias=False), nn.Linear(width, outputs, bias=False)]
    for layer in layers:
        nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
    return nn.Sequential(layers[0], nn.ReLU(), layers[1])
