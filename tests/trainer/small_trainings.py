"""Small trainings of every way to sample."""

from pathlib import Path

import torch

from nerf_contract.training import PreparedDataset, TrainerConfig
from nerf_trainer.elastic.interface import Generation
from nerf_trainer.evaluate import psnr
from nerf_trainer.scenes import Scene, load_scene
from nerf_trainer.trainer import Trainer

ALONE = Generation(number=1, rank=0, world_size=1, source=0, writer=0)
SMALL_GRID = {"levels": 6, "log2TableSize": 13, "finestResolution": 64, "hiddenWidth": 32}
MODELS = {
    "occupancy": {**SMALL_GRID, "occupancyResolution": 16, "sceneBound": 1.0},
    "hierarchical": {**SMALL_GRID, "sampling": "hierarchical", "sceneBound": 1.0},
    "proposal": {**SMALL_GRID, "space": "unbounded", "sceneBound": 1.5},
}


def create(folder: Path, name: str, device: str = "cpu", **training: object) -> Trainer:
    """A trainer of the scene in `folder` with small settings, not compiled unless told."""
    background = training.get("background", "white")
    return create_for(load_scene(PreparedDataset(), folder, background), name, device, **training)


def create_for(scene: Scene, name: str, device: str = "cpu", **training: object) -> Trainer:
    """The same, of a scene that was read."""
    config = TrainerConfig.model_validate(
        {
            "model": {**MODELS[name], "background": training.pop("background", "white")},
            "training": {
                **{"steps": 150, "raysPerBatch": 256, "samplesPerRay": 48, "shards": 4},
                **{"compile": False, "threads": 1, "device": device, **training},
            },
        }
    )
    torch.set_num_threads(config.training.threads)
    return Trainer(config, scene, torch.device(device))


def train(trainer: Trainer, steps: int) -> list[float]:
    """The losses of so many steps."""
    return [trainer.step(ALONE, changing=False).loss for _ in range(steps)]


def gain(trainer: Trainer) -> float:
    """PSNR (dB) of a held-out view beyond that of its mean colour as a guess."""
    rays = trainer.held_out_rays.view(0)
    guess = psnr(rays.rgb.mean(0).expand_as(rays.rgb), rays.rgb)
    return psnr(trainer.render(rays).rgb, rays.rgb) - guess


def same(a: Trainer, b: Trainer) -> bool:
    """Whether two states are equal bit by bit."""
    first, second = a.state.tensors(), b.state.tensors()
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)
