"""A radiance field: density and colour at a point, seen from a direction.

Names: M points, x in world units, d unit directions, sigma density per world unit, rgb in [0, 1].
"""

from torch import Tensor, nn


class RadianceField(nn.Module):
    """A place in the world, its encoding, and a network that turns that into light.

    space: world -> [-1, 1]^3. encoding: [-1, 1]^3 -> P features. network: features and direction
    -> sigma, rgb.
    """

    def __init__(self, space: nn.Module, encoding: nn.Module, network: nn.Module) -> None:
        super().__init__()
        self.space = space
        self.encoding = encoding
        self.network = network

    def forward(self, x: Tensor, d: Tensor) -> tuple[Tensor, Tensor]:
        """sigma (M,) and rgb (M, 3) at x (M, 3) seen along d (M, 3)."""
        sigma, rgb = self.network(self.encoding(self.space(x)), d)
        return sigma, rgb
