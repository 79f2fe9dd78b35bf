"""Two networks: what the coarse one sees tells where the fine one looks closer.

Mildenhall et al.: NeRF, ECCV 2020, sections 4 and 5.2.

Names: R rays, C coarse samples of a ray, F further ones for the fine network, which is evaluated
at all C + F; C + (C + F) evaluations are `samplesPerRay`.
"""

import torch
from torch import Tensor

from nerf_contract.training import TrainerConfig
from nerf_trainer.fields import create_field
from nerf_trainer.models.interface import (
    BLOCK_SAMPLES,
    Loss,
    SceneModel,
    block_rays,
    in_blocks,
    points,
)
from nerf_trainer.rays import Rays
from nerf_trainer.resampling import sample_histogram, stratified
from nerf_trainer.sampling import intersect_cube
from nerf_trainer.volrend import Rendered, render_rows


class HierarchicalModel(SceneModel):
    """A coarse and a fine field, trained together."""

    def __init__(self, config: TrainerConfig) -> None:
        super().__init__(config.model)
        self._bound = config.model.scene_bound
        self.coarse = create_field(config.model)
        self.fine = create_field(config.model)

    def counts(self) -> tuple[int, int]:
        """C and F."""
        return self.settings.samples_per_ray // 4, self.settings.samples_per_ray // 2

    def sampling_rows(self) -> int:
        """A place in each coarse bin, and one in each part of the histogram."""
        return sum(self.counts())

    def loss(self, rays: Rays, truth: Tensor, noise: Tensor, background: Tensor | float) -> Loss:
        """The sum of both networks' mean squared errors; the fine one's is reported."""
        coarse, fine, t = self._render(rays, noise.t(), background)
        error = ((fine.rgb - truth) ** 2).mean()
        value = ((coarse.rgb - truth) ** 2).mean() + error
        used = torch.tensor(float(len(rays)), device=truth.device)
        return Loss(value, error.detach(), used, t.numel())

    @torch.no_grad()
    def render(self, rays: Rays) -> Rendered:
        """Each bin and each part of the histogram is sampled in its middle."""
        middle = torch.full((1, sum(self.counts())), 0.5, device=rays.o.device)
        return in_blocks(
            rays,
            block_rays(BLOCK_SAMPLES, self.settings.samples_per_ray, rays.o.device),
            lambda block: self._render(block, middle.expand(len(block), -1), self._grey)[1],
        )

    def _render(
        self, rays: Rays, jitter: Tensor, background: Tensor | float
    ) -> tuple[Rendered, Rendered, Tensor]:
        """What both networks see, and the fine one's distances. jitter: (R, C + F)."""
        c, f = self.counts()
        near, far = intersect_cube(rays.o, rays.d, self._bound)
        t = near[:, None] + stratified(jitter[:, :c], c) * (far - near)[:, None]
        coarse, w = look(self.coarse, rays, t, far, background)
        middles = (t[:, 1:] + t[:, :-1]) / 2
        closer = sample_histogram(middles, w[:, 1:-1].detach(), stratified(jitter[:, c:], f))
        t = torch.cat([t, closer], 1).sort(1).values
        fine, _ = look(self.fine, rays, t, far, background)
        return coarse, fine, t


def look(
    field: torch.nn.Module, rays: Rays, t: Tensor, far: Tensor, background: Tensor | float
) -> tuple[Rendered, Tensor]:
    """Render samples at sorted distances t (R, S); also their weights (R, S).

    A sample stands for the way to the next one, the last for that to `far` (R,).
    """
    x = points(rays, t)
    d = rays.d[:, None].expand_as(x)
    sigma, rgb = field(x.reshape(-1, 3), d.reshape(-1, 3))
    delta = torch.cat([t[:, 1:], far[:, None]], 1) - t
    return render_rows(sigma.view_as(t), rgb.view_as(x), t, delta, background)
