"""Jobs with a checkpoint of a small training, to be looked at."""

import functools
import tempfile
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from scene_files import ANGLE_X, blender_scene, pose
from small_trainings import MODELS, train

from nerf_contract import names
from nerf_contract.training import TrainerConfig
from nerf_trainer.checkpoint import CheckpointStore
from nerf_trainer.config import identity
from nerf_trainer.manifest import Notes
from nerf_trainer.scenes import load_scene
from nerf_trainer.trainer import Trainer
from nerf_trainer.viewer.camera import Camera

#: A held-out view of the scene.
CAMERA = Camera(pose(8, 10)[:3], ANGLE_X, 1.0)
NOTES = Notes(world_size=2, psnr=21.5)


def config_of(model: str) -> TrainerConfig:
    """Small settings, not compiled."""
    training = {"steps": 150, "raysPerBatch": 256, "samplesPerRay": 48, "compile": False}
    return TrainerConfig.model_validate(
        {"dataset": {"downscale": 1}, "model": MODELS[model], "training": training}
    )


CONFIG = config_of("occupancy")
STEPS = 48


@functools.cache
def trained() -> Trainer:
    """A training of the ball, to be saved but not to be changed."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        scene = load_scene(CONFIG.dataset, blender_scene(Path(folder)), "white")
    trainer = Trainer(CONFIG, scene, torch.device("cpu"))
    train(trainer, STEPS)
    return trainer


def leave_checkpoint(folder: Path) -> None:
    """Save the trained ball as a job in `folder` does."""
    store = CheckpointStore(folder / names.CHECKPOINTS_DIR, identity(CONFIG), keep=3)
    state = trained().state
    store.save(state.step, safetensors.torch.save(state.tensors()), NOTES)


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """dB, of pictures of uint8."""
    return float(-10 * np.log10(np.mean((a / 255.0 - b / 255.0) ** 2)))
