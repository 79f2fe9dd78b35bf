"""Quality on held-out views. The ranks share the views; the result is the same for any number.

Names: V views, H, W their size.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nerf_trainer.collectives import gather
from nerf_trainer.elastic.interface import Generation
from nerf_trainer.pictures import Pixels, side_by_side
from nerf_trainer.ray_source import RaySource
from nerf_trainer.rays import Rays
from nerf_trainer.volrend import Rendered

#: A perfect render has no finite PSNR; beyond this nobody sees a difference.
MAX_PSNR = 100.0
#: Pictures are made of the first so many held-out views.
PICTURES = 16
#: Rays of an evaluation in mid-training, roughly: all views of many photos would take longer than
#: the steps between two evaluations.
FEW_RAYS = 1 << 18

Render = Callable[[Rays], Rendered]
OnPicture = Callable[[int, Pixels], None]  # (view, picture (H, 4 W, 3)) -> None


@dataclass(frozen=True)
class Score:
    """Of one view. psnr in dB; ssim at most 1, which is perfect."""

    psnr: float
    ssim: float


@dataclass(frozen=True)
class Evaluation:
    """Scores of held-out views, and their means. numbers: which views they are of."""

    numbers: tuple[int, ...]
    views: tuple[Score, ...]

    @property
    def psnr(self) -> float:
        """Mean over the views, in dB."""
        return sum(view.psnr for view in self.views) / len(self.views)

    @property
    def ssim(self) -> float:
        """Mean over the views."""
        return sum(view.ssim for view in self.views) / len(self.views)

    def psnr_of(self, numbers: Sequence[int]) -> float:
        """Mean over these views, which are among those that were judged, in dB."""
        found = dict(zip(self.numbers, self.views, strict=True))
        return sum(found[number].psnr for number in numbers) / len(numbers)


def few_views(source: RaySource) -> list[int]:
    """Numbers of views that make up `FEW_RAYS`, or of one; evenly spread, the first among them."""
    count = min(source.views, max(1, FEW_RAYS // (source.height * source.width)))
    return [i * source.views // count for i in range(count)]


def evaluate(
    render: Render,
    source: RaySource,
    generation: Generation,
    on_picture: OnPicture,
    numbers: Sequence[int],
) -> Evaluation:
    """Render each of these views on one of the ranks; all of them return all scores.

    numbers: in ascending order. on_picture: called on each rank for those below `PICTURES`. The
    ranks meet after each round of views, so that none waits for long.
    """
    found: list[Score] = []
    for first in range(0, len(numbers), generation.world_size):
        number = numbers[min(first + generation.rank, len(numbers) - 1)]
        frame = render_view(render, source, number)
        found += _gather_scores(frame, generation)
        if numbers[first] < PICTURES:
            drawn = gather(torch.from_numpy(draw(frame)).to(frame.rgb.device), generation)
            for number, picture in zip(numbers[first:], drawn, strict=False):
                if number < PICTURES:
                    on_picture(number, picture.cpu().numpy())
    return Evaluation(tuple(numbers), tuple(found[: len(numbers)]))


@dataclass(frozen=True)
class Frame:
    """A held-out view and its render.

    rgb, truth: (H, W, 3) in [0, 1]. opacity, depth: (H, W), see `Rendered`. mask: (H, W), False
    where the photo does not count; None where all of it does.
    """

    rgb: Tensor
    truth: Tensor
    opacity: Tensor
    depth: Tensor
    mask: Tensor | None = None


def render_view(render: Render, source: RaySource, view: int) -> Frame:
    """Render one view."""
    rays, shape = source.view(view), (source.height, source.width)
    rendered = render(rays)
    mask = source.mask(view)
    return Frame(
        rgb=rendered.rgb.clamp(0, 1).view(*shape, 3),
        truth=rays.rgb.view(*shape, 3),
        opacity=rendered.opacity.view(shape),
        depth=rendered.depth.view(shape),
        mask=None if mask is None else mask.to(rays.rgb.device),
    )


def judge(frame: Frame) -> Score:
    """The scores of a frame; what its mask leaves out does not count."""
    if frame.mask is None:
        return Score(psnr(frame.rgb, frame.truth), ssim(frame.rgb, frame.truth))
    counted = psnr(frame.rgb[frame.mask], frame.truth[frame.mask])
    return Score(counted, ssim(frame.rgb, frame.truth, frame.mask))


def draw(frame: Frame) -> Pixels:
    """The picture of a frame: see `pictures.side_by_side`."""
    truth, render = ((x * 255).round().byte().cpu().numpy() for x in (frame.truth, frame.rgb))
    opacity, depth = frame.opacity.cpu().numpy(), frame.depth.cpu().numpy()
    mask = None if frame.mask is None else frame.mask.cpu().numpy()
    return side_by_side(truth, render, opacity, depth, mask)


def _gather_scores(frame: Frame, generation: Generation) -> list[Score]:
    score = judge(frame)
    mine = torch.tensor([score.psnr, score.ssim], dtype=torch.float64, device=frame.rgb.device)
    return [Score(*scores.tolist()) for scores in gather(mine, generation)]


def psnr(rgb: Tensor, truth: Tensor) -> float:
    """Peak signal-to-noise ratio in dB of colours in [0, 1]; NaN if a colour is."""
    # torchmetrics takes a second to import, and not every process comes to an evaluation.
    from torchmetrics.functional.image.psnr import peak_signal_noise_ratio

    found = float(peak_signal_noise_ratio(rgb.double(), truth.double(), data_range=1.0))
    return min(found, MAX_PSNR)


def ssim(rgb: Tensor, truth: Tensor, mask: Tensor | None = None) -> float:
    """Mean structural similarity of colours (H, W, 3) in [0, 1], where mask (H, W) is True.

    Wang et al. 2004, with a Gaussian window of 1.5 pixels, the channels averaged. Masked pixels
    are seen by the windows of their neighbours: there they show the truth, and no error.
    H, W: at least 6.
    """
    from torchmetrics.functional.image.ssim import structural_similarity_index_measure

    if mask is not None:
        rgb = torch.where(mask[..., None], rgb, truth)
    batch = [image.permute(2, 0, 1)[None] for image in (rgb, truth)]
    # Without cuDNN: it may compute in TF32, whose error is that of the variances compared here.
    with torch.backends.cudnn.flags(enabled=False):
        _, similarity = structural_similarity_index_measure(
            *batch, data_range=1.0, return_full_image=True
        )
    similarity = similarity[0].mean(0)
    counted = similarity if mask is None else similarity[mask]
    return float(counted.double().mean())
