"""Which pixels of the photos can be used: those that a mask leaves and that a ray leads to.

A shrunk pixel is usable if all that it covers are.
"""

import logging
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from nerf_trainer.cameras import Lens, Lenses, directions, image_plane
from nerf_trainer.scenes.fitting import Fit, Sizes, room
from nerf_trainer.scenes.opening import grey, image_size, in_parallel
from nerf_trainer.scenes.types import Photo, invalid

log = logging.getLogger(__name__)

Mask = NDArray[np.bool_]

#: Grey from which on a mask is white. Lossy files have others than 0 and 255.
WHITE = 128


def usable_pixels(
    photos: Sequence[Photo], intrinsics: NDArray[np.float32], places: Sequence[Fit], sizes: Sizes
) -> Mask | None:
    """Usable pixels (V, H, W) of the shrunk photos, or None where all are.

    intrinsics: of the shrunk photos (V, 4).
    """
    masks = in_parallel(
        lambda item: _masked(*item), list(zip(photos, places, strict=True)), sizes.most_pixels
    )
    for i, (photo, place) in enumerate(zip(photos, places, strict=True)):
        reached = _reached(photo.lens, tuple(intrinsics[i].tolist()), place.size[::-1])
        left = masks[i] = _both(masks[i], reached)
        if left is not None and not left.any():
            raise invalid(_nothing_left(photo))
    shape = room(places)
    if all(mask is None for mask in masks) and all(p.size[::-1] == shape for p in places):
        return None
    usable = np.zeros((len(photos), *shape), np.bool_)
    for i, (mask, place) in enumerate(zip(masks, places, strict=True)):
        usable[i, : place.size[1], : place.size[0]] = True if mask is None else mask
    return usable


def _masked(photo: Photo, place: Fit) -> Mask | None:
    """What the photo's mask leaves, (H, W)."""
    if photo.mask is None:
        return None
    found, size = image_size(photo.mask, photo.mask_orientation), place.file
    if found != size:
        raise invalid(
            f"{photo.mask} has {found[0]}x{found[1]} pixels, but its photo {photo.path} has "
            f"{size[0]}x{size[1]}. A mask must have its photo's size."
        )
    return place.whole(grey(photo.mask, photo.mask_orientation) >= WHITE)


@lru_cache(maxsize=1)  # Most datasets have one camera.
def _reached(
    lens: Lens, intrinsics: tuple[float, float, float, float], shape: tuple[int, int]
) -> Mask | None:
    """Pixels (H, W) that a ray leads to, or None where that is all of them."""
    if lens.is_pinhole:
        return None
    height, width = shape
    lenses, cameras = Lenses.stack([lens]), np.array([intrinsics])

    def valid(row: NDArray[np.int64], column: NDArray[np.int64]) -> Mask:
        only = np.zeros(len(row), np.int64)
        return directions(*image_plane(row, column, cameras[only]), lenses[only])[1]

    rows, columns = np.arange(height), np.arange(width)
    sides = [valid(rows, np.full(height, edge)) for edge in (0, width - 1)]
    sides += [valid(np.full(width, edge), columns) for edge in (0, height - 1)]
    # The polynomial grows up to its reach: what holds on the border holds within.
    if all(side.all() for side in sides):
        return None
    reached = np.stack([valid(np.full(width, row), columns) for row in rows])
    log.warning(
        "%.1f %% of the pixels lie beyond the reach of the distortion %s, and are ignored",
        *(100 * (1 - reached.mean()), lens),
    )
    return reached


def _both(a: Mask | None, b: Mask | None) -> Mask | None:
    return a if b is None else b if a is None else a & b


def _nothing_left(photo: Photo) -> str:
    if photo.mask is None:
        return f"{photo.path}: no ray leads to a pixel. Correct its distortion coefficients."
    return (
        f"{photo.mask} leaves no pixel of {photo.path} to use. White (255) marks what is used, and "
        "a pixel of a shrunk photo counts if all that it is made of is white."
    )
