"""How a scene is sampled, rendered and learnt; chosen by `spec.model.sampling`."""

import torch

from nerf_contract.training import TrainerConfig
from nerf_trainer.models.hierarchical import HierarchicalModel
from nerf_trainer.models.interface import Loss, SceneModel
from nerf_trainer.models.occupancy import OccupancyModel
from nerf_trainer.models.proposal import ProposalModel

__all__ = ["Loss", "SceneModel", "create_model"]


def create_model(config: TrainerConfig, chunk_rays: int) -> SceneModel:
    """The model that the config describes; its initial weights depend on the seed alone.

    chunk_rays: rays that are trained at once.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.training.seed)
        if config.model.resolved_sampling == "hierarchical":
            return HierarchicalModel(config)
        if config.model.resolved_sampling == "proposal":
            return ProposalModel(config, chunk_rays)
        return OccupancyModel(config, chunk_rays)
