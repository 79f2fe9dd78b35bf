"""Sums over the shards of a batch in one fixed order, whoever computed which of them.

Floating-point addition depends on its order. Here that is a binary tree over the shards: shard
2 i and 2 i + 1 first, then those sums two by two, and so on; a node without a sibling goes up as
it is. A rank adds up the whole nodes within its shards, and only then do ranks exchange them.

Demmel, Nguyen: Parallel Reproducible Summation, IEEE Transactions on Computers 2015, on why a
fixed order is what makes sums reproducible.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Node:
    """The shards from `index << level` to just before `(index + 1) << level`."""

    level: int
    index: int

    @property
    def parent(self) -> "Node":
        """The node that this one is a half of."""
        return Node(self.level + 1, self.index // 2)

    def is_left_of(self, other: "Node") -> bool:
        """Whether the two are the halves of one node."""
        return self.level == other.level and self.index + 1 == other.index and other.index % 2 == 1


def cover(shards: range) -> list[Node]:
    """The fewest nodes that make up consecutive shards, from left to right."""
    nodes: list[Node] = []
    for shard in shards:
        node = Node(0, shard)
        while nodes and nodes[-1].is_left_of(node):
            node = nodes.pop().parent
        nodes.append(node)
    return nodes


def total(nodes: Mapping[Node, Tensor], shards: int) -> Tensor:
    """The sum of all shards, from the sums of nodes that cover them, whose memory it may use."""
    return _sum_of(Node((shards - 1).bit_length(), 0), nodes, shards)


def _sum_of(node: Node, nodes: Mapping[Node, Tensor], shards: int) -> Tensor:
    if node in nodes:
        return nodes[node]
    left = Node(node.level - 1, 2 * node.index)
    right = Node(left.level, left.index + 1)
    if right.index << right.level >= shards:
        return _sum_of(left, nodes, shards)
    summed = _sum_of(left, nodes, shards)
    summed += _sum_of(right, nodes, shards)
    return summed


class PartialSums:
    """Sums of the nodes within consecutive shards, as they come in: those of `cover`.

    No more than a node of each level is kept, in memory that is used again.
    """

    def __init__(self) -> None:
        self._nodes: list[tuple[Node, Tensor]] = []
        self._spare: list[Tensor] = []

    def add(self, shard: int, values: Tensor) -> None:
        """Take in the next shard. Its values (N,) are copied."""
        node, found = Node(0, shard), values
        while self._nodes and self._nodes[-1][0].is_left_of(node):
            left, summed = self._nodes.pop()
            summed += found
            if found is not values:
                self._spare.append(found)
            node, found = left.parent, summed
        if found is values:
            found = self._spare.pop() if self._spare else torch.empty_like(values)
            found.copy_(values)
        self._nodes.append((node, found))

    def nodes(self) -> dict[Node, Tensor]:
        """What has come in since the last `clear`; valid until then."""
        return dict(self._nodes)

    def clear(self) -> None:
        """Begin anew."""
        self._spare += [summed for _, summed in self._nodes]
        self._nodes.clear()
