"""What the ranks of a generation tell each other. Without peers, each returns at once."""

import torch
import torch.distributed as dist
from torch import Tensor

from nerf_trainer.elastic.activity import activity
from nerf_trainer.elastic.collective import complete
from nerf_trainer.elastic.interface import Generation
from nerf_trainer.state import TrainState


def share_state(state: TrainState, generation: Generation) -> None:
    """Everyone takes over the state of the source, bit by bit.

    But chunks are halved as often as by who has done it most: they have to fit everywhere.
    """
    if generation.world_size == 1:
        return
    tensors = state.tensors()
    device = next(state.model.parameters()).device
    for dtype in sorted({tensor.dtype for tensor in tensors.values()}, key=str):
        names = [name for name, tensor in tensors.items() if tensor.dtype is dtype]
        flat = torch.cat([tensors[name].to(device).flatten() for name in names])
        complete(dist.broadcast(flat, generation.source, async_op=True))
        parts = flat.split([tensors[name].numel() for name in names])
        for name, part in zip(names, parts, strict=True):
            tensors[name] = part.view_as(tensors[name])
    halvings = torch.tensor(state.halvings, device=device)
    complete(dist.all_reduce(halvings, dist.ReduceOp.MAX, async_op=True))
    if generation.rank != generation.source:
        state.load(tensors)
    state.halvings = int(halvings)


def sum_over_ranks(
    values: list[float], generation: Generation, device: torch.device
) -> list[float]:
    """The sum of each value over all ranks."""
    if generation.world_size == 1:
        activity.moved()
        return values
    tensor = torch.tensor(values, dtype=torch.float64, device=device)
    complete(dist.all_reduce(tensor, async_op=True))
    return list(tensor.tolist())


def gather(tensor: Tensor, generation: Generation) -> list[Tensor]:
    """The tensor of every rank, in their order; all must be of one shape."""
    if generation.world_size == 1:
        activity.moved()
        return [tensor]
    gathered = [torch.empty_like(tensor) for _ in range(generation.world_size)]
    complete(dist.all_gather(gathered, tensor, async_op=True))
    return gathered
