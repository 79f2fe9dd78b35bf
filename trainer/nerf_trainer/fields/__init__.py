"""Radiance fields, chosen by `spec.model`."""

import torch

from nerf_contract.training import ModelConfig
from nerf_trainer.fields.hashgrid import HashGrid
from nerf_trainer.fields.radiance import RadianceField

__all__ = ["RadianceField", "create_field"]


def create_field(config: ModelConfig, seed: int) -> RadianceField:
    """The field that the config describes; its initial weights depend on the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoding = HashGrid(
            config.levels,
            config.log2_table_size,
            config.features_per_level,
            config.base_resolution,
            config.finest_resolution,
        )
        return RadianceField(encoding, config.hidden_width, config.scene_bound)
