"""Pictures of decoded frames: in grey to compare, in colour to keep."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Longer edge of the pictures that frames become.
LONGEST_EDGE = 4096
#: Longer edge at which sharpness is compared: as large as features are looked for by default.
COMPARED_EDGE = 960


def grey(frame: Any) -> NDArray[np.uint8]:
    """The brightness (H, W) of an av.VideoFrame as it is stored, shrunk."""
    width, height = _within((frame.width, frame.height), COMPARED_EDGE)
    small = frame.reformat(width, height, "gray", interpolation="AREA")
    return np.asarray(small.to_ndarray())


def picture(frame: Any, pixel_shape: float) -> NDArray[np.uint8]:
    """The frame (H, W, 3) with square pixels, turned as the camera was held.

    pixel_shape: width of a stored pixel over its height.
    """
    width, height = _within((round(frame.width * pixel_shape), frame.height), LONGEST_EDGE)
    pixels = frame.reformat(width, height, "rgb24", interpolation="AREA").to_ndarray()
    return np.ascontiguousarray(np.rot90(pixels, round(frame.rotation / 90)))


def _within(size: tuple[int, int], edge: int) -> tuple[int, int]:
    scale = min(1.0, edge / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
