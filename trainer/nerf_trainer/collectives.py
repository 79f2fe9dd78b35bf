"""What the ranks of a generation tell each other. Without peers, each returns at once."""

from contextlib import AbstractContextManager, nullcontext

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from nerf_trainer.elastic.interface import Generation
from nerf_trainer.state import TrainState


class Replica:
    """The field as one of several copies whose gradients are averaged in the last backward."""

    def __init__(self, field: nn.Module, generation: Generation) -> None:
        self._parallel = None
        self._field = field
        if generation.world_size > 1:
            self._parallel = DistributedDataParallel(
                field, broadcast_buffers=False, gradient_as_bucket_view=True
            )

    def __call__(self, x: Tensor, d: Tensor) -> tuple[Tensor, Tensor]:
        """The field's density and colour."""
        sigma, rgb = (self._parallel or self._field)(x, d)
        return sigma, rgb

    def accumulating(self, last: bool) -> AbstractContextManager[object]:
        """Context of a forward and backward pass: only the last one of a step talks to peers."""
        if self._parallel is None or last:
            return nullcontext()
        return self._parallel.no_sync()


def share_state(state: TrainState, generation: Generation) -> None:
    """Everyone takes over the state of the source, bit by bit."""
    if generation.world_size == 1:
        return
    tensors = state.tensors()
    device = state.grid.density.device
    for dtype in sorted({tensor.dtype for tensor in tensors.values()}, key=str):
        names = [name for name, tensor in tensors.items() if tensor.dtype is dtype]
        flat = torch.cat([tensors[name].to(device).flatten() for name in names])
        dist.broadcast(flat, generation.source)
        parts = flat.split([tensors[name].numel() for name in names])
        for name, part in zip(names, parts, strict=True):
            tensors[name] = part.view_as(tensors[name])
    if generation.rank != generation.source:
        state.load(tensors)


def sum_over_ranks(
    values: list[float], generation: Generation, device: torch.device
) -> list[float]:
    """The sum of each value over all ranks."""
    if generation.world_size == 1:
        return values
    tensor = torch.tensor(values, dtype=torch.float64, device=device)
    dist.all_reduce(tensor)
    return list(tensor.tolist())


def gather(tensor: Tensor, generation: Generation) -> list[Tensor]:
    """The tensor of every rank, in their order; all must be of one shape."""
    if generation.world_size == 1:
        return [tensor]
    gathered = [torch.empty_like(tensor) for _ in range(generation.world_size)]
    dist.all_gather(gathered, tensor)
    return gathered
