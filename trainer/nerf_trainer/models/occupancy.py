"""Samples where an occupancy grid says that something is, packed in arrays of fixed shapes.

Once it is compiled, the field is called with M samples in training, for pictures and for the grid
itself, so that one version serves all three. See `sampling` for the names; P candidates of a part
of a ray.
"""

import torch
from torch import Tensor

from nerf_contract.training import TrainerConfig
from nerf_trainer.fields import create_field
from nerf_trainer.models.interface import Loss, SceneModel, block_rays, in_blocks
from nerf_trainer.occupancy import EVERY_STEPS, OccupancyGrid, Rota, look_up
from nerf_trainer.randomness import OCCUPANCY_STREAM, generator
from nerf_trainer.rays import Rays
from nerf_trainer.sampling import Samples, candidates, intersect_cube, pack, place_samples, runs
from nerf_trainer.volrend import Rendered, over, render

#: Outside training a ray is followed in so many parts of its candidates.
PARTS = 16
#: Candidates of a part that are looked up at once outside training: for many rays, so that few of
#: the samples that are evaluated are padding. A dozen arrays of this size are in memory meanwhile.
BLOCK_CANDIDATES = {"cpu": 1 << 17, "cuda": 1 << 24}
#: It ends where less than this share of the light is left: a quarter of a step of 8 bits.
LEAST_LIGHT = 1e-3


