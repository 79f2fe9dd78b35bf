"""Reading photos: flattened on the background, shrunk, and kept as uint8."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nerf_trainer.scenes.types import Photo, Views, invalid


def load_views(photos: Sequence[Photo], downscale: int, background: float) -> Views:
    """Read all photos; they must be of one size.

    background: grey value in [0, 1] behind transparent pixels.
    """
    read = partial(read_image, downscale=downscale, background=background)
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        images = list(pool.map(read, photos))
    _check_sizes(photos, images)
    height, width = images[0].shape[:2]
    return Views(
        images=np.stack(images),
        poses=np.stack([p.pose for p in photos]),
        intrinsics=np.stack([_intrinsics(p, width, height, downscale) for p in photos]),
        names=tuple(p.name for p in photos),
    )


def read_image(photo: Photo, downscale: int, background: float) -> NDArray[np.uint8]:
    """One photo (H, W, 3): colours times alpha, over the background, then box-filtered."""
    try:
        with Image.open(photo.path) as image:
            pixels = np.asarray(image.convert("RGBA"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise invalid(
            f"{photo.path} is not an image that can be read ({error}). Replace it by a PNG or "
            "JPEG file, or remove its frame."
        ) from error
    if min(pixels.shape[:2]) < downscale:
        raise invalid(
            f"{photo.path} has {pixels.shape[1]}x{pixels.shape[0]} pixels: too few for "
            f"dataset.downscale {downscale}. Choose a smaller one."
        )
    return _flatten(pixels, downscale, background)


def _flatten(pixels: NDArray[np.uint8], factor: int, background: float) -> NDArray[np.uint8]:
    if factor == 1 and (pixels[..., 3] == 255).all():
        return np.ascontiguousarray(pixels[..., :3])
    rgba = pixels.astype(np.float32) / 255
    rgb = rgba[..., :3] * rgba[..., 3:] + np.float32(background) * (1 - rgba[..., 3:])
    small = box_filter(rgb.astype(np.float32), factor)
    rounded: NDArray[np.uint8] = np.round(small * 255).astype(np.uint8)
    return rounded


def box_filter(image: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """Mean of each factor x factor block of (H, W, C); a rest at the right and bottom is cut."""
    height, width = image.shape[0] // factor, image.shape[1] // factor
    blocks = image[: height * factor, : width * factor]
    mean: NDArray[np.float32] = blocks.reshape(height, factor, width, factor, -1).mean((1, 3))
    return mean


def _check_sizes(photos: Sequence[Photo], images: Sequence[NDArray[np.uint8]]) -> None:
    first = images[0].shape
    for photo, image in zip(photos, images, strict=True):
        if image.shape != first:
            raise invalid(
                f"{photo.path} has {image.shape[1]}x{image.shape[0]} pixels, but "
                f"{photos[0].path} has {first[1]}x{first[0]}. All photos must be of one size."
            )


def _intrinsics(photo: Photo, width: int, height: int, factor: int) -> NDArray[np.float32]:
    """fx, fy, cx, cy in pixels of the shrunk photo."""
    if photo.intrinsics is not None:
        return photo.intrinsics / np.float32(factor)
    focal = 0.5 * width / np.tan(0.5 * float(photo.angle_x or 0))
    return np.array([focal, focal, width / 2, height / 2], np.float32)
