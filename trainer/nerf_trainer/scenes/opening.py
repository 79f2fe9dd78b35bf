"""Opening image files, photos and masks, with errors that name them."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nerf_trainer.scenes.types import invalid

T = TypeVar("T")
U = TypeVar("U")

#: Pixels of files that are decoded at once; each takes some 20 bytes meanwhile.
POOL_PIXELS = 64_000_000


def image_size(path: Path) -> tuple[int, int]:
    """Width and height, by the header alone."""
    with _opened(path) as image:
        return int(image.width), int(image.height)


def grey(path: Path) -> NDArray[np.uint8]:
    """The pixels' brightness (H, W)."""
    with _opened(path) as image:
        return np.asarray(image.convert("L"))


def premultiplied(path: Path) -> Image.Image:
    """Colours times alpha, and alpha: in Pillow's mode RGBa."""
    with _opened(path) as image:
        return image.convert("RGBA").convert("RGBa")


def in_parallel(function: Callable[[T], U], items: Iterable[T], pixels: int = 1) -> list[U]:
    """The function of each item, by threads; pixels: of a file that is decoded for an item."""
    threads = min(8, os.cpu_count() or 1, max(1, POOL_PIXELS // pixels))
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(function, items))


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with Image.open(path) as image:
            if image.mode == "F" or image.mode.startswith("I"):
                raise invalid(
                    f"{path} has more than 8 bits a channel, which would be cut off. Convert it "
                    "to a PNG or JPEG file of 8 bits."
                )
            yield image
    except Image.DecompressionBombError as error:
        raise invalid(
            f"{path} has more than {2 * Image.MAX_IMAGE_PIXELS} pixels, the most that are read. "
            "Shrink all photos by one factor, and their intrinsics with them."
        ) from error
    except (OSError, SyntaxError, ValueError) as error:
        raise invalid(
            f"{path} is not an image that can be read ({error}). Replace it by a PNG or "
            "JPEG file, or remove its frame."
        ) from error
