"""Scores of held-out views."""

import threading
from collections.abc import Callable, Sequence
from typing import cast

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from nerf_trainer import evaluate as module  # noqa: E402
from nerf_trainer.elastic.interface import Generation  # noqa: E402
from nerf_trainer.evaluate import (  # noqa: E402
    Evaluation,
    Frame,
    evaluate,
    few_views,
    judge,
    psnr,
    ssim,
)
from nerf_trainer.ray_source import RaySource  # noqa: E402
from nerf_trainer.rays import Rays  # noqa: E402
from nerf_trainer.volrend import Rendered  # noqa: E402

pytestmark = pytest.mark.torch

SHAPE = (24, 20)


def noise(seed: int, scale: float = 1.0) -> "torch.Tensor":
    return scale * torch.rand(*SHAPE, 3, generator=torch.Generator().manual_seed(seed))


def test_psnr() -> None:
    truth = torch.full((4, 3), 0.5)
    assert psnr(truth + 0.1, truth) == pytest.approx(20.0, abs=1e-4)
    assert psnr(truth, truth) == 100.0
    assert np.isnan(psnr(truth * float("nan"), truth))


def reference_ssim(a: np.ndarray, b: np.ndarray) -> float:
    """Wang et al. 2004, equation 13, window by window, for one channel; windows mirror at edges."""
    at = np.arange(-5, 6)
    line = np.exp(-(at**2) / (2 * 1.5**2))
    w = np.outer(line, line) / line.sum() ** 2
    x, y = (np.pad(image.astype(np.float64), 5, mode="reflect") for image in (a, b))
    found = []
    for row, column in np.ndindex(a.shape):
        p, q = (image[row : row + 11, column : column + 11] for image in (x, y))
        mp, mq = (w * p).sum(), (w * q).sum()
        vp, vq, cov = ((w * v).sum() for v in ((p - mp) ** 2, (q - mq) ** 2, (p - mp) * (q - mq)))
        c1, c2 = 0.01**2, 0.03**2
        found.append((2 * mp * mq + c1) * (2 * cov + c2) / ((mp**2 + mq**2 + c1) * (vp + vq + c2)))
    return float(np.mean(found))


def test_ssim_is_that_of_its_definition() -> None:
    truth = noise(0)
    rgb = (truth + 0.2 * (noise(1) - 0.5)).clamp(0, 1)
    channels = [reference_ssim(rgb[..., k].numpy(), truth[..., k].numpy()) for k in range(3)]
    assert ssim(rgb, truth) == pytest.approx(np.mean(channels), abs=1e-4)
    assert ssim(truth, truth) == pytest.approx(1, abs=1e-6)


def frame(rgb: "torch.Tensor", truth: "torch.Tensor", mask: "torch.Tensor | None") -> Frame:
    flat = torch.ones(SHAPE)
    return Frame(rgb, truth, flat, flat, mask)


def test_masked_pixels_do_not_count() -> None:
    truth = noise(0)
    mask = torch.ones(SHAPE, dtype=torch.bool)
    mask[:6, :8] = False
    rgb = (truth + 0.1).clamp(0, 1)
    ruined = torch.where(mask[..., None], rgb, noise(2))
    expected, found = judge(frame(rgb, truth, mask)), judge(frame(ruined, truth, mask))
    assert found == expected
    assert found.psnr == psnr(rgb[mask], truth[mask])
    assert judge(frame(ruined, truth, None)).psnr < found.psnr
    assert judge(frame(torch.where(mask[..., None], truth, noise(2)), truth, mask)).ssim == 1


class FakeSource:
    """Views of noise; the rays are nothing but colours."""

    views = 5
    height, width = SHAPE

    def view(self, index: int) -> Rays:
        rgb = noise(index).view(-1, 3)
        return Rays(rgb, rgb, rgb)

    def mask(self, index: int) -> "torch.Tensor | None":
        return None if index else torch.arange(480).view(SHAPE) % 7 > 0


def too_dark(rays: Rays) -> Rendered:
    """Renders the truth, a little too dark."""
    light = rays.rgb.mean(-1)
    return Rendered(rays.rgb * 0.9, light, light * 2)


Drawn = dict[int, "np.ndarray"]


def evaluate_as(
    rank: int, world_size: int, numbers: Sequence[int] = range(5)
) -> tuple[Evaluation, Drawn]:
    drawn: Drawn = {}
    generation = Generation(number=1, rank=rank, world_size=world_size, source=0, writer=0)
    source = cast(RaySource, FakeSource())
    found = evaluate(too_dark, source, generation, drawn.__setitem__, numbers)  # type: ignore[arg-type]
    return found, drawn


def meeting(world_size: int) -> Callable[..., list["torch.Tensor"]]:
    """A `gather` among threads."""
    barrier, shared = threading.Barrier(world_size, timeout=30), [torch.empty(0)] * world_size

    def gather(tensor: "torch.Tensor", generation: Generation) -> list["torch.Tensor"]:
        shared[generation.rank] = tensor
        barrier.wait()
        found = list(shared)
        barrier.wait()
        return found

    return gather


@pytest.mark.parametrize("world_size", [2, 3, 7])
def test_any_number_of_ranks_finds_the_same(
    world_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone, drawn_alone = evaluate_as(0, 1)
    assert list(drawn_alone) == list(range(5))
    monkeypatch.setattr(module, "gather", meeting(world_size))
    found: dict[int, tuple[Evaluation, Drawn]] = {}

    def rank(number: int) -> None:
        found[number] = evaluate_as(number, world_size)

    threads = [threading.Thread(target=rank, args=(number,)) for number in range(world_size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(found) == world_size
    for evaluation, drawn in found.values():
        assert evaluation == alone
        assert list(drawn) == list(drawn_alone)
        assert all((drawn[view] == picture).all() for view, picture in drawn_alone.items())


def test_only_the_first_views_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PICTURES", 2)
    evaluation, drawn = evaluate_as(0, 1)
    assert (len(evaluation.views), list(drawn)) == (5, [0, 1])


def test_some_of_the_views_are_scored_as_they_are_among_all() -> None:
    everything, _ = evaluate_as(0, 1)
    found, drawn = evaluate_as(0, 1, [0, 3])
    assert found.numbers == (0, 3)
    assert found.views == (everything.views[0], everything.views[3])
    assert list(drawn) == [0, 3]
    assert everything.psnr_of([0, 3]) == found.psnr != everything.psnr


def test_few_views_are_spread_evenly_and_never_none(monkeypatch: pytest.MonkeyPatch) -> None:
    source = cast(RaySource, FakeSource())
    pixels = SHAPE[0] * SHAPE[1]
    for rays, numbers in ((9 * pixels, [0, 1, 2, 3, 4]), (2 * pixels, [0, 2]), (1, [0])):
        monkeypatch.setattr(module, "FEW_RAYS", rays)
        assert few_views(source) == numbers
