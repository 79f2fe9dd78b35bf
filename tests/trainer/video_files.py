"""Videos for tests, of pictures that tests make themselves."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Pixels = NDArray[np.uint8]
SIZE = (96, 64)


def write_video(
    path: Path,
    pictures: Iterable[Pixels],
    codec: str = "libx264",
    rate: Fraction | int = 30,
    rotation: int = 0,
    pixel_shape: Fraction | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    """A video of pictures (H, W, 3) of one size. rotation: of the display, counter-clockwise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    stream: Any = None
    with av.open(str(path), "w") as container:
        for pixels in pictures:
            if stream is None:
                stream = container.add_stream(codec, rate=rate, options=options)
                stream.height, stream.width = pixels.shape[:2]
                stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
                if rotation:
                    stream.set_display_rotation(rotation)
                if pixel_shape:
                    stream.codec_context.sample_aspect_ratio = pixel_shape
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "rgb24")))
        container.mux(stream.encode())
    return path


def write_sound(path: Path) -> Path:
    """A file with sound in it, and nothing else."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        sound = np.zeros((1, 4096), np.float32)
        frame = av.AudioFrame.from_ndarray(sound, "fltp", "mono")
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def pattern(k: int, size: tuple[int, int] = SIZE) -> Pixels:
    """Picture k of a scene that moves: coarse noise (H, W, 3), another piece of it in each."""
    width, height = size
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (height // 4, width // 2, 3), dtype=np.uint8)
    whole = coarse.repeat(4, 0).repeat(4, 1)
    return np.ascontiguousarray(whole[:, k % width : k % width + width])


def patterns(count: int, size: tuple[int, int] = SIZE) -> list[Pixels]:
    """The first pictures of that scene."""
    return [pattern(k, size) for k in range(count)]


def blurred(pixels: Pixels, radius: float = 2.0) -> Pixels:
    """The same, as a camera that moves sees it."""
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(radius)))
