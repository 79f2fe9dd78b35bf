"""Radiance fields, chosen by `spec.model`."""

from torch import nn

from nerf_contract.training import ModelConfig
from nerf_trainer.fields.classic import ClassicNetwork
from nerf_trainer.fields.compact import CompactNetwork, DensityNetwork
from nerf_trainer.fields.frequency import FrequencyEncoding
from nerf_trainer.fields.hashgrid import HashGrid
from nerf_trainer.fields.radiance import DensityField, RadianceField
from nerf_trainer.fields.space import Contraction, Cube, Space

__all__ = ["DensityField", "RadianceField", "create_field", "create_proposal"]

POSITION_FREQUENCIES = 10
#: A proposal only finds surfaces: a small table, few levels and a small network do.
PROPOSAL_LEVELS = 5
PROPOSAL_LOG2_TABLE = 14
PROPOSAL_WIDTH = 16
#: Space is nearly transparent at first, the more so the farther rays go.
LOG_DENSITY = {"bounded": -1.0, "unbounded": -3.0}


def create_field(config: ModelConfig) -> RadianceField:
    """The field that the config describes, with weights from torch's global generator."""
    encoding = create_encoding(config)
    if config.type == "mlp":
        network: nn.Module = ClassicNetwork(encoding.out_features)
    else:
        network = CompactNetwork(
            encoding.out_features, config.hidden_width, LOG_DENSITY[config.space]
        )
    return RadianceField(create_space(config), encoding, network)


def create_proposal(config: ModelConfig, finest_resolution: int) -> DensityField:
    """A small field in the same space."""
    table = min(PROPOSAL_LOG2_TABLE, config.log2_table_size)
    base = min(config.base_resolution, finest_resolution)
    encoding = HashGrid(PROPOSAL_LEVELS, table, 2, base, finest_resolution)
    network = DensityNetwork(encoding.out_features, PROPOSAL_WIDTH, LOG_DENSITY[config.space])
    return DensityField(create_space(config), encoding, network)


def create_encoding(config: ModelConfig) -> HashGrid | FrequencyEncoding:
    """The encoding of positions."""
    if config.resolved_encoding == "frequency":
        return FrequencyEncoding(POSITION_FREQUENCIES)
    return HashGrid(
        config.levels,
        config.log2_table_size,
        config.features_per_level,
        config.base_resolution,
        config.finest_resolution,
    )


def create_space(config: ModelConfig) -> Space:
    """World coordinates to those of the encoding."""
    if config.space == "unbounded":
        return Contraction(config.scene_bound)
    return Cube(config.scene_bound)
