"""Waiting, together, until the group changes."""

import time

import torch

from nerf_trainer.collectives import sum_over_ranks
from nerf_trainer.elastic.interface import Generation, Membership

POLL_SECONDS = 0.2


def wait_for_change(membership: Membership, generation: Generation, device: torch.device) -> None:
    """Return on all ranks at once, when one of them knows of a new generation."""
    while not sum_over_ranks([float(membership.changing())], generation, device)[0]:
        time.sleep(POLL_SECONDS)
