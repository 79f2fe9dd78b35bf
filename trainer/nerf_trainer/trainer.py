"""One training step, and all that it needs, apart from who else takes part in it."""

import logging
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from nerf_contract.training import TrainerConfig
from nerf_trainer import compiler
from nerf_trainer.device import repeat_exactly
from nerf_trainer.elastic.activity import activity
from nerf_trainer.elastic.interface import Generation
from nerf_trainer.gradients import ExactGradientSum, GradientSum, shards_of
from nerf_trainer.models import Loss
from nerf_trainer.phases import PhaseClock
from nerf_trainer.randomness import generator
from nerf_trainer.ray_source import RaySource
from nerf_trainer.rays import Rays
from nerf_trainer.scenes import Scene
from nerf_trainer.schedule import chunk_rays
from nerf_trainer.shared_view import shared_distance
from nerf_trainer.state import TrainState
from nerf_trainer.volrend import Rendered

log = logging.getLogger(__name__)

#: Of a shard: its error, its rays and its samples.
SUMS = 3


@dataclass(frozen=True)
class StepResult:
    """What all ranks agree on after a step.

    loss: mean squared error over the batch. rays: so many took part in it, see `sampling`.
    samples: evaluations of the main field, padding included. changing: some rank knows of a new
    generation. skipped: the loss or a gradient was not finite, and the weights were left alone.
    seconds: of this rank, by phase.
    """

    loss: float
    rays: int
    samples: int
    changing: bool
    skipped: bool
    seconds: Mapping[str, float]


@dataclass(frozen=True)
class Sums:
    """What the ranks add up besides their gradients; `gradients` is finite if all of them are.

    found: what the shards have found besides, see `SceneModel.survey`, (V, S).
    """

    found: Tensor
    error: float
    rays: float
    samples: float
    changing: float
    out_of_memory: float
    gradients: float


