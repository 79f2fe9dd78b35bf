"""From world coordinates to the cube [-1, 1]^3 that encodings see."""

import torch
from torch import Tensor, nn


class Space(nn.Module):
    """bound: half the size, in world units, of what matters most around the origin."""

    def __init__(self, bound: float) -> None:
        super().__init__()
        self.bound = bound


class Cube(Space):
    """A bounded scene: it lies in the cube whose edges are twice the bound."""

    def forward(self, x: Tensor) -> Tensor:
        """World positions (M, 3) -> (M, 3); what lies outside is moved to the surface."""
        return (x / self.bound).clamp(-1, 1)


class Contraction(Space):
    """An unbounded scene: the ball of radius `bound` stays, the rest of space is drawn in.

    Barron et al.: Mip-NeRF 360, CVPR 2022, equation 10.
    """

    def forward(self, x: Tensor) -> Tensor:
        """World positions (M, 3) -> (M, 3)."""
        return contract(x / self.bound) / 2


def contract(x: Tensor) -> Tensor:
    """Positions (..., 3) -> the ball of radius 2; the unit ball is left as it is."""
    norm = torch.linalg.vector_norm(x, dim=-1, keepdim=True).clamp(min=1)
    return (2 - 1 / norm) * x / norm
