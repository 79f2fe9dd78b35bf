"""What the ranks of a generation tell each other. Without peers, each returns at once."""

import torch
import torch.distributed as dist
from torch import Tensor

from nerf_trainer.elastic.activity import activity
from nerf_trainer.elastic.collective import complete
from nerf_trainer.elastic.interface import Generation
from nerf_trainer.state import TrainState
from nerf_trainer.state_layout import views, widest_first


@torch.no_grad()
def share_state(state: TrainState, generation: Generation) -> None:
    """Everyone takes over the state of the source, bit by bit, in one message.

    But chunks are halved as often as by who has done it most: they have to fit everywhere.
    """
    if generation.world_size == 1:
        return
    tensors = widest_first(state.tensors())
    device = next(state.model.parameters()).device
    size = sum(tensor.nbytes for tensor in tensors.values())
    message = torch.empty(size, dtype=torch.uint8, device=device)
    parts = views(message, tensors)
    is_source = generation.rank == generation.source
    if is_source:
        for name, part in parts.items():
            part.copy_(tensors[name])
    complete(dist.broadcast(message, generation.source, async_op=True))
    halvings = torch.tensor(state.halvings, device=device)
    complete(dist.all_reduce(halvings, dist.ReduceOp.MAX, async_op=True))
    if not is_source:
        state.load(parts)
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
