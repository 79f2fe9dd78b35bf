"""The gradients of all parameters in one array, so that ranks add them up in one operation."""

from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import Tensor, nn

from nerf_trainer.elastic.interface import Generation


class GradientBuffer:
    """Every parameter's gradient is a view of `flat`; behind them, a tail of other sums.

    tail: how many numbers besides the gradients are added up over the ranks.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], tail: int) -> None:
        parameters = list(parameters)
        sizes = [parameter.numel() for parameter in parameters]
        self._flat = torch.zeros(sum(sizes) + tail, device=parameters[0].device)
        self._gradients, self._tail = self._flat.split([sum(sizes), tail])
        for parameter, part in zip(parameters, self._gradients.split(sizes), strict=True):
            parameter.grad = part.view_as(parameter)

    def zero(self) -> None:
        """Forget what was accumulated."""
        self._flat.zero_()

    def sum_over_ranks(self, tail: Tensor, generation: Generation) -> Tensor:
        """Add up the gradients, in place, and `tail` (T,) over all ranks.

        Returns the sums of the tail, and a sum of all gradients that is finite if all of them
        are: (T + 1,).
        """
        self._tail.copy_(tail)
        if generation.world_size > 1:
            dist.all_reduce(self._flat)
        return torch.cat([self._tail, self._gradients.sum()[None]])
