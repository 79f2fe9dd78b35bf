"""Inverse transform sampling and the proposals' losses, against direct sums."""

import pytest

torch = pytest.importorskip("torch")

from nerf_trainer.models.proposal import trust, with_end  # noqa: E402
from nerf_trainer.resampling import (  # noqa: E402
    bound_of,
    distortion,
    proposal_loss,
    sample_histogram,
    stratified,
)
from nerf_trainer.volrend import row_weights  # noqa: E402

pytestmark = pytest.mark.torch


def random_histogram(rays: int, bins: int, seed: int) -> tuple["torch.Tensor", "torch.Tensor"]:
    """Sorted edges in [0, 1] and weights that add up to less than 1."""
    rng = torch.Generator().manual_seed(seed)
    edges = torch.rand(rays, bins + 1, generator=rng).sort(-1).values
    w = torch.rand(rays, bins, generator=rng)
    return edges, 0.9 * w / w.sum(-1, keepdim=True)


def test_samples_are_distributed_like_the_histogram() -> None:
    edges = torch.tensor([[0.0, 1.0, 2.0, 4.0]])
    w = torch.tensor([[0.2, 0.0, 0.6]])
    t = sample_histogram(edges, w, stratified(torch.full((1, 1), 0.5), 4000))
    shares = torch.histc(t, 4, 0, 4) / 4000
    torch.testing.assert_close(shares, torch.tensor([0.25, 0.0, 0.375, 0.375]), atol=2e-3, rtol=0)


def test_samples_keep_the_order_of_u_and_stay_within_the_edges() -> None:
    edges, w = random_histogram(50, 12, seed=1)
    t = sample_histogram(edges, w, stratified(torch.rand(50, 30), 30))
    assert bool((t[:, 1:] >= t[:, :-1]).all())
    assert bool((t >= edges[:, :1]).all() and (t <= edges[:, -1:]).all())


def test_an_empty_histogram_is_sampled_evenly_by_bin() -> None:
    edges = torch.tensor([[0.0, 1.0, 3.0]])
    t = sample_histogram(edges, torch.zeros(1, 2), torch.tensor([[0.25, 0.75]]))
    torch.testing.assert_close(t, torch.tensor([[0.5, 2.0]]))


def test_the_bound_is_the_weight_of_all_overlapping_bins() -> None:
    edges, w = random_histogram(20, 6, seed=2)
    finer, _ = random_histogram(20, 9, seed=3)
    found = bound_of(edges, w, finer)
    for r in range(20):
        for i in range(9):
            low, high = finer[r, i], finer[r, i + 1]
            overlaps = (edges[r, :-1] < high) & (edges[r, 1:] > low)
            assert float(found[r, i]) == pytest.approx(float(w[r][overlaps].sum()), abs=1e-6)


def test_a_proposal_that_covers_the_weights_costs_nothing() -> None:
    finer, target = random_histogram(10, 8, seed=4)
    edges, w = finer[:, ::2], target[:, ::2] + target[:, 1::2]
    assert float(proposal_loss(edges, w, finer, target)) < 1e-9
    assert float(proposal_loss(edges, w / 2, finer, target)) > 0.01


def test_only_the_proposal_is_trained_by_its_loss() -> None:
    finer, target = random_histogram(4, 8, seed=5)
    w = torch.full((4, 4), 0.01, requires_grad=True)
    target.requires_grad_()
    proposal_loss(finer[:, ::2], w, finer, target).backward()
    assert w.grad is not None and bool((w.grad <= 0).all()) and bool((w.grad < 0).any())
    assert target.grad is None


def test_distortion_is_the_double_sum() -> None:
    edges, w = random_histogram(6, 7, seed=6)
    middle, length = (edges[:, 1:] + edges[:, :-1]) / 2, edges[:, 1:] - edges[:, :-1]
    apart = (middle[:, :, None] - middle[:, None, :]).abs()
    direct = (w[:, :, None] * w[:, None, :] * apart).sum((1, 2)) + (w**2 * length).sum(1) / 3
    torch.testing.assert_close(distortion(edges, w), direct.mean())


def test_proposals_are_trusted_bit_by_bit() -> None:
    assert (trust(0.0), trust(1.0)) == (0.0, 1.0)
    assert 0.5 < trust(0.1) < 0.6


def test_no_light_is_left_at_the_end_of_a_ray() -> None:
    sigma, delta = torch.zeros(2, 3), torch.tensor([[0.1, 0.2, 4.0], [1.0, 1.0, 1e4]])
    w = row_weights(with_end(sigma, delta) * delta)
    assert torch.allclose(w, torch.tensor([[0.0, 0.0, 1.0]]).expand(2, 3), atol=1e-4)
