"""A field: density, and colour too, at a point that is seen from a direction.

Names: M points, x in world units, d unit directions, sigma density per world unit, rgb in [0, 1].
Networks give densities in units of the scene's bound, so that a scene is learnt alike at any scale.
"""

from torch import Tensor, nn

from nerf_trainer.fields.hashgrid import HashGrid
from nerf_trainer.fields.space import Space


class Field(nn.Module):
    """A place in the world, its encoding, and a network behind that.

    encoding: [-1, 1]^3 -> P features.
    """

    def __init__(self, space: Space, encoding: nn.Module, network: nn.Module) -> None:
        super().__init__()
        self.space = space
        self.encoding = encoding
        self.network = network

    def compile_parts(self) -> None:
        """Compile the encoding and the network, each for itself, for inputs of one shape."""
        if isinstance(self.encoding, HashGrid):
            self.encoding.compile_kernels()
        else:
            self.encoding.compile(dynamic=False)
        self.network.compile(dynamic=False)


class DensityField(Field):
    """Its network turns features into density."""

    def forward(self, x: Tensor) -> Tensor:
        """sigma (M,) at x (M, 3)."""
        sigma: Tensor = self.network(self.encoding(self.space(x)))
        return sigma / self.space.bound


class RadianceField(Field):
    """The same with colour: the network sees the direction as well."""

    def forward(self, x: Tensor, d: Tensor) -> tuple[Tensor, Tensor]:
        """sigma (M,) and rgb (M, 3) at x (M, 3) seen along d (M, 3)."""
        sigma, rgb = self.network(self.encoding(self.space(x)), d)
        return sigma / self.space.bound, rgb
