"""Volume rendering against a slow loop and against cases that can be solved by hand."""

import math

import pytest

torch = pytest.importorskip("torch")

from nerf_trainer.sampling import Samples  # noqa: E402
from nerf_trainer.volrend import render  # noqa: E402

pytestmark = pytest.mark.torch


def samples_of(counts: list[int], deltas: list[float], padding: int = 0) -> Samples:
    """Packed samples with the given number on each ray; t is the running sum of the deltas."""
    n = len(deltas)
    end = torch.tensor(counts).cumsum(0)
    ray = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    return Samples(
        x=torch.zeros(n + padding, 3),
        d=torch.zeros(n + padding, 3),
        t=torch.tensor([*deltas, *[0.0] * padding]).cumsum(0),
        delta=torch.tensor([*deltas, *[0.0] * padding]),
        ray=torch.cat([ray, torch.zeros(padding, dtype=torch.long)]),
        first=end - torch.tensor(counts),
        end=end,
    )


def slow_render(samples: Samples, sigma: list[float], rgb: list[list[float]], background: float):
    """The textbook's sum, one sample after the other."""
    pictures = []
    for first, end in zip(samples.first.tolist(), samples.end.tolist(), strict=True):
        transmittance, colour, depth = 1.0, [0.0, 0.0, 0.0], 0.0
        for i in range(first, end):
            alpha = 1 - math.exp(-sigma[i] * float(samples.delta[i]))
            weight = transmittance * alpha
            colour = [c + weight * x for c, x in zip(colour, rgb[i], strict=True)]
            depth += weight * float(samples.t[i])
            transmittance *= 1 - alpha
        colour = [c + transmittance * background for c in colour]
        pictures.append([*colour, 1 - transmittance, depth])
    return torch.tensor(pictures)


@pytest.mark.parametrize("padding", [0, 5])
@pytest.mark.parametrize("background", [0.0, 1.0])
def test_equals_the_slow_loop(padding: int, background: float) -> None:
    generator = torch.Generator().manual_seed(1)
    counts = [3, 0, 7, 1]
    samples = samples_of(counts, torch.rand(11, generator=generator).tolist(), padding)
    sigma = 4 * torch.rand(11 + padding, generator=generator)
    rgb = torch.rand(11 + padding, 3, generator=generator)
    result = render(samples, sigma, rgb, background)
    expected = slow_render(samples, sigma.tolist(), rgb.tolist(), background)
    found = torch.cat([result.rgb, result.opacity[:, None], result.depth[:, None]], -1)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_gradients_are_those_of_finite_differences() -> None:
    samples = samples_of([2, 3], [0.3, 0.2, 0.5, 0.1, 0.4])
    sigma = torch.tensor([1.0, 2.0, 0.5, 3.0, 1.5], requires_grad=True)
    rgb = torch.rand(5, 3, generator=torch.Generator().manual_seed(2), requires_grad=True)
    weight = torch.tensor([[1.0, -2.0, 0.5], [0.3, 1.0, -1.0]])

    def loss(sigma, rgb):
        return (render(samples, sigma, rgb, 1.0).rgb * weight).sum()

    loss(sigma, rgb).backward()
    for i in range(5):
        nudge = torch.zeros(5)
        nudge[i] = 1e-2
        slope = (loss(sigma + nudge, rgb) - loss(sigma - nudge, rgb)) / 2e-2
        torch.testing.assert_close(sigma.grad[i], slope.detach(), rtol=1e-3, atol=1e-4)


def test_uniform_fog_has_the_analytic_opacity() -> None:
    n, length, density = 1000, 2.0, 0.7
    samples = samples_of([n], [length / n] * n)
    result = render(samples, torch.full((n,), density), torch.full((n, 3), 0.25), 0.0)
    opacity = 1 - math.exp(-density * length)
    assert float(result.opacity) == pytest.approx(opacity, abs=1e-5)
    assert result.rgb[0].tolist() == pytest.approx([0.25 * opacity] * 3, abs=1e-5)


def test_a_wall_hides_what_is_behind_it() -> None:
    samples = samples_of([3], [0.1, 0.1, 0.1])
    rgb = torch.tensor([[0.2, 0.4, 0.6], [1.0, 1.0, 1.0], [0.5, 0.5, 0.5]])
    result = render(samples, torch.tensor([1e5, 1e5, 1.0]), rgb, 1.0)
    torch.testing.assert_close(result.rgb[0], rgb[0])
    assert float(result.depth) == pytest.approx(0.1)


def test_empty_rays_show_the_background() -> None:
    result = render(samples_of([0, 0], [], padding=4), torch.ones(4), torch.ones(4, 3), 0.5)
    assert result.rgb.tolist() == [[0.5] * 3] * 2
    assert result.opacity.tolist() == [0.0, 0.0]


def test_an_opaque_neighbour_does_not_touch_a_thin_ray() -> None:
    thin = samples_of([1], [1.0])
    after = samples_of([2, 1], [1.0, 1.0, 1.0])
    alone = render(thin, torch.tensor([1e-3]), torch.ones(1, 3), 0.0)
    beside = render(after, torch.tensor([1.6e5, 1.6e5, 1e-3]), torch.ones(3, 3), 0.0)
    assert float(beside.opacity[1]) == pytest.approx(float(alone.opacity[0]), rel=1e-6)
