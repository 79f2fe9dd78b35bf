"""Opening image files, photos and masks, with errors that name them."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from nerf_trainer.scenes.types import invalid

T = TypeVar("T")
U = TypeVar("U")

#: EXIF's codes for how stored pixels are to be turned, and how Pillow does it.
UPRIGHT = 1
TRANSPOSES = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
#: Pixels of files that are decoded at once; each takes some 20 bytes meanwhile.
POOL_PIXELS = 64_000_000


def image_size(path: Path, orientation: int = UPRIGHT) -> tuple[int, int]:
    """Width and height, once turned, by the header alone."""
    with _opened(path) as image:
        size = int(image.width), int(image.height)
    return size if orientation < 5 else size[::-1]


def exif_orientation(path: Path) -> int:
    """How the photo is to be turned to be upright: an EXIF code, 1 to 8."""
    with _opened(path) as image:
        code = image.getexif().get(ExifTags.Base.Orientation, UPRIGHT)
    return code if code in TRANSPOSES else UPRIGHT


def grey(path: Path, orientation: int = UPRIGHT) -> NDArray[np.uint8]:
    """The pixels' brightness (H, W), once turned."""
    with _opened(path) as image:
        return np.asarray(_turned(image.convert("L"), orientation))


def premultiplied(path: Path, orientation: int = UPRIGHT) -> Image.Image:
    """Colours times alpha, and alpha, once turned: in Pillow's mode RGBa."""
    with _opened(path) as image:
        return _turned(image.convert("RGBA").convert("RGBa"), orientation)


def _turned(image: Image.Image, orientation: int) -> Image.Image:
    return image if orientation == UPRIGHT else image.transpose(TRANSPOSES[orientation])


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
            "Shrink all photos by one factor, and the intrinsics of a transforms file with them."
        ) from error
    except (OSError, SyntaxError, ValueError) as error:
        raise invalid(
            f"{path} is not an image that can be read ({_told(error)}). Replace it by a whole PNG "
            "or JPEG file, or remove it, and its frame where a transforms file lists it."
        ) from error


def _told(error: Exception) -> str:
    """Pillow's words, unless they only name the file again."""
    unknown = isinstance(error, UnidentifiedImageError)
    return "its content is no picture" if unknown else str(error)
