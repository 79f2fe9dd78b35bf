"""Volume rendering of packed samples.

Mildenhall et al.: NeRF, ECCV 2020, equation 3; Max: Optical Models for Direct Volume Rendering,
1995. Sums along a ray are differences of one running sum over all samples, in float64 so that
neighbours do not touch the result: the order of additions is fixed, whatever the hardware.

Names: R rays, M samples, sigma density, delta length, tau = sigma * delta optical thickness,
T transmittance before a sample, w = T * (1 - exp(-tau)) its weight.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from nerf_trainer.sampling import Samples


@dataclass(frozen=True)
class Rendered:
    """Colours (R, 3), opacity (R,) and expected distance (R,) of rays."""

    rgb: Tensor
    opacity: Tensor
    depth: Tensor


def render(samples: Samples, sigma: Tensor, rgb: Tensor, background: float) -> Rendered:
    """Composite sigma (M,) and rgb (M, 3) along each ray, over a grey background in [0, 1]."""
    w = weights(sigma * samples.delta, samples.ray, samples.first)
    channels = torch.cat([rgb, torch.ones_like(w)[:, None], samples.t[:, None]], -1)
    sums = sum_by_ray(w[:, None] * channels, samples.first, samples.end)
    opacity = sums[:, 3]
    colour = sums[:, :3] + background * (1 - opacity[:, None])
    return Rendered(colour, opacity, sums[:, 4])


def weights(tau: Tensor, ray: Tensor, first: Tensor) -> Tensor:
    """Contribution of each sample to its ray: (M,). Padding has tau 0, and weight 0."""
    running = tau.double().cumsum(0)
    before = running - tau
    start = torch.cat([running.new_zeros(1), running])[first]
    transmittance = torch.exp(start[ray] - before).float()
    return transmittance * -torch.expm1(-tau)


def sum_by_ray(values: Tensor, first: Tensor, end: Tensor) -> Tensor:
    """Sum of values (M, K) over the samples of each ray: (R, K)."""
    running = torch.cat([values.new_zeros(1, values.shape[1]).double(), values.double().cumsum(0)])
    return (running[end] - running[first]).float()
