"""The model of a checkpoint, to look at."""

import torch
from torch import Tensor

from nerf_contract.training import TrainerConfig
from nerf_trainer.checkpoint import Checkpoint
from nerf_trainer.fields import RadianceField
from nerf_trainer.models import SceneModel, create_model
from nerf_trainer.models.hierarchical import HierarchicalModel
from nerf_trainer.schedule import settings_at

MODEL = "model."


def model_weights(checkpoint: Checkpoint) -> dict[str, Tensor]:
    """The tensors of the model, by their names in it."""
    found = checkpoint.tensors.items()
    return {name.removeprefix(MODEL): t for name, t in found if name.startswith(MODEL)}


def open_model(
    config: TrainerConfig, checkpoint: Checkpoint, chunk_rays: int, device: torch.device
) -> SceneModel:
    """The model as it was at the checkpoint's step, not compiled.

    chunk_rays: see `create_model`.
    """
    model = create_model(config, chunk_rays).to(device)
    model.load_state_dict(model_weights(checkpoint))
    model.refresh()
    model.apply_settings(settings_at(config.training, checkpoint.step))
    return model


def finest_field(model: SceneModel) -> RadianceField:
    """The field that is seen; a hierarchical model has two."""
    found = model.fine if isinstance(model, HierarchicalModel) else model.field
    assert isinstance(found, RadianceField)
    return found
