"""Reading photos into one array: flattened on the background, shrunk, and kept as uint8."""

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nerf_trainer.cameras import Lenses
from nerf_trainer.scenes.masks import usable_pixels
from nerf_trainer.scenes.opening import image_size, in_parallel, premultiplied
from nerf_trainer.scenes.shrink import averaged
from nerf_trainer.scenes.types import Background, Photo, Views, invalid

Pixels = NDArray[np.uint8]

#: Photos are shrunk by themselves until they are no longer than this, and no more in all.
LONGEST_EDGE = 1600
MOST_PIXELS = 200_000_000


def load_views(
    photos: Sequence[Photo], size: tuple[int, int], downscale: int, background: Background
) -> Views:
    """Read photos of one size, see `common_size`. `Views` tells what the background changes."""
    intrinsics = np.stack([intrinsics_of(photo, *size, downscale) for photo in photos])
    usable = usable_pixels(photos, intrinsics, size, downscale)
    images, alpha = _read(photos, size, downscale, background)
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


def common_size(photos: Sequence[Photo]) -> tuple[int, int]:
    """Width and height of all files, by their headers: nothing is decoded to find a wrong one."""
    sizes = in_parallel(lambda photo: image_size(photo.path, photo.orientation), photos)
    first = sizes[0]
    for photo, size in zip(photos, sizes, strict=True):
        text = f"{photo.path} has {size[0]}x{size[1]} pixels"
        if size != first:
            raise invalid(
                f"{text}, but {photos[0].path} has {first[0]}x{first[1]}. "
                "All photos must be of one size."
            )
        if photo.intrinsics is not None and photo.size not in (None, size):
            raise invalid(
                f"{text}, but its frame says w {photo.size[0]:g} and h {photo.size[1]:g}. Give "
                "the intrinsics (w, h, fl_x, fl_y, cx, cy) of the photo as it is."
            )
    return first


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


def intrinsics_of(photo: Photo, width: int, height: int, factor: int) -> NDArray[np.float32]:
    """fx, fy, cx, cy in pixels of the shrunk photo. width, height: of the file."""
    if photo.intrinsics is not None:
        return photo.intrinsics / np.float32(factor)
    focal = 0.5 * width / np.tan(0.5 * float(photo.angle_x or 0))
    return np.array([focal, focal, width / 2, height / 2], np.float32) / np.float32(factor)


def _read(
    photos: Sequence[Photo], size: tuple[int, int], factor: int, background: Background
) -> tuple[Pixels, Pixels | None]:
    """All images (V, H, W, 3) and, behind a random background, their alpha (V, H, W)."""
    shape = (len(photos), size[1] // factor, size[0] // factor)
    images = np.empty((*shape, 3), np.uint8)
    alpha = np.empty(shape, np.uint8) if background == "random" else None

    def read(i: int) -> bool:
        photo = photos[i]
        pixels = averaged(premultiplied(photo.path, photo.orientation), factor)
        images[i] = pixels[..., :3]
        if background == "white":
            images[i] += 255 - pixels[..., 3:]
        if alpha is not None:
            alpha[i] = pixels[..., 3]
        return bool(pixels[..., 3].any())

    if not any(in_parallel(read, range(len(photos)), size[0] * size[1])):
        raise invalid(
            f"{photos[0].path} and all photos beside it are fully transparent. Export them with "
            "the scene in them, or without an alpha channel."
        )
    return images, None if alpha is None or (alpha == 255).all() else alpha
