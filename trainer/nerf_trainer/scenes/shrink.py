"""Photos of lower resolution, by averaging blocks of pixels.

Names: factor, the edge of a block. A rest at the right and bottom, less than a block, is cut.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from nerf_trainer.scenes.types import Views, invalid

Pixels = NDArray[np.uint8] | NDArray[np.float32]


def box_filter(image: Pixels, factor: int) -> NDArray[np.float32]:
    """Mean of each block of (H, W) or (H, W, C)."""
    height, width = image.shape[0] // factor, image.shape[1] // factor
    total = np.zeros((height, width, *image.shape[2:]), np.float32)
    for row in range(factor):
        for column in range(factor):
            total += image[row::factor, column::factor][:height, :width]
    total /= factor**2
    return total


def whole_blocks(usable: NDArray[np.bool_], factor: int) -> NDArray[np.bool_]:
    """Which blocks of (H, W) are usable in all their pixels."""
    height, width = usable.shape[0] // factor, usable.shape[1] // factor
    blocks = usable[: height * factor, : width * factor]
    return np.asarray(blocks.reshape(height, factor, width, factor).all((1, 3)))


def to_uint8(image: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Rounded, from values between 0 and 255."""
    rounded: NDArray[np.uint8] = np.round(image).astype(np.uint8)
    return rounded


def shrink(views: Views, factor: int) -> Views:
    """The same views with blocks as pixels. Distortion does not depend on the size of pixels.

    Raises TrainerFailure (DatasetInvalid) where no block is left.
    """
    height, width = views.images.shape[1:3]
    if min(height, width) < factor:
        raise invalid(
            f"Photos of {width}x{height} pixels cannot be shrunk by {factor}. Lower "
            "dataset.downscale, or use larger photos."
        )
    usable = views.usable
    if usable is not None:
        usable = np.stack([whole_blocks(view, factor) for view in usable])
        if not usable.any():
            raise invalid(
                f"The masks of {views.names[0]} and the other photos leave no {factor}x{factor} "
                "pixels to train on. Lower dataset.downscale, or mask less."
            )
    return replace(
        views,
        images=_averaged(views.images, factor),
        alpha=None if views.alpha is None else _averaged(views.alpha, factor),
        usable=usable,
        intrinsics=views.intrinsics / np.float32(factor),
    )


def _averaged(images: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """One view at a time, so that no float copy of all is made."""
    return np.stack([to_uint8(box_filter(image, factor)) for image in images])
