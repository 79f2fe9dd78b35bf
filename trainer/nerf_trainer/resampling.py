"""Drawing samples where earlier ones saw something: inverse transform sampling of histograms.

Mildenhall et al.: NeRF, ECCV 2020, section 5.2; Barron et al.: Mip-NeRF 360, CVPR 2022, eq. 13.

Names: R rays, S bins of a ray, edges (R, S + 1) their bounds, w (R, S) weights of the bins,
N new samples, u (R, N) uniform in [0, 1).
"""

import torch
from torch import Tensor

#: Added to each weight: no bin is ever out of reach.
PADDING = 1e-5


def sample_histogram(edges: Tensor, w: Tensor, u: Tensor) -> Tensor:
    """Places (R, N), distributed like the histogram; in the order of u."""
    edges, u = edges.contiguous(), u.contiguous()
    heights = w + PADDING
    cdf = (heights / heights.sum(-1, keepdim=True)).cumsum(-1)
    cdf = torch.cat([torch.zeros_like(cdf[:, :1]), cdf[:, :-1], torch.ones_like(cdf[:, :1])], -1)
    bin_ = torch.searchsorted(cdf, u, right=True).clamp(1, w.shape[1]) - 1
    low, high = cdf.gather(-1, bin_), cdf.gather(-1, bin_ + 1)
    share = ((u - low) / (high - low).clamp(min=1e-12)).clamp(0, 1)
    start, end = edges.gather(-1, bin_), edges.gather(-1, bin_ + 1)
    return start + share * (end - start)


def stratified(jitter: Tensor, count: int) -> Tensor:
    """One u (R, count) in each of `count` equal parts of [0, 1), in order.

    jitter: place in the part, in [0, 1), (R, count), or (R, 1) for the same in all.
    """
    return (torch.arange(count, device=jitter.device) + jitter) / count


def bound_of(edges: Tensor, w: Tensor, finer: Tensor) -> Tensor:
    """Most that a histogram allows in each bin of finer edges (R, S' + 1): (R, S').

    The sum of the weights of all bins that overlap it.
    """
    total = torch.cat([torch.zeros_like(w[:, :1]), w.cumsum(-1)], -1)
    edges, finer = edges.contiguous(), finer.contiguous()
    first = torch.searchsorted(edges, finer[:, :-1].contiguous(), right=True).clamp(min=1) - 1
    last = torch.searchsorted(edges, finer[:, 1:].contiguous()).clamp(max=w.shape[1])
    return total.gather(-1, last) - total.gather(-1, first)


def proposal_loss(edges: Tensor, w: Tensor, finer: Tensor, target: Tensor) -> Tensor:
    """How much a proposal (edges, w) fails to cover the weights `target` of the finer bins.

    Only the proposal is trained by it: `target` counts as constant. A scalar, mean over the rays.
    """
    target = target.detach()
    excess = (target - bound_of(edges, w, finer)).clamp(min=0)
    return (excess**2 / (target + 1e-7)).sum(-1).mean()


def distortion(edges: Tensor, w: Tensor) -> Tensor:
    """How far a ray's weight is spread: eq. 15 of Mip-NeRF 360. A scalar, mean over the rays."""
    middle, length = (edges[:, 1:] + edges[:, :-1]) / 2, edges[:, 1:] - edges[:, :-1]
    # Sum of w_i w_j |m_i - m_j| over sorted middles, by running sums.
    before, moment = w.cumsum(-1) - w, (w * middle).cumsum(-1) - w * middle
    between = 2 * (w * (middle * before - moment)).sum(-1)
    within = (w**2 * length).sum(-1) / 3
    return (between + within).mean()
