"""Reading photos into one array: flattened on the background, shrunk, and kept as uint8."""

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nerf_trainer.cameras import Lenses
from nerf_trainer.scenes.fitting import Fit, Sizes, fits, room
from nerf_trainer.scenes.masks import usable_pixels
from nerf_trainer.scenes.opening import in_parallel, premultiplied
from nerf_trainer.scenes.types import Background, Photo, Views, invalid

Pixels = NDArray[np.uint8]

#: Photos are shrunk by themselves until they are no longer than this, and no more in all.
LONGEST_EDGE = 1600
MOST_PIXELS = 200_000_000


def load_views(
    photos: Sequence[Photo], sizes: Sizes, downscale: int, background: Background
) -> Views:
    """Read the photos. sizes: by `measure`. `Views` tells what the background changes."""
    places = fits(sizes, downscale)
    intrinsics = intrinsics_of(photos, places)
    usable = usable_pixels(photos, intrinsics, places, sizes)
    images, alpha = _read(photos, places, sizes, background)
    lenses = [photo.lens for photo in photos]
    return Views(
        images=images,
        poses=np.stack([photo.pose for photo in photos]),
        intrinsics=intrinsics,
        names=tuple(photo.name for photo in photos),
        alpha=alpha,
        usable=usable,
        lenses=None if all(lens.is_pinhole for lens in lenses) else Lenses.stack(lenses),
    )


def factor(sizes: Sequence[tuple[int, int]], photos: int, wanted: int | None) -> int:
    """By how much the photos are shrunk: as wanted, or enough to be handled.

    sizes: widths and heights that occur. photos: how many there are in all.
    """
    smallest = min(min(size) for size in sizes)
    if wanted is not None and smallest < wanted:
        raise invalid(
            f"Photos of {sizes[0][0]}x{sizes[0][1]} pixels are too small for dataset.downscale "
            f"{wanted}. Choose a smaller one."
        )
    return wanted or next(
        by
        for by in itertools.count(1)
        if all(max(size) // by <= LONGEST_EDGE for size in sizes)
        and photos * max((w // by) * (h // by) for w, h in sizes) <= MOST_PIXELS
    )


def intrinsics_of(photos: Sequence[Photo], places: Sequence[Fit]) -> NDArray[np.float32]:
    """fx, fy, cx, cy in pixels of the shrunk photos (V, 4)."""
    pairs = zip(photos, places, strict=True)
    return np.stack([_own(photo, *place.file) / place.scale for photo, place in pairs])


def _own(photo: Photo, width: int, height: int) -> NDArray[np.float32]:
    """fx, fy, cx, cy in pixels of the file."""
    if photo.intrinsics is not None:
        return photo.intrinsics
    focal = 0.5 * width / np.tan(0.5 * float(photo.angle_x or 0))
    return np.array([focal, focal, width / 2, height / 2], np.float32)


def _read(
    photos: Sequence[Photo], places: Sequence[Fit], sizes: Sizes, background: Background
) -> tuple[Pixels, Pixels | None]:
    """All images (V, H, W, 3) and, behind a random background, their alpha (V, H, W)."""
    shape = (len(photos), *room(places))
    images = np.zeros((*shape, 3), np.uint8)
    alpha = np.zeros(shape, np.uint8) if background == "random" else None

    def read(i: int) -> bool:
        photo = photos[i]
        pixels = places[i].shrunk(premultiplied(photo.path, photo.orientation))
        place = (i, slice(pixels.shape[0]), slice(pixels.shape[1]))
        images[place] = pixels[..., :3]
        if background == "white":
            images[place] += 255 - pixels[..., 3:]
        if alpha is not None:
            alpha[place] = pixels[..., 3]
        return bool(pixels[..., 3].any())

    if not any(in_parallel(read, range(len(photos)), sizes.most_pixels)):
        raise invalid(
            f"{photos[0].path} and all photos beside it are fully transparent. Export them with "
            "the scene in them, or without an alpha channel."
        )
    return images, None if alpha is None or (alpha == 255).all() else alpha
