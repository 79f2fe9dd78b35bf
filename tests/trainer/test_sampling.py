"""Candidates, thinning and packing."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")


from nerf_trainer.sampling import (  # noqa: E402
    MAX_STRIDE,
    candidates,
    intersect_cube,
    pack,
    place_samples,
    runs,
    thin,
)

pytestmark = pytest.mark.torch


@pytest.mark.parametrize(
    ("o", "d", "expected"),
    [
        ((-3.0, 0.0, 0.0), (1.0, 0.0, 0.0), (2.0, 4.0)),  # through the middle
        ((0.0, 0.0, 0.5), (0.0, 0.0, 1.0), (0.0, 0.5)),  # from inside
        ((-3.0, 2.0, 0.0), (1.0, 0.0, 0.0), None),  # beside the cube
        ((-3.0, 0.0, 0.0), (-1.0, 0.0, 0.0), None),  # behind the camera
    ],
)
def test_intersect_cube(o, d, expected) -> None:
    near, far = intersect_cube(torch.tensor([o]), torch.tensor([d]), 1.0)
    if expected is None:
        assert float(near) == float(far)
    else:
        assert (float(near), float(far)) == pytest.approx(expected)


def test_candidates_lie_one_in_each_bin() -> None:
    near, far = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 2.0])
    t, step = candidates(near, far, 4, torch.tensor([0.0, 0.5]))
    assert t.tolist() == [[1.0, 1.5, 2.0, 2.5], [2.0] * 4]
    assert step.tolist() == [0.5, 0.0]


def occupancy(rays: int, count: int, share: float, seed: int = 0) -> torch.Tensor:
    return torch.rand(rays, count, generator=torch.Generator().manual_seed(seed)).lt(share).float()


def test_packing_without_pressure_keeps_every_sample_in_order() -> None:
    occupied = occupancy(6, 10, 0.4)
    packed = pack(occupied, 64, torch.rand(6))
    found = packed.candidate[: int(packed.end[-1])]
    assert found.tolist() == occupied.flatten().nonzero().squeeze(1).tolist()
    assert (packed.end - packed.first).tolist() == occupied.sum(-1).tolist()
    assert float(packed.stride) == 1
    assert int(packed.rays) == 6


def test_a_batch_that_fits_exactly_is_not_thinned() -> None:
    packed = pack(torch.ones(4, 8), 32, torch.rand(4))
    assert float(packed.stride) == 1
    assert packed.candidate.tolist() == list(range(32))


@pytest.mark.parametrize("share", [0.3, 0.6, 1.0])
def test_what_does_not_fit_leaves_whole_rays_out(share: float) -> None:
    occupied = occupancy(16, 32, share)
    packed = pack(occupied, 100, torch.rand(16, generator=torch.Generator().manual_seed(1)))
    rays = int(packed.rays)
    assert int(packed.end[-1]) <= 100
    kept = torch.zeros(16 * 32, dtype=torch.long)
    for r in range(16):
        own = packed.candidate[int(packed.first[r]) : int(packed.end[r])]
        assert (own // 32 == r).all()
        assert occupied.flatten()[own].all()
        kept[own] += 1
        if r >= rays:
            assert len(own) == 0
        else:
            assert len(own) >= int(occupied[r].sum() // packed.stride)
    assert int(kept.max()) == 1
    assert 1 < float(packed.stride) <= MAX_STRIDE


def test_thinning_keeps_each_candidate_as_often() -> None:
    occupied = torch.ones(
        20_000,
        7,
    )
    phase = torch.rand(20_000, generator=torch.Generator().manual_seed(2))
    share = thin(occupied, torch.tensor(1.6), phase).float().mean(0)
    torch.testing.assert_close(share, torch.full((7,), 1 / 1.6), rtol=0, atol=0.015)


def test_padding_has_no_length() -> None:
    occupied = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    packed = pack(occupied, 6, torch.tensor([0.5, 0.5]))
    o, d = torch.zeros(2, 3), torch.tensor([[1.0, 0, 0], [0, 1.0, 0]])
    t, step = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([0.5, 0.25])
    samples = place_samples(o, d, t, step, packed)
    assert samples.delta.tolist() == [0.5, 0.25, 0, 0, 0, 0]
    assert samples.x[:2].tolist() == [[1, 0, 0], [0, 4, 0]]
    assert samples.ray[:2].tolist() == [0, 1]


def test_runs_cover_everything_within_the_budget() -> None:
    counts = [3, 4, 0, 5, 8, 1, 1]
    cuts = list(runs(np.cumsum(counts), 8))
    assert cuts == [(0, 3), (3, 4), (4, 5), (5, 7)]
    assert list(runs(np.cumsum(counts), 100)) == [(0, 7)]
