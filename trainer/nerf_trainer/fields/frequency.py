"""The classic encoding: sines and cosines of each coordinate at doubling frequencies.

Mildenhall et al.: NeRF, ECCV 2020, equation 4, without the raw coordinates.
"""

import math

import torch
from torch import Tensor, nn

from nerf_trainer.fields.detail import open_share


class FrequencyEncoding(nn.Module):
    """Encodes v (M, 3) in [-1, 1]^3 as (M, 6 * count), frequency by frequency: sin, then cos.

    count: frequencies, pi times 1, 2, 4 and so on.
    """

    def __init__(self, count: int) -> None:
        super().__init__()
        self.out_features = 6 * count
        self.frequencies: Tensor
        octaves = math.pi * 2.0 ** torch.arange(count)
        self.register_buffer("frequencies", octaves, persistent=False)
        self.open: Tensor
        self.register_buffer("open", torch.ones(count), persistent=False)

    def forward(self, v: Tensor) -> Tensor:
        """(M, 3) -> (M, 6 * count)."""
        angles = v[:, None, :] * self.frequencies[:, None]  # (M, count, 3)
        waves = torch.cat([torch.sin(angles), torch.cos(angles)], -1)
        return (waves * self.open[:, None]).flatten(1)

    def set_detail(self, detail: float) -> None:
        """Open this share, in [0, 1], of the frequencies, low to high."""
        self.open.copy_(open_share(detail, len(self.open)))
