"""Which cells of the occupancy grid are looked at, when, and by whom."""

from collections import Counter

import pytest

pytest.importorskip("torch")

from hypothesis import given, settings
from hypothesis import strategies as st

from nerf_trainer.occupancy import EVERY_STEPS, LATER_STEPS, WARM_UP_STEPS, Rota

pytestmark = pytest.mark.torch

rotas = st.builds(
    Rota,
    cells=st.integers(4, 20).map(lambda edge: edge**3),
    shards=st.integers(1, 9),
    block=st.integers(1, 900),
)


def seen(rota: Rota, steps: range) -> Counter[int]:
    """How often each cell is looked at in these steps."""
    return Counter(
        cell
        for step in steps
        for shard in range(rota.shards)
        for cell in rota.cells_of(step, shard)
    )


@settings(deadline=None)
@given(rotas)
def test_at_first_every_cell_is_seen_before_the_grid_is_judged(rota: Rota) -> None:
    assert seen(rota, range(EVERY_STEPS)).keys() == set(range(rota.cells))


@settings(deadline=None)
@given(rotas)
def test_later_every_cell_is_seen_in_a_longer_time(rota: Rota) -> None:
    steps = range(WARM_UP_STEPS, WARM_UP_STEPS + 2 * LATER_STEPS)
    assert seen(rota, steps).keys() == set(range(rota.cells))


@settings(deadline=None)
@given(rotas, st.integers(0, 3000))
def test_the_shards_share_the_cells_of_a_step(rota: Rota, step: int) -> None:
    found = seen(rota, range(step, step + 1))
    assert not found or max(found.values()) == 1
    assert sorted(found) == list(rota.cells_in(step))
    assert all(len(rota.cells_of(step, shard)) <= rota.most for shard in range(rota.shards))


@settings(deadline=None)
@given(rotas, st.integers(0, 3000))
def test_what_is_evaluated_are_whole_blocks(rota: Rota, step: int) -> None:
    """The field is compiled for blocks of one size: only the last cells of the grid fill none."""
    for shard in range(rota.shards):
        cells = rota.cells_of(step, shard)
        assert len(cells) % rota.block == 0 or cells.stop == rota.cells


def test_no_step_looks_at_more_than_its_part() -> None:
    """The default grid and batch: at once, 2 M cells would take as long as 20 steps and more."""
    rota = Rota(cells=128**3, shards=4, block=8192)
    for step in range(WARM_UP_STEPS):
        assert len(rota.cells_in(step)) == 128**3 // EVERY_STEPS
    later = [len(rota.cells_in(step)) for step in range(WARM_UP_STEPS, WARM_UP_STEPS + 128)]
    assert max(later) == 4 * 8192 and sum(later) == 128**3
