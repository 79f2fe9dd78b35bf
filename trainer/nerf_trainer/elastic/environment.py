"""Membership where there is no coordinator: plain torchrun, or a single process."""

import torch
import torch.distributed as dist

from nerf_trainer.elastic.collective import retire_group
from nerf_trainer.elastic.interface import Generation
from nerf_trainer.elastic.process_group import COLLECTIVE_TIMEOUT


class EnvMembership:
    """One generation, from torchrun's environment, or of this process alone.

    When a peer is lost this process has to end: torchrun starts all of them anew.
    """

    def __init__(self, device: torch.device, rank: int, world_size: int) -> None:
        self._backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
        self._rank = rank
        self._world_size = world_size
        self._joined = False
        self._leaving = False

    @property
    def is_writer(self) -> bool:
        return self._rank == 0

    def join(self, step: int) -> Generation:
        if self._joined:
            raise RuntimeError("a peer was lost; without a coordinator all have to start anew")
        self._joined = True
        alone = dist.HashStore() if self._world_size == 1 else None
        dist.init_process_group(
            self._backend,
            store=alone,
            rank=self._rank,
            world_size=self._world_size,
            timeout=COLLECTIVE_TIMEOUT,
        )
        return Generation(1, self._rank, self._world_size, source=0, writer=0)

    def changing(self) -> bool:
        return self._leaving

    def announce_departure(self) -> None:
        self._leaving = True

    def leave(self) -> None:
        if dist.is_initialized():
            retire_group()

    def close(self) -> None:
        self.leave()
