"""Rays through the pixels of photos.

Names: V views of H x W pixels, R rays.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nerf_trainer.cameras import directions, image_plane
from nerf_trainer.rays import Rays, pinhole_directions, world_rays
from nerf_trainer.scenes.shrink import shrink
from nerf_trainer.scenes.types import Views

#: Of a GPU's free memory, photos may take so much: the rest is for training.
SHARE_OF_GPU = 0.25


class RaySource:
    """Makes rays for the pixels of views. Photos stay uint8, on a GPU where it has room for them:
    a CPU that looks up the pixels of a large batch takes as long as the GPU that trains on it."""

    def __init__(self, views: Views, device: torch.device) -> None:
        self._device = device
        self._home = _home(views, device)
        self._data = views
        self._images = torch.from_numpy(views.images).to(self._home)
        self._transparency = None
        if views.alpha is not None:
            self._transparency = torch.from_numpy(views.alpha).to(self._home)
        self._poses = torch.from_numpy(views.poses).to(self._home)
        self._intrinsics = torch.from_numpy(views.intrinsics).to(self._home)
        self._drawn_from = None if views.usable is None else usable_numbers(views.usable)
        self._shrunk: dict[int, RaySource] = {}
        self.views, self.height, self.width = (int(n) for n in views.images.shape[:3])

    def at(self, factor: int) -> "RaySource":
        """The same views, averaged over blocks of factor x factor pixels; made on first use.

        Raises TrainerFailure (DatasetInvalid) where no block is left to train on.
        """
        if factor == 1:
            return self
        if factor not in self._shrunk:
            self._shrunk[factor] = RaySource(shrink(self._data, factor), self._device)
        return self._shrunk[factor]

    def draw(self, count: int, rng: np.random.Generator) -> Rays:
        """Rays through `count` usable pixels of all views, drawn evenly with replacement."""
        if self._drawn_from is None:
            pixels = rng.integers(0, self.views * self.height * self.width, count)
        else:
            chosen = rng.integers(0, len(self._drawn_from), count)
            pixels = self._drawn_from[chosen].astype(np.int64)
        return self._through(torch.from_numpy(pixels))

    def view(self, index: int) -> Rays:
        """The rays of one view, row by row; those of masked pixels too, see `mask`."""
        size = self.height * self.width
        return self._through(torch.arange(index * size, (index + 1) * size))

    def photo(self, index: int) -> Tensor:
        """The pixels of one view, (H, W, 3) uint8."""
        return self._images[index]

    def mask(self, index: int) -> Tensor | None:
        """Where one view may be judged, (H, W) bool; None where that is everywhere."""
        usable = self._data.usable
        if usable is None or usable[index].all():
            return None
        return torch.from_numpy(usable[index]).to(self._device)

    def _through(self, pixel: Tensor) -> Rays:
        """Rays through the centres of pixels, numbered over all views."""
        pixel = pixel.to(self._home)
        size = self.height * self.width
        view, row, column = pixel // size, pixel % size // self.width, pixel % self.width
        o, d = world_rays(self._local(view, row, column), self._poses[view])
        rgb = self._images[view, row, column].to(self._device).float() / 255
        return Rays(o.to(self._device), d.to(self._device), rgb, self._alpha(pixel))

    def _local(self, view: Tensor, row: Tensor, column: Tensor) -> Tensor:
        """Directions (R, 3) in the axes of the cameras."""
        intrinsics = self._intrinsics[view]
        if self._data.lenses is None:
            return pinhole_directions(row, column, intrinsics)
        pixels = (row.cpu().numpy(), column.cpu().numpy())
        x, y = image_plane(*pixels, intrinsics.cpu().numpy())
        opencv, _ = directions(x, y, self._data.lenses[view.cpu().numpy()])
        local = torch.from_numpy(opencv).float() * torch.tensor([1.0, -1.0, -1.0])
        return local.to(self._home)

    def _alpha(self, pixel: Tensor) -> Tensor | None:
        """Opacities of pixels that are numbered over all views."""
        if self._transparency is None:
            return None
        return self._transparency.view(-1)[pixel].to(self._device).float() / 255


def _home(views: Views, device: torch.device) -> torch.device:
    """Where the photos are kept."""
    if device.type != "cuda":
        return device
    needed = views.images.nbytes + (0 if views.alpha is None else views.alpha.nbytes)
    free, _ = torch.cuda.mem_get_info(device)
    return device if needed <= SHARE_OF_GPU * free else torch.device("cpu")


def usable_numbers(usable: NDArray[np.bool_]) -> NDArray[np.unsignedinteger]:
    """The numbers of the usable pixels (V, H, W) in the smallest type that will do.

    View by view: the 8-byte numbers of all pixels at once would take more than the photos.
    """
    size = usable[0].size
    counts = [int(np.count_nonzero(view)) for view in usable]
    numbers = np.empty(sum(counts), np.min_scalar_type(usable.size))
    end = 0
    for i, (view, count) in enumerate(zip(usable, counts, strict=True)):
        numbers[end : end + count] = np.flatnonzero(view) + i * size
        end += count
    return numbers
