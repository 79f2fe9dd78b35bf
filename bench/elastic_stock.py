"""The same training as PyTorch's own means do it: DistributedDataParallel under stock torchrun.

torchrun restarts all processes when the group changes. Each of them reads the state that rank 0
saved after every step in memory, which all share: nothing is lost, and nothing read from a disk.
"""

import argparse
import os
import time
from pathlib import Path

import torch
import torch.distributed as dist
from elastic_notes import Notebook
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from nerf_trainer.config import load_config
from nerf_trainer.elastic.interface import Generation
from nerf_trainer.places import dataset_root
from nerf_trainer.rays import Rays
from nerf_trainer.scenes import load_scene
from nerf_trainer.trainer import Trainer

CPU = torch.device("cpu")


class LossValue(nn.Module):  # type: ignore[misc]
    """The model as DDP wants it: its output is a tensor."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, rays: Rays, noise: Tensor) -> Tensor:
        """The loss (), of so many rays and their noise."""
        return self.model(rays, noise).value


def main() -> None:
    """Train for as long as this process lives."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--state", type=Path, required=True, help="file in memory")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    config = load_config(arguments.config)
    scene = load_scene(config.dataset, dataset_root(), config.model.resolved_background)
    trainer = Trainer(config, scene, CPU)
    if arguments.state.exists():
        saved = torch.load(arguments.state, weights_only=True)  # nosemgrep: no-pickle (usual)
        trainer.state.load(saved)
    train(trainer, arguments.state)


def train(trainer: Trainer, file: Path) -> None:
    """Step after step, each one saved."""
    rank, world = dist.get_rank(), dist.get_world_size()
    started = torch.tensor(time.monotonic_ns())
    dist.broadcast(started, 0)  # A number of this group that later ones exceed.
    group = Generation(int(started), rank, world, source=0, writer=0)
    model = DistributedDataParallel(LossValue(trainer.state.model), broadcast_buffers=False)
    notebook = Notebook()
    while True:
        step(trainer, model, group)
        if rank == 0:
            save(trainer, file)
        rays = trainer.training.rays_per_batch
        notebook.write(trainer.state.step, group.number, world, rays)


def step(trainer: Trainer, model: DistributedDataParallel, group: Generation) -> None:
    """One step on this rank's shards, whose gradients DDP averages over the ranks."""
    state, shards = trainer.state, trainer.shards_of(group)
    state.optimizer.zero_grad()
    for shard in shards:
        for rays, noise in trainer._chunks(shard):
            model.require_backward_grad_sync = shard == shards[-1]
            (model(rays, noise) * (group.world_size / trainer.training.shards)).backward()
    found = torch.stack([trainer.survey(shard) for shard in shards]).sum(0)
    dist.all_reduce(found)
    state.apply_gradients()
    state.model.take_in(state.step, found)
    state.advance()


def save(trainer: Trainer, file: Path) -> None:
    """Whole, or not at all."""
    temporary = file.with_suffix(f".{os.getpid()}")
    torch.save(trainer.state.tensors(), temporary)  # nosemgrep: no-pickle
    temporary.rename(file)


if __name__ == "__main__":
    main()
