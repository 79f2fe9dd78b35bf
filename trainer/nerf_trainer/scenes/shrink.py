"""Photos of lower resolution, by averaging blocks of pixels.

Names: factor, the edge of a block. A rest at the right and bottom, less than a block, is cut.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nerf_trainer.scenes.types import Views, invalid


def averaged(image: Image.Image, factor: int) -> NDArray[np.uint8]:
    """Rounded means of blocks: (H // factor, W // factor), or with channels behind."""
    if factor == 1:
        return np.asarray(image)
    whole = (image.width // factor * factor, image.height // factor * factor)
    return np.asarray(image.reduce(factor, (0, 0, *whole)))


def whole_blocks(usable: NDArray[np.bool_], factor: int) -> NDArray[np.bool_]:
    """Which blocks of (H, W) are usable in all their pixels."""
    height, width = usable.shape[0] // factor, usable.shape[1] // factor
    blocks = usable[: height * factor, : width * factor]
    return np.asarray(blocks.reshape(height, factor, width, factor).all((1, 3)))


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
    return np.stack([averaged(Image.fromarray(image), factor) for image in images])
