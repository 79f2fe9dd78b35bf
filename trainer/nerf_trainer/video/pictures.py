"""Pictures of decoded frames: in grey to compare, in colour to keep."""

from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from nerf_trainer.scenes.types import invalid

#: Longer edge of the pictures that frames become.
LONGEST_EDGE = 4096
#: Longer edge at which sharpness is compared: as large as features are looked for by default.
COMPARED_EDGE = 960


def grey(frame: Any) -> NDArray[np.uint8]:
    """The brightness (H, W) of an av.VideoFrame as it is stored, shrunk."""
    width, height = _within((frame.width, frame.height), COMPARED_EDGE)
    return _converted(frame, width, height, "gray")


def picture(frame: Any, pixel_shape: float) -> NDArray[np.uint8]:
    """The frame (H, W, 3) with square pixels, turned as the camera was held.

    pixel_shape: width of a stored pixel over its height.
    """
    width, height = _within((round(frame.width * pixel_shape), frame.height), LONGEST_EDGE)
    pixels = _converted(frame, width, height, "rgb24")
    return np.ascontiguousarray(np.rot90(pixels, round(frame.rotation / 90)))


def _converted(frame: Any, width: int, height: int, layout: str) -> NDArray[np.uint8]:
    """Raises TrainerFailure (DatasetInvalid) for colours that FFmpeg cannot convert."""
    try:
        return _reformatted(frame, width, height, layout)
    except (av.FFmpegError, ValueError) as error:
        raise invalid(
            f"The colours of a video cannot be converted ({error}). Encode it anew: "
            "ffmpeg -i IN -c:v libx264 -crf 18 -pix_fmt yuv420p -colorspace bt709 OUT.mp4"
        ) from error


def _reformatted(frame: Any, width: int, height: int, layout: str) -> NDArray[np.uint8]:
    return np.asarray(frame.reformat(width, height, layout, interpolation="AREA").to_ndarray())


def _within(size: tuple[int, int], edge: int) -> tuple[int, int]:
    scale = min(1.0, edge / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
