"""One training step, and all that it needs, apart from who else takes part in it."""

import logging
import math
from dataclasses import dataclass

import torch

from nerf_contract.training import TrainerConfig
from nerf_trainer.collectives import Replica, sum_over_ranks
from nerf_trainer.elastic.interface import Generation
from nerf_trainer.occupancy import is_due
from nerf_trainer.randomness import generator
from nerf_trainer.rays import RaySource
from nerf_trainer.renderer import Loss, Renderer
from nerf_trainer.scenes import Scene
from nerf_trainer.state import TrainState

log = logging.getLogger(__name__)

BACKGROUNDS = {"white": 1.0, "black": 0.0}


@dataclass(frozen=True)
class StepResult:
    """What all ranks agree on after a step.

    loss: mean squared error over the batch. rays: so many took part in it, see `sampling`.
    samples: field evaluations, padding included.
    changing: some rank knows of a new generation.
    """

    loss: float
    rays: int
    samples: int
    changing: bool


class Trainer:
    """The state and the step that advances it.

    A batch is made of `training.shards` shards, each with its own forward and backward pass over
    arrays of one size; rank r of W computes the shards s with s % W == r.
    """

    def __init__(self, config: TrainerConfig, scene: Scene, device: torch.device) -> None:
        training = config.training
        self.training = training
        self.device = device
        self.state = TrainState(config, device)
        self.shard_rays = training.rays_per_batch // training.shards
        self.shard_samples = shard_budget(self.shard_rays, config)
        self.renderer = Renderer(
            self.state.field,
            self.state.grid,
            self.state.precision,
            budget=self.shard_samples,
            count=training.samples_per_ray,
            background=BACKGROUNDS[config.model.background],
        )
        self.train_rays = RaySource(scene.train, device)
        self.held_out_rays = RaySource(scene.held_out, device)
        if training.compile:
            torch._dynamo.config.optimize_ddp = False
            self.state.field.compile(dynamic=False)

    def warm_up(self) -> None:
        """Compile everything by one shard's forward and backward pass. Changes no state."""
        self._shard_loss(self.state.field, 0).value.backward()
        self.state.optimizer.zero_grad()

    def step(self, replica: Replica, generation: Generation, changing: bool) -> StepResult:
        """One optimizer step; all ranks of the generation take it together.

        changing: whether this rank knows of a new generation. A step whose loss is not finite
        leaves the weights as they are.
        """
        mine = [*self._accumulate_gradients(replica, generation), float(changing)]
        loss_sum, rays, votes = sum_over_ranks(mine, generation, self.device)
        loss = loss_sum / self.training.shards
        if math.isfinite(loss):
            self.state.apply_gradients()
        self.state.optimizer.zero_grad()
        self.state.step += 1
        if is_due(self.state.step):
            self.update_occupancy()
        return StepResult(loss, int(rays), self.shard_samples * self.training.shards, votes > 0)

    def update_occupancy(self) -> None:
        """Let the grid follow the field."""
        self.state.grid.update(self.state.step, self.training.seed, self.renderer.density_at)

    def shards_of(self, generation: Generation) -> range:
        """Numbers of the shards that this rank computes."""
        return range(generation.rank, self.training.shards, generation.world_size)

    def _accumulate_gradients(self, replica: Replica, generation: Generation) -> list[float]:
        """Forward and backward of this rank's shards: the sums of their losses and rays."""
        shards = self.shards_of(generation)
        # DDP takes the mean over ranks; the batch's gradient is the mean over shards.
        share = generation.world_size / self.training.shards
        sums = torch.zeros(2, device=self.device)
        for shard in shards:
            with replica.accumulating(last=shard == shards[-1]):
                loss = self._shard_loss(replica, shard)
                self.state.precision.scaler.scale(loss.value * share).backward()
            sums += torch.stack([loss.value.detach(), loss.rays])
        return list(sums.tolist())

    def _shard_loss(self, field: Replica | torch.nn.Module, shard: int) -> Loss:
        rng = generator(self.training.seed, self.state.step, shard)
        rays = self.train_rays.draw(self.shard_rays, rng)
        return self.renderer.training_loss(field, rays, rng)


def shard_budget(rays: int, config: TrainerConfig) -> int:
    """Samples in a shard's arrays: enough for rays of average length, and for any single one."""
    training = config.training
    average = min(training.kept_samples_per_ray, training.samples_per_ray)
    return max(rays * average, training.samples_per_ray)
