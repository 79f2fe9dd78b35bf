"""Volume rendering, of packed samples and of samples in rows.

Mildenhall et al.: NeRF, ECCV 2020, equation 3; Max: Optical Models for Direct Volume Rendering,
1995. Sums along a packed ray are differences of one running sum over all samples, in float64 so
that neighbours do not touch the result: the order of additions is fixed, whatever the hardware.

Names: R rays, M packed samples, S samples of each ray, sigma density, delta length,
tau = sigma * delta optical thickness, T transmittance before a sample, w = T * (1 - exp(-tau)) its
weight. A background is a grey value or colour in [0, 1]: a number, or (R, 1) or (R, 3).
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

    def first(self, count: int) -> "Rendered":
        """Those of the first so many rays, without gradients."""
        parts = (part[:count].detach() for part in (self.rgb, self.opacity, self.depth))
        return Rendered(*parts)


def render(samples: Samples, sigma: Tensor, rgb: Tensor, background: Tensor | float) -> Rendered:
    """Composite packed sigma (M,) and rgb (M, 3) along each ray."""
    w = weights(sigma * samples.delta, samples.ray, samples.first)
    # One by one: on a GPU torch.compile fails at a running sum of several channels.
    opacity, depth, *colour = (
        sum_by_ray(values, samples.first, samples.end)
        for values in (w, w * samples.t, *(w * channel for channel in rgb.unbind(-1)))
    )
    return over(torch.stack(colour, -1), opacity, depth, background)


def over(rgb: Tensor, opacity: Tensor, depth: Tensor, background: Tensor | float) -> Rendered:
    """Colours (R, 3), premultiplied by their opacity (R,), in front of a background."""
    return Rendered(rgb + background * (1 - opacity[:, None]), opacity, depth)


def weights(tau: Tensor, ray: Tensor, first: Tensor) -> Tensor:
    """Contribution of each packed sample to its ray: (M,). Padding has tau 0, and weight 0."""
    running = tau.double().cumsum(0)
    before = running - tau
    start = torch.cat([running.new_zeros(1), running])[first]
    transmittance = torch.exp(start[ray] - before).float()
    return transmittance * -torch.expm1(-tau)


def sum_by_ray(values: Tensor, first: Tensor, end: Tensor) -> Tensor:
    """Sum of values (M,) over the packed samples of each ray: (R,)."""
    running = torch.cat([values.new_zeros(1).double(), values.double().cumsum(0)])
    return (running[end] - running[first]).float()


def render_rows(
    sigma: Tensor, rgb: Tensor, t: Tensor, delta: Tensor, background: Tensor | float
) -> tuple[Rendered, Tensor]:
    """Composite sigma, t, delta (R, S) and rgb (R, S, 3); also the weights (R, S)."""
    w = row_weights(sigma * delta)
    colour = (w[..., None] * rgb).sum(1)
    return over(colour, w.sum(1), (w * t).sum(1), background), w


def row_weights(tau: Tensor) -> Tensor:
    """Contribution of each sample to its ray, both (R, S)."""
    before = tau.cumsum(1) - tau
    return torch.exp(-before) * -torch.expm1(-tau)
