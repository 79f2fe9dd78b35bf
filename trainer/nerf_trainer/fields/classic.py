"""The network of the classic NeRF, to the letter.

Mildenhall et al.: NeRF, ECCV 2020, figure 7. Names: M points, P and D features of their encoded
positions and directions.
"""

import torch
from torch import Tensor, nn

from nerf_trainer.fields.frequency import FrequencyEncoding

WIDTH = 256
LAYERS = 8
#: After so many layers the encoded position is given once more.
SKIP = 5
COLOUR_WIDTH = 128
DIRECTION_FREQUENCIES = 4


class ClassicNetwork(nn.Module):
    """Eight layers with a skip connection for the density, one more for the colour.

    positions: P, features of the encoded position.
    """

    def __init__(self, positions: int) -> None:
        super().__init__()
        self.directions = FrequencyEncoding(DIRECTION_FREQUENCIES)
        inputs = [positions] + [WIDTH] * (LAYERS - 1)
        inputs[SKIP] += positions
        self.layers = nn.ModuleList(nn.Linear(n, WIDTH) for n in inputs)
        self.density = nn.Linear(WIDTH, 1)
        self.feature = nn.Linear(WIDTH, WIDTH)
        self.colour = nn.Linear(WIDTH + self.directions.out_features, COLOUR_WIDTH)
        self.rgb = nn.Linear(COLOUR_WIDTH, 3)

    def forward(self, position: Tensor, d: Tensor) -> tuple[Tensor, Tensor]:
        """sigma (M,) and rgb (M, 3) from encoded positions (M, P) and unit directions (M, 3)."""
        raw = self.raw(position, self.directions(d)).float()
        return torch.relu(raw[:, 3]), torch.sigmoid(raw[:, :3])

    def raw(self, position: Tensor, direction: Tensor) -> Tensor:
        """[rgb, density] before their activations, (M, 4), from encoded (M, P) and (M, D)."""
        h = position
        for i, layer in enumerate(self.layers):
            if i == SKIP:
                h = torch.cat([position, h], -1)
            h = torch.relu(layer(h))
        seen = torch.cat([self.feature(h), direction], -1)
        rgb = self.rgb(torch.relu(self.colour(seen)))
        return torch.cat([rgb, self.density(h)], -1)
