"""Membership in a training group that changes while it trains."""

import os

import torch

from nerf_contract import names
from nerf_trainer.coordination.client import Client
from nerf_trainer.coordination.identity import identity
from nerf_trainer.coordination.token import read_token
from nerf_trainer.elastic.coordinated import CoordinatedMembership
from nerf_trainer.elastic.environment import EnvMembership
from nerf_trainer.elastic.interface import Membership
from nerf_trainer.elastic.process_group import ProcessGroup


def create_membership(device: torch.device, config: str = "") -> Membership:
    """The membership that this process's environment calls for.

    device: that of the parameters; it decides between gloo and NCCL. config: see `Identity`.
    Raises: TokenError.
    """
    env = os.environ
    address = env.get(names.ENV_COORDINATOR)
    if not address:
        rank, world_size = int(env.get("RANK", "0")), int(env.get("WORLD_SIZE", "1"))
        return EnvMembership(device, rank, world_size)
    group = ProcessGroup(device, env.get(names.ENV_POD_IP) or "127.0.0.1")
    return CoordinatedMembership(Client(address, read_token(env)), identity(env, config), group)
