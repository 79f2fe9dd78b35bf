"""What the trainer sees of a scene's model: a loss to train by, and pictures to judge by."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nerf_contract.training import ModelConfig
from nerf_trainer.rays import Rays
from nerf_trainer.schedule import Settings
from nerf_trainer.volrend import Rendered

#: Rows of noise that colour the background of each ray, where it is random.
BACKGROUND_ROWS = 3
#: Grey value behind the scene in evaluation.
BACKGROUNDS = {"white": 1.0, "black": 0.0, "random": 1.0}


#: Outside training so many samples are at once in memory. A CPU likes what fits in its caches; a
#: GPU as few launches as its memory allows, at up to 2 KB a sample.
BLOCK_SAMPLES = {"cpu": 1 << 17, "cuda": 1 << 20}


@dataclass(frozen=True)
class Loss:
    """What a chunk of rays gives; all scalars.

    value: what is minimised. error: mean squared error of the colours. rays: so many took part.
    samples: so many evaluations of the main field, padding included.
    """

    value: Tensor
    error: Tensor
    rays: Tensor
    samples: int


class SceneModel(nn.Module):
    """A scene that can be trained. Its parameters and persistent buffers are all its state."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self._random_background = config.resolved_background == "random"
        self._grey = BACKGROUNDS[config.resolved_background]
        self.settings = Settings()

    def apply_settings(self, settings: Settings) -> None:
        """Take over what the schedule says for the next step."""
        if settings.detail != self.settings.detail:
            for module in self.modules():
                if hasattr(module, "set_detail"):
                    module.set_detail(settings.detail)
        self.settings = settings

    def noise_rows(self) -> int:
        """Uniform random numbers in [0, 1) that each ray needs in training."""
        return self.sampling_rows() + BACKGROUND_ROWS * self._random_background

    def sampling_rows(self) -> int:
        """Those of `noise_rows` that place samples."""
        raise NotImplementedError

    def forward(self, rays: Rays, noise: Tensor) -> Loss:
        """The training loss of R rays. noise: (noise_rows, R)."""
        rows = self.sampling_rows()
        background = noise[rows:].t() if self._random_background else self._grey
        truth = rays.rgb
        if rays.alpha is not None:
            truth = truth + background * (1 - rays.alpha[:, None])
        return self.loss(rays, truth, noise[:rows], background)

    def loss(self, rays: Rays, truth: Tensor, noise: Tensor, background: Tensor | float) -> Loss:
        """The loss against colours `truth` (R, 3). noise: (sampling_rows, R)."""
        raise NotImplementedError

    def render(self, rays: Rays) -> Rendered:
        """Render any number of rays without randomness, and without gradients."""
        raise NotImplementedError

    def survey_size(self) -> int:
        """S: numbers that a shard finds in a step, besides its gradients, at most."""
        return 0

    def survey(self, step: int, seed: int, shard: int) -> Tensor:
        """What a shard finds in a step: (S,) or fewer. Changes nothing."""
        return torch.zeros(0)

    def take_in(self, step: int, found: Tensor) -> None:
        """After a step: what the shards have found in it, (V, S), padded with zeros."""

    def refresh(self) -> None:
        """Derive again what follows from parameters and buffers, after those were replaced."""

    def occupancy(self) -> float | None:
        """Share of space, in [0, 1], that counts as occupied; None where nobody keeps account."""
        return None

    def start_at(self, distance: float) -> None:
        """Where photos begin to see the same, in world units from their cameras."""

    def compile_parts(self) -> None:
        """Compile what pays, for the fixed shapes of training."""


def block_rays(budget: Mapping[str, int], each: int, device: torch.device) -> int:
    """Rays that are rendered at once: each needs so much of a budget, which is by device types."""
    return max(1, budget[device.type] // each)


def in_blocks(rays: Rays, size: int, render: Callable[[Rays], Rendered]) -> Rendered:
    """Render so many rays at once."""
    return joined([render(rays.slice(i, i + size)) for i in range(0, len(rays), size)])


def points(rays: Rays, t: Tensor) -> Tensor:
    """World positions (R, S, 3) at distances t (R, S)."""
    return rays.o[:, None] + rays.d[:, None] * t[..., None]


def joined(parts: list[Rendered]) -> Rendered:
    """Rendered rays one after the other."""
    return Rendered(
        torch.cat([part.rgb for part in parts]),
        torch.cat([part.opacity for part in parts]),
        torch.cat([part.depth for part in parts]),
    )