class Trainer:
    """The state and the step that advances it.

    A batch is made of `training.shards` shards, each drawn from a generator of its own, which the
    ranks share. A shard is computed in chunks of one size.
    """

    def __init__(self, config: TrainerConfig, scene: Scene, device: torch.device) -> None:
        self.training = config.training
        self.device = device
        self.shard_rays = self.training.rays_per_batch // self.training.shards
        self.state = TrainState(config, chunk_rays(self.training, 0), device)
        if config.model.space == "unbounded":
            self.state.model.start_at(shared_distance(scene.train, config.model.scene_bound))
        self.train_rays = RaySource(scene.train, device)
        self.held_out_rays = RaySource(scene.held_out, device)
        self._clock = PhaseClock(device)
        exact = self.training.exact_on(device.type)
        if exact:
            repeat_exactly(device)
        kind = ExactGradientSum if exact else GradientSum
        shards, survey = self.training.shards, self.state.model.survey_size()
        self._gradients = kind(
            self.state.model.parameters(), shards, tail=SUMS + shards * survey, votes=2
        )
        if self.training.compile:
            compiler.set_up()
            self.state.model.compile_parts()

    def warm_up(self) -> None:
        """Compile everything by one chunk's forward and backward pass.

        Changes no state, but for smaller chunks where one does not fit in memory. Raises
        OutOfMemoryError where not even a ray does.
        """
        while not self._fits(self._compute_one_chunk):
            self._halve_chunks()
        self.forget_gradients()

    def forget_gradients(self) -> None:
        """Drop what an unfinished step has accumulated."""
        self._gradients.zero()
        self._clock.lap()

    def step(self, generation: Generation, changing: bool) -> StepResult:
        """One optimizer step; all ranks of the generation take it together.

        changing: whether this rank knows of a new generation. A rank that is out of memory makes
        all of them do the step again in smaller chunks.
        """
        sums = self._gradients_of_all(generation, changing)
        while sums.out_of_memory:
            with activity.lengthy():  # It compiles anew.
                self._halve_chunks()
                sums = self._gradients_of_all(generation, changing)
        loss = sums.error / self.training.shards
        finite = math.isfinite(loss) and math.isfinite(sums.gradients)
        with self._clock.phase("optimizer"):
            if finite or self.state.precision.scaler.is_enabled():
                self.state.apply_gradients()
            self._gradients.zero()
        with self._clock.phase("occupancy"):
            self.state.model.take_in(self.state.step, sums.found)
        self.state.advance()
        return StepResult(
            loss=loss,
            rays=int(sums.rays),
            samples=int(sums.samples),
            changing=sums.changing > 0,
            skipped=not finite,
            seconds=self._clock.lap(),
        )

    @property
    def shapes(self) -> tuple[int, ...]:
        """What code is compiled for, and photos are shrunk for: others take their time at first."""
        settings = self.state.model.settings
        return settings.downscale, settings.samples_per_ray, self.state.halvings

    def shards_of(self, generation: Generation) -> range:
        """Numbers of the shards that this rank computes."""
        return shards_of(generation.rank, generation.world_size, self.training.shards)

    def survey(self, shard: int) -> Tensor:
        """What a shard finds in this step besides its gradients, in its place among all: (V, S)."""
        model = self.state.model
        found = torch.zeros(self.training.shards, model.survey_size(), device=self.device)
        with self._clock.phase("occupancy"), self.state.precision.autocast():
            own = model.survey(self.state.step, self.training.seed, shard)
            found[shard, : len(own)] = own
        return found

    def render(self, rays: Rays) -> Rendered:
        """Render any number of rays as they are judged: without randomness."""
        with self.state.precision.autocast():
            return self.state.model.render(rays)

    def _gradients_of_all(self, generation: Generation, changing: bool) -> Sums:
        """Accumulate the gradients of this rank's shards, and add up those of all ranks."""
        out_of_memory = not self._fits(lambda: self._accumulate_shards(generation))
        votes = torch.tensor([changing, out_of_memory], dtype=torch.float32, device=self.device)
        with self._clock.phase("all_reduce"):
            summed = self._gradients.over_ranks(votes, generation)
            found = summed[SUMS:-3].view(self.training.shards, self.state.model.survey_size())
            return Sums(found, *torch.cat([summed[:SUMS], summed[-3:]]).tolist())

    def _fits(self, compute: Callable[[], None]) -> bool:
        """Whether there is memory enough to compute; if not, its gradients are dropped."""
        try:
            compute()
        except torch.OutOfMemoryError as error:
            # Not the error itself: a log record that someone keeps would hold all its tensors.
            log.warning("out of memory in chunks of %d rays: %s", self._chunk_rays, str(error))
            self._gradients.zero()
            return False
        return True

    def _compute_one_chunk(self) -> None:
        rays, noise = next(self._chunks(0))
        self._loss(rays, noise).value.backward()

    def _accumulate_shards(self, generation: Generation) -> None:
        for shard in self.shards_of(generation):
            self._gradients.end_shard(shard, self._accumulate_shard(shard))

    def _accumulate_shard(self, shard: int) -> Tensor:
        """Forward and backward of a shard: its sums, and what it finds, in its place among all."""
        sums = torch.zeros(SUMS, device=self.device)
        for rays, noise in self._chunks(shard):
            sums += self._accumulate(rays, noise)
        return torch.cat([sums, self.survey(shard).view(-1)])

    def _accumulate(self, rays: Rays, noise: Tensor) -> Tensor:
        """Forward and backward of a chunk: its part of the error, its rays and its samples."""
        share = len(rays) / self.shard_rays
        with self._clock.phase("forward"):
            loss = self._loss(rays, noise)
        with self._clock.phase("backward"):
            scaled = self.state.precision.scaler.scale(loss.value)
            (scaled * (share / self.training.shards)).backward()
        samples = loss.rays.new_tensor(loss.samples)
        return torch.stack([loss.error * share, loss.rays.float(), samples.float()])

    def _loss(self, rays: Rays, noise: Tensor) -> Loss:
        with self.state.precision.autocast():
            loss: Loss = self.state.model(rays, noise)
        return loss

    def _chunks(self, shard: int) -> Iterator[tuple[Rays, Tensor]]:
        """The rays of a shard and their noise (rows, R), cut into chunks of one size."""
        with self._clock.phase("data"):
            model = self.state.model
            rng = generator(self.training.seed, self.state.step, shard)
            source = self.train_rays.at(model.settings.downscale)
            rays = source.draw(self.shard_rays, rng)
            noise = torch.from_numpy(rng.random((model.noise_rows(), len(rays)), dtype="float32"))
            noise = noise.to(self.device)
        size = self._chunk_rays
        for start in range(0, len(rays), size):
            yield rays.slice(start, start + size), noise[:, start : start + size]

    @property
    def _chunk_rays(self) -> int:
        return chunk_rays(self.training, self.state.halvings)

    def _halve_chunks(self) -> None:
        if self._chunk_rays == 1:
            raise torch.OutOfMemoryError("not even a single ray fits in memory")
        self.state.halvings += 1
        self._gradients.zero()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        log.warning("step %d is done again in chunks of %d rays", self.state.step, self._chunk_rays)
