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
    is_source = generation.rank == generation.source
    # One message, as each costs a turn of every process. The widest first: all are aligned.
    names = sorted(tensors, key=lambda name: -tensors[name].element_size())
    sizes = [tensors[name].nbytes for name in names]
    if is_source:
        message = torch.cat([_bytes(tensors[name].to(device)) for name in names])
    else:
        message = torch.empty(sum(sizes), dtype=torch.uint8, device=device)
    complete(dist.broadcast(message, generation.source, async_op=True))
    halvings = torch.tensor(state.halvings, device=device)
    complete(dist.all_reduce(halvings, dist.ReduceOp.MAX, async_op=True))
    if not is_source:
        parts = zip(names, message.split(sizes), strict=True)
        state.load({name: _as(tensors[name], part) for name, part in parts})
    state.halvings = int(halvings)


def _bytes(tensor: Tensor) -> Tensor:
    """Its bytes (B,), uint8."""
    return tensor.flatten().view(torch.uint8)


def _as(like: Tensor, part: Tensor) -> Tensor:
    """A tensor of the other's shape and type that has these bytes."""
    return part.view(like.dtype).view_as(like)


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
