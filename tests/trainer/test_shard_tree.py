"""Sums over shards: their order is that of one tree, however the shards are shared."""

import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from nerf_trainer.gradients import shards_of  # noqa: E402
from nerf_trainer.shard_tree import Node, PartialSums, cover, total  # noqa: E402

pytestmark = pytest.mark.torch


def values_of(shards: int) -> list["torch.Tensor"]:
    """Numbers of very different sizes, whose sum depends on the order."""
    rng = torch.Generator().manual_seed(shards)
    size = torch.logspace(-6, 6, 7)
    return [torch.randn(7, generator=rng) * size.roll(shard) for shard in range(shards)]


def summed(shards: int, world_size: int) -> "torch.Tensor":
    """The sum, as ranks that share the shards find it."""
    values, nodes = values_of(shards), {}
    for rank in range(world_size):
        sums, mine = PartialSums(), shards_of(rank, world_size, shards)
        for shard in mine:
            sums.add(shard, values[shard])
        assert list(sums.nodes()) == cover(mine)
        nodes |= sums.nodes()
    return total(nodes, shards)


@given(shards=st.integers(1, 40), world_size=st.integers(1, 45))
@settings(deadline=None)
def test_the_sum_does_not_depend_on_the_world_size(shards: int, world_size: int) -> None:
    assert torch.equal(summed(shards, world_size), summed(shards, 1))


def test_the_order_is_that_of_the_tree() -> None:
    a, b, c, d, e = values_of(5)
    assert torch.equal(summed(5, 2), ((a + b) + (c + d)) + e)
    assert not torch.equal(summed(5, 2), a + (b + (c + (d + e))))


@given(shards=st.integers(1, 1024), world_size=st.integers(1, 1100))
@settings(deadline=None)
def test_every_shard_is_computed_once_and_the_work_is_even(shards: int, world_size: int) -> None:
    shares = [shards_of(rank, world_size, shards) for rank in range(world_size)]
    assert [shard for share in shares for shard in share] == list(range(shards))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_a_rank_keeps_one_node_of_each_level() -> None:
    assert cover(range(3, 9)) == [Node(0, 3), Node(2, 1), Node(0, 8)]
    assert len(cover(range(1023))) == 10


def test_memory_is_used_again() -> None:
    sums, values = PartialSums(), values_of(8)
    for _ in range(3):
        for shard in range(8):
            sums.add(shard, values[shard])
        last = sums.nodes()
        sums.clear()
    assert list(last) == [Node(3, 0)]
    assert len(sums._spare) == 3
