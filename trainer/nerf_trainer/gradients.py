"""The gradients of all parameters in one array, so that ranks add them up in one operation.

Names: N gradients, T other sums of a shard, V votes of a rank.
"""

from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import Tensor, nn

from nerf_trainer.elastic.collective import complete
from nerf_trainer.elastic.interface import Generation
from nerf_trainer.shard_tree import PartialSums, cover, total

#: Room behind the array for parts of equal size, one for each rank of so many at most.
SPARE = 1024


def shards_of(rank: int, world_size: int, shards: int) -> range:
    """Numbers of the shards that a rank computes: consecutive, and as many as others or one more.

    None where there are more ranks than shards.
    """
    return range(shards * rank // world_size, shards * (rank + 1) // world_size)


class GradientSum:
    """Every parameter's gradient is a view of one array, which autograd adds to.

    A plain sum: how it is rounded depends on the world size. shards: of a batch. tail, votes: T, V.
    """

    def __init__(
        self, parameters: Iterable[nn.Parameter], shards: int, tail: int, votes: int
    ) -> None:
        parameters = list(parameters)
        sizes = [parameter.numel() for parameter in parameters]
        self._shards = shards
        used = sum(sizes) + tail + votes
        self._array = torch.zeros(used + SPARE, device=parameters[0].device)
        self._gradients, self._tail, self._votes = self._array[:used].split(
            [sum(sizes), tail, votes]
        )
        for parameter, part in zip(parameters, self._gradients.split(sizes), strict=True):
            parameter.grad = part.view_as(parameter)

    def zero(self) -> None:
        """Forget what was accumulated."""
        self._array.zero_()

    def end_shard(self, shard: int, tail: Tensor) -> None:
        """A shard's backward passes are done. tail: its other sums (T,)."""
        self._tail += tail

    def over_ranks(self, votes: Tensor, generation: Generation) -> Tensor:
        """Add up the gradients, in place, the tails and the votes (V,) of all ranks.

        Returns the sums of the tails and of the votes, and a sum of all gradients that is finite
        if all of them are: (T + V + 1,).
        """
        self._votes.copy_(votes)
        if generation.world_size > 1:
            complete(dist.all_reduce(self._array, async_op=True))
        return self._sums()

    def _sums(self) -> Tensor:
        return torch.cat([self._tail, self._votes, self._gradients.sum()[None]])


class ExactGradientSum(GradientSum):
    """The same sum, bit for bit, for any world size: see `shard_tree`.

    Each rank adds up one part of the array over all shards (the nodes of the others come by an
    all-to-all), and the parts are gathered: no more bytes than a plain all-reduce moves, where
    each rank has one whole node. A rank without shards has no vote.
    """

    def __init__(
        self, parameters: Iterable[nn.Parameter], shards: int, tail: int, votes: int
    ) -> None:
        super().__init__(parameters, shards, tail, votes)
        self._partial = PartialSums()
        self._buffers: dict[str, Tensor] = {}

    def zero(self) -> None:
        super().zero()
        self._partial.clear()

    def end_shard(self, shard: int, tail: Tensor) -> None:
        self._tail.copy_(tail)
        self._partial.add(shard, self._array)
        self._array.zero_()

    def over_ranks(self, votes: Tensor, generation: Generation) -> Tensor:
        own = cover(shards_of(generation.rank, generation.world_size, self._shards))
        found = self._partial.nodes()
        if found.keys() != set(own):  # Memory ran out; the others learn it by the vote.
            found = {node: torch.zeros_like(self._array) for node in own}
        if own:
            found[own[0]][-SPARE - len(votes) : -SPARE] = votes
        if generation.world_size == 1:
            self._array.copy_(total(found, self._shards))
        else:
            self._exchange(list(found.values()), generation)
        self._partial.clear()
        return self._sums()

    def _exchange(self, own: list[Tensor], generation: Generation) -> None:
        """Make the array the sum over all ranks; own: the values of this rank's nodes."""
        ranks = range(generation.world_size)
        size = -(-(len(self._array) - SPARE) // len(ranks))
        covers = [cover(shards_of(rank, len(ranks), self._shards)) for rank in ranks]
        everyone = [node for nodes in covers for node in nodes]
        received = self._buffer("received", len(everyone), size)
        exchange = dist.all_to_all_single(
            received.view(-1),
            self._by_rank([values[: len(ranks) * size].view(-1, size) for values in own], size),
            output_split_sizes=[len(nodes) * size for nodes in covers],
            input_split_sizes=[len(own) * size for _ in ranks],
            async_op=True,
        )
        complete(exchange)
        part = total(dict(zip(everyone, received, strict=True)), self._shards)
        whole = self._array[: len(ranks) * size]
        complete(dist.all_gather_into_tensor(whole, part, async_op=True))

    def _by_rank(self, own: list[Tensor], size: int) -> Tensor:
        """Nodes (W, size) in the order in which ranks are sent their part of each."""
        if len(own) == 1:
            return own[0].view(-1)
        if not own:
            return self._array[:0]
        sent = self._buffer("sent", len(own[0]) * len(own), size)
        torch.stack(own, 1, out=sent.view(-1, len(own), size))
        return sent.view(-1)

    def _buffer(self, use: str, rows: int, size: int) -> Tensor:
        """Memory that is used again: fresh pages in each step would cost as much as the sums."""
        if use not in self._buffers or self._buffers[use].shape != (rows, size):
            self._buffers[use] = self._array.new_empty(rows, size)
        return self._buffers[use]
