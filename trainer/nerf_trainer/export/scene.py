"""The trained scene, as the newest checkpoint has it."""

import copy
import logging
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nerf_contract import names
from nerf_contract.reasons import CHECKPOINT_VOLUME
from nerf_contract.training import TrainerConfig
from nerf_trainer import compiler
from nerf_trainer.checkpoint import Checkpoint, CheckpointReader
from nerf_trainer.config import identity
from nerf_trainer.cpus import usable_cpus
from nerf_trainer.device import choose_device
from nerf_trainer.export.cameras import Cameras, Picture
from nerf_trainer.failures import TrainerFailure
from nerf_trainer.fields import RadianceField
from nerf_trainer.models import SceneModel
from nerf_trainer.models.occupancy import OccupancyModel
from nerf_trainer.places import dataset_root
from nerf_trainer.precision import Precision
from nerf_trainer.rays import Rays
from nerf_trainer.scenes import load_cameras
from nerf_trainer.schedule import chunk_rays
from nerf_trainer.state import weights_digest
from nerf_trainer.trained_model import finest_field, model_weights, open_model
from nerf_trainer.volrend import Rendered

log = logging.getLogger(__name__)

#: Rays of average length whose samples are evaluated at once where nothing is compiled.
RAYS_AT_ONCE = {"cpu": 1 << 13, "cuda": 1 << 14}


@dataclass(frozen=True)
class TrainedScene:
    """A model with the weights of a checkpoint, and the cameras it was trained with.

    model: for pictures, compiled where the training is. field: that which is seen, as it is: what
    is compiled for one number of points would be compiled again for any other. step: of the
    checkpoint. weights: SHA-256 of the model in it, in hex.
    """

    config: TrainerConfig
    device: torch.device
    model: SceneModel
    field: RadianceField
    step: int
    weights: str

    @cached_property
    def cameras(self) -> Cameras:
        """The training cameras. Raises TrainerFailure (DatasetInvalid)."""
        return Cameras.of(load_cameras(self.config.dataset, dataset_root()))

    @property
    def bound(self) -> float:
        """Half the edge of the scene's cube."""
        return self.config.model.scene_bound

    def look(self, rays: Rays) -> Rendered:
        """What rays see."""
        with Precision(self.config.training.precision, self.device).autocast():
            return self.model.render(rays)

    def render(
        self, pose: NDArray[np.float64], picture: Picture, rows: range | None = None
    ) -> NDArray[np.uint8]:
        """What a camera at `pose` (3, 4) sees: (H, W, 3), or so many rows of it."""
        rgb = self.look(picture.rays(pose, self.device, rows)).rgb
        pixels = (rgb.clamp(0, 1) * 255).round().byte().cpu()
        return pixels.view(-1, picture.width, 3).numpy()

    @torch.no_grad()
    def density(self, x: Tensor) -> Tensor:
        """Density (M,), in 1 per world unit, at points x (M, 3); 0 where pictures show nothing."""
        found = torch.zeros(len(x), device=x.device)
        seen = self._looked_at(x).nonzero()[:, 0]
        if len(seen):
            found[seen], _ = self.field(x[seen], torch.zeros_like(x[seen]))
        return found

    def _looked_at(self, x: Tensor) -> Tensor:
        """Where the model has samples at all (M,)."""
        if isinstance(self.model, OccupancyModel):
            return self.model.grid.at(x) > 0
        return torch.ones(len(x), dtype=torch.bool, device=x.device)


def open_scene(config: TrainerConfig, folder: Path, threads: int | None = None) -> TrainedScene:
    """The scene of the newest checkpoint in the job's folder.

    threads: that this process may use from now on; one for each CPU, if absent.
    Raises TrainerFailure: CheckpointVolumeUnusable where there is none, and what
    `CheckpointReader.newest` and `choose_device` raise.
    """
    device = choose_device(config.training.device, 0)
    torch.set_num_threads(threads or usable_cpus())
    found = _newest(config, folder / names.CHECKPOINTS_DIR)
    # On a CPU the training's own kernels serve; a GPU is fast enough without the wait for them.
    compiled = config.training.compile and device.type == "cpu"
    rays = chunk_rays(config.training, 0) if compiled else RAYS_AT_ONCE[device.type]
    model = open_model(config, found, rays, device)
    field = copy.deepcopy(finest_field(model))
    if compiled:
        compiler.set_up()
        model.compile_parts()
    log.info("the scene of step %d, on %s", found.step, device)
    digest = weights_digest(model_weights(found))
    return TrainedScene(config, device, model, field, found.step, digest)


def _newest(config: TrainerConfig, folder: Path) -> Checkpoint:
    found = CheckpointReader(folder, identity(config)).newest() if folder.is_dir() else None
    if found is None:
        raise TrainerFailure(
            CHECKPOINT_VOLUME,
            f"{folder} holds no checkpoint to make outputs of. Train the scene first, and keep its "
            "checkpoint volume.",
        )
    return found
