"""Unbounded scenes: two proposals, small fields of density, tell where the main field looks.

Barron et al.: Mip-NeRF 360, CVPR 2022. Distances are sampled evenly in s in [0, 1], which is
linear near the camera and linear in 1/t beyond, as Tancik et al.: Nerfstudio, SIGGRAPH 2023, do.

Names: R rays, S samples of a ray, edges (R, S + 1) of the pieces they stand for, in s.
"""

import torch
from torch import Tensor, nn

from nerf_contract.training import TrainerConfig
from nerf_trainer.fields import create_field, create_proposal
from nerf_trainer.models.interface import (
    BLOCK_SAMPLES,
    Loss,
    SceneModel,
    block_rays,
    in_blocks,
    points,
)
from nerf_trainer.rays import Rays
from nerf_trainer.resampling import distortion, proposal_loss, sample_histogram, stratified
from nerf_trainer.volrend import Rendered, render_rows, row_weights

#: The nearest and farthest sample, in units of the scene's bound. The nearest may lie farther away.
NEAR, FAR = 0.2, 1000.0
RESOLUTIONS = (128, 256)
DISTORTION_WEIGHT = 0.002
#: Optical depth of the last piece of a ray.
OPAQUE = 10.0
#: How soon proposals are trusted: half by a tenth of the training.
TRUST_SLOPE = 10.0

Histogram = tuple[Tensor, Tensor]  # edges (R, S + 1) in s, weights (R, S)


class ProposalModel(SceneModel):
    """The main field and its proposals, trained together.

    chunk_rays: rays that are trained at once, and rendered at once where the fields are compiled.
    """

    def __init__(self, config: TrainerConfig, chunk_rays: int) -> None:
        super().__init__(config.model)
        self._chunk_rays = chunk_rays
        self._compiled = False
        self._bound = config.model.scene_bound
        self.near: Tensor
        self.register_buffer("near", torch.tensor(NEAR))
        self.field = create_field(config.model)
        self.proposals = nn.ModuleList(create_proposal(config.model, r) for r in RESOLUTIONS)

    def start_at(self, distance: float) -> None:
        """Nothing is looked for that is nearer to a camera than this, in world units."""
        self.near.fill_(max(NEAR, distance / self._bound))

    def counts(self) -> tuple[int, int, int]:
        """Samples of the proposals and of the main field."""
        n = self.settings.samples_per_ray
        return n, n // 2, n // 4

    def sampling_rows(self) -> int:
        """A shift of all samples for each of the fields."""
        return 1 + len(RESOLUTIONS)

    def loss(self, rays: Rays, truth: Tensor, noise: Tensor, background: Tensor | float) -> Loss:
        """Mean squared error, the proposals' own loss, and a little against floaters."""
        rendered, proposed, (edges, w) = self._render(rays, noise.t(), background)
        error = ((rendered.rgb - truth) ** 2).mean()
        value = error + DISTORTION_WEIGHT * distortion(edges, w)
        for histogram in proposed:
            value = value + proposal_loss(*histogram, edges, w)
        used = torch.tensor(float(len(rays)), device=truth.device)
        return Loss(value, error.detach(), used, w.numel())

    def compile_parts(self) -> None:
        """The fields; what lies between them is little work."""
        self._compiled = True
        for field in (self.field, *self.proposals):
            field.compile_parts()

    @torch.no_grad()
    def render(self, rays: Rays) -> Rendered:
        """Each piece is sampled in its middle."""
        if self._compiled:
            return in_blocks(rays, self._chunk_rays, self._look_compiled)
        size = block_rays(BLOCK_SAMPLES, self.settings.samples_per_ray, rays.o.device)
        return in_blocks(rays, size, self._look)

    def _look(self, rays: Rays) -> Rendered:
        middle = torch.full((len(rays), self.sampling_rows()), 0.5, device=rays.o.device)
        return self._render(rays, middle, self._grey)[0]

    def _look_compiled(self, rays: Rays) -> Rendered:
        """As in training: otherwise the fields would be compiled once more."""
        with torch.enable_grad():
            return self._look(rays.padded(self._chunk_rays)).first(len(rays))

    def _render(
        self, rays: Rays, jitter: Tensor, background: Tensor | float
    ) -> tuple[Rendered, list[Histogram], Histogram]:
        """What the main field sees, the proposals, and the main field's weights."""
        counts, proposed = self.counts(), list[Histogram]()
        edges = first_edges(jitter[:, :1], counts[0], self.near)
        for i, proposal in enumerate(self.proposals):
            t, delta = self._pieces(edges)
            sigma = proposal(points(rays, t).reshape(-1, 3)).view_as(t)
            w = row_weights(with_end(sigma, delta) * delta)
            proposed.append((edges, w))
            u = stratified(jitter[:, i + 1 : i + 2], counts[i + 1] + 1)
            edges = sample_histogram(edges, w.detach() ** trust(self.settings.progress), u)
        t, delta = self._pieces(edges)
        x = points(rays, t)
        sigma, rgb = self.field(x.reshape(-1, 3), rays.d[:, None].expand_as(x).reshape(-1, 3))
        sigma = with_end(sigma.view_as(t), delta)
        rendered, w = render_rows(sigma, rgb.view_as(x), t, delta, background)
        return rendered, proposed, (edges, w)

    def _pieces(self, edges: Tensor) -> tuple[Tensor, Tensor]:
        """Middles and lengths (R, S), in world units, of pieces whose edges are in s."""
        t = distance(edges) * self._bound
        return (t[:, 1:] + t[:, :-1]) / 2, t[:, 1:] - t[:, :-1]


def with_end(sigma: Tensor, delta: Tensor) -> Tensor:
    """Densities (R, S) of which the last lets no light through: every ray ends at something.

    Rays that end in the open would first of all make everything dense, and so most what is near.
    """
    return torch.cat([sigma[:, :-1], sigma[:, -1:] + OPAQUE / delta[:, -1:]], 1)


def trust(progress: float) -> float:
    """Exponent of the proposals' weights: nearly 0, which is even sampling, at the start, and 1.

    They would never look again where they saw nothing at first. Eq. 18 of Mip-NeRF 360.
    """
    return TRUST_SLOPE * progress / ((TRUST_SLOPE - 1) * progress + 1)


def first_edges(jitter: Tensor, count: int, nearest: Tensor) -> Tensor:
    """Even edges (R, count + 1) in s, shifted by up to half a piece. jitter: (R, 1)."""
    near, far = spacing(nearest), spacing(torch.tensor(FAR, device=nearest.device))
    place = torch.arange(count + 1, device=jitter.device) + (jitter - 0.5)
    return near + (far - near) * (place / count).clamp(0, 1)


def spacing(t: Tensor) -> Tensor:
    """s of distances in units of the scene's bound."""
    return torch.where(t < 1, t / 2, 1 - 1 / (2 * t))


def distance(s: Tensor) -> Tensor:
    """The inverse of `spacing`, element by element."""
    return torch.where(s < 0.5, 2 * s, 1 / (2 * (1 - s).clamp(min=1e-6)))