class OccupancyModel(SceneModel):
    """A field and the grid of where it is worth evaluating.

    chunk_rays: rays that are trained at once.
    """

    def __init__(self, config: TrainerConfig, chunk_rays: int) -> None:
        super().__init__(config.model)
        self.field = create_field(config.model)
        self.grid = OccupancyGrid(config.model.occupancy_resolution, config.model.scene_bound)
        self._kept = config.training.kept_samples_per_ray
        self._chunk_rays = chunk_rays
        block = chunk_rays * min(self._kept, config.training.samples_per_ray)
        self._rota = Rota(config.model.occupancy_resolution**3, config.training.shards, block)
        self._compiled = False
        self._sample = sample
        self._composite = composite

    def sampling_rows(self) -> int:
        """One place in the bins, and one phase of the thinning."""
        return 2

    def loss(self, rays: Rays, truth: Tensor, noise: Tensor, background: Tensor | float) -> Loss:
        """Mean squared error of the rays whose samples fit in M places."""
        budget = self._budget(len(rays))
        with torch.no_grad():
            samples, used = self._sample(
                *(rays.o, rays.d, noise, self.grid.occupied, self.grid.bound),
                *(self.settings.samples_per_ray, budget),
            )
        sigma, rgb = self.field(samples.x, samples.d)
        error = self._composite(samples, sigma, rgb, used, truth, background)
        return Loss(error, error.detach(), used, budget)

    @torch.no_grad()
    def render(self, rays: Rays) -> Rendered:
        """Each ray is sampled in the middle of its bins, up to where next to no light is left.

        Not to look behind what is opaque makes it about twice as fast; colours are off by
        LEAST_LIGHT at most.
        """
        part = -(-self.settings.samples_per_ray // PARTS)
        size = block_rays(BLOCK_CANDIDATES, part, rays.o.device)
        return in_blocks(rays, size, self._march)

    def survey_size(self) -> int:
        """Densities of cells."""
        return self._rota.most

    @torch.no_grad()
    def survey(self, step: int, seed: int, shard: int) -> Tensor:
        """Densities at random places of the cells whose turn it is."""
        cells = self._rota.cells_of(step, shard)
        if not cells:
            return torch.zeros(0, device=self.grid.bound.device)
        rng = generator(seed, step, OCCUPANCY_STREAM + shard)
        place = torch.from_numpy(rng.random((len(cells), 3), dtype="float32"))
        return self.density_at(self.grid.points(cells, place.to(self.grid.bound.device)))

    @torch.no_grad()
    def take_in(self, step: int, found: Tensor) -> None:
        """Let the grid follow the field."""
        cells = [self._rota.cells_of(step, shard) for shard in range(len(found))]
        densities = torch.cat([row[: len(own)] for row, own in zip(found, cells, strict=True)])
        self.grid.take_in(self._rota.cells_in(step), densities)
        if (step + 1) % EVERY_STEPS == 0:
            self.grid.judge()

    def refresh(self) -> None:
        """Let the grid be what its state says."""
        self.grid.refresh()

    def occupancy(self) -> float:
        """Share of the grid's cells that are occupied."""
        return float(self.grid.occupied.mean())

    def density_at(self, x: Tensor) -> Tensor:
        """Density (N,) at points (N, 3), evaluated M at a time."""
        budget = self._budget(self._chunk_rays)
        found = []
        for chunk in x.split(budget):
            padded = torch.zeros(budget, 3, device=x.device)
            padded[: len(chunk)] = chunk
            sigma, _ = self._evaluate(padded, padded)
            found.append(sigma[: len(chunk)])
        return torch.cat(found)

    def compile_parts(self) -> None:
        """The field serves all uses; sampling and compositing are compiled for training only."""
        self._compiled = True
        self.field.compile_parts()
        self._sample = torch.compile(sample, dynamic=False)
        self._composite = torch.compile(composite, dynamic=False)

    def _budget(self, rays: int) -> int:
        """M: enough for rays of average length, and for any single one."""
        count = self.settings.samples_per_ray
        return max(rays * min(self._kept, count), count)

    def _evaluate(self, x: Tensor, d: Tensor) -> tuple[Tensor, Tensor]:
        # Gradients are enabled even where none are wanted: without them the field would be
        # compiled a second time.
        with torch.enable_grad():
            sigma, rgb = self.field(x, d)
        return sigma.detach(), rgb.detach()

    def _march(self, rays: Rays) -> Rendered:
        near, far = intersect_cube(rays.o, rays.d, self.grid.bound)
        step = (far - near) / self.settings.samples_per_ray
        seen = torch.zeros(len(rays), 5, device=rays.o.device)  # colour, opacity, depth
        for bins in torch.arange(self.settings.samples_per_ray, device=near.device).chunk(PARTS):
            on = ((seen[:, 3] < 1 - LEAST_LIGHT) & (step > 0)).nonzero()[:, 0]
            o, d, length = rays.o[on], rays.d[on], step[on]
            t = near[on, None] + (bins + 0.5) * length[:, None]
            here = occupied_at(o, d, t, self.grid.occupied, self.grid.bound)
            hit = here.amax(1).nonzero()[:, 0]
            if len(hit):
                found = self._look(o[hit], d[hit], t[hit], length[hit], here[hit])
                on = on[hit]
                seen[on] += found * (1 - seen[on, 3, None])
        return over(seen[:, :3], seen[:, 3], seen[:, 4], self._grey)

    def _look(self, o: Tensor, d: Tensor, t: Tensor, step: Tensor, occupied: Tensor) -> Tensor:
        """Premultiplied colour, opacity and depth (R, 5) in a part of rays. t, occupied: (R, P)."""
        most = self._budget(self._chunk_rays)
        middle = torch.full((len(o),), 0.5, device=o.device)
        ends = occupied.sum(-1).long().cumsum(0).cpu().numpy()
        found = []
        for a, b in runs(ends, most):
            count = int(ends[b - 1] - (ends[a - 1] if a else 0))
            budget = most if self._compiled else max(count, t.shape[1])
            packed = pack(occupied[a:b], budget, middle[a:b])
            samples = place_samples(o[a:b], d[a:b], t[a:b], step[a:b], packed)
            part = render(samples, *self._evaluate(samples.x, samples.d), 0.0)
            found.append(torch.cat([part.rgb, part.opacity[:, None], part.depth[:, None]], 1))
        return torch.cat(found)


def find(
    o: Tensor, d: Tensor, jitter: Tensor, grid: Tensor, bound: Tensor, count: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Candidates of rays: distances (R, C), bin lengths (R,), and 1 where occupied, else 0 (R, C).

    jitter: place in the bins (R,). grid: which cells of the cube are occupied, (G^3,).
    """
    near, far = intersect_cube(o, d, bound)
    t, step = candidates(near, far, count, jitter)
    return t, step, occupied_at(o, d, t, grid, bound) * (step > 0)[:, None]


def occupied_at(o: Tensor, d: Tensor, t: Tensor, grid: Tensor, bound: Tensor) -> Tensor:
    """1 where rays are in occupied cells at distances t (R, C), else 0: (R, C)."""
    axes = [o[:, axis, None] + d[:, axis, None] * t for axis in range(3)]
    return look_up(grid, bound, axes)


def sample(
    o: Tensor, d: Tensor, noise: Tensor, grid: Tensor, bound: Tensor, count: int, budget: int
) -> tuple[Samples, Tensor]:
    """M packed samples of rays, and the number of rays, from the first, that have theirs."""
    t, step, occupied = find(o, d, noise[0], grid, bound, count)
    packed = pack(occupied, budget, noise[1])
    return place_samples(o, d, t, step, packed), packed.rays


def composite(
    samples: Samples,
    sigma: Tensor,
    rgb: Tensor,
    used: Tensor,
    truth: Tensor,
    background: Tensor | float,
) -> Tensor:
    """Mean squared error, a scalar, of the first `used` rays against `truth` (R, 3)."""
    rendered = render(samples, sigma, rgb, background)
    counts = torch.arange(len(truth), device=truth.device) < used
    error = torch.where(counts[:, None], rendered.rgb - truth, 0.0)
    return (error**2).sum() / (3 * used)
