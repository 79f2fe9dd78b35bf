"""Photos of several sizes in one array: the rest of the smaller ones is masked.

The array has the size that most photos have, once shrunk. Photos of another size are shrunk to fit
into it, and never enlarged; they lie in its upper left corner.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nerf_trainer.scenes.opening import image_size, in_parallel
from nerf_trainer.scenes.shrink import averaged, whole_blocks
from nerf_trainer.scenes.types import Photo, invalid

Size = tuple[int, int]  # width, height


@dataclass(frozen=True)
class Sizes:
    """Of the photos' files, once turned: each photo's, and that of most of them."""

    each: tuple[Size, ...]
    common: Size

    @property
    def most_pixels(self) -> int:
        """Of a file."""
        return max(width * height for width, height in self.each)


@dataclass(frozen=True)
class Fit:
    """How a photo comes into the array. size: once shrunk. factor: the edge of the blocks that are
    averaged, or None where pixels are cut by the edges of the new ones."""

    file: Size
    size: Size
    factor: int | None

    @property
    def scale(self) -> NDArray[np.float32]:
        """By what fx, fy, cx, cy are divided (4,)."""
        if self.factor:
            return np.full(4, self.factor, np.float32)
        return np.tile(np.array(self.file) / self.size, 2).astype(np.float32)

    def shrunk(self, image: Image.Image) -> NDArray[np.uint8]:
        """Means of the pixels that each new one covers: (H, W), or with channels behind."""
        if self.factor:
            return averaged(image, self.factor)
        return np.asarray(image.resize(self.size, Image.Resampling.BOX))

    def whole(self, usable: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which new pixels are usable in all that they cover."""
        if self.factor:
            return whole_blocks(usable, self.factor)
        return np.asarray(self.shrunk(Image.fromarray(usable.astype(np.uint8) * 255)) == 255)


def measure(photos: Sequence[Photo]) -> Sizes:
    """The sizes, by the headers: nothing is decoded to find a wrong one.

    A photo may have another size than most where its intrinsics say that they are for that one.
    Raises TrainerFailure (DatasetInvalid).
    """
    each = in_parallel(lambda photo: image_size(photo.path, photo.orientation), photos)
    common = Counter(each).most_common(1)[0][0]
    usual = photos[each.index(common)]
    for photo, size in zip(photos, each, strict=True):
        text = f"{photo.path} has {size[0]}x{size[1]} pixels"
        if photo.intrinsics is not None and photo.size not in (None, size):
            raise invalid(
                f"{text}, but its frame says w {photo.size[0]:g} and h {photo.size[1]:g}. Give "
                "the intrinsics (w, h, fl_x, fl_y, cx, cy) of the photo as it is."
            )
        if size != common and photo.size is None:
            raise invalid(
                f"{text}, but {usual.path} has {common[0]}x{common[1]}. Photos must be of one "
                "size, or their frames must say w and h, and have intrinsics for them."
            )
    return Sizes(tuple(each), common)


def fits(sizes: Sizes, factor: int) -> list[Fit]:
    """How each photo comes into the array. factor: by which those of the common size are shrunk."""
    whole = (sizes.common[0] // factor, sizes.common[1] // factor)
    return [
        Fit(file, whole, factor) if file == sizes.common else Fit(file, _within(file, whole), None)
        for file in sizes.each
    ]


def room(places: Sequence[Fit]) -> tuple[int, int]:
    """Height and width of the array."""
    return max(place.size[1] for place in places), max(place.size[0] for place in places)


def _within(file: Size, room: Size) -> Size:
    scale = min(1.0, room[0] / file[0], room[1] / file[1])
    width, height = (max(1, round(edge * scale)) for edge in file)
    return min(width, room[0]), min(height, room[1])
