"""How photos are turned before anything is done with them.

EXIF codes of an orientation, 1 to 8, name how the stored pixels are to be turned to be upright.
With codes from 5 on, width and height change places.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nerf_trainer.scenes.opening import UPRIGHT, exif_orientation, image_size, in_parallel

#: The code that turns as the given one does and then by 90 degrees, counter-clockwise.
TURNED_LEFT = {1: 8, 8: 3, 3: 6, 6: 1, 2: 5, 5: 4, 4: 7, 7: 2}

Y_UP = np.array([0.0, 1.0, 0.0])
#: Where up is, in the axes of a camera (x right, y up), after an upright photo was turned left.
X_LEFT = np.array([-1.0, 0.0, 0.0])


@dataclass(frozen=True)
class Turn:
    """orientation: EXIF code to open the photo with. left: whether it is turned left by that, from
    upright."""

    orientation: int
    left: bool = False

    @property
    def up(self) -> NDArray[np.float64]:
        """The direction that is up in the photo as it is opened, in the camera's axes (3,)."""
        return X_LEFT if self.left else Y_UP


def turns(photos: Sequence[Path]) -> list[Turn]:
    """A turn for each photo, so that all are upright, or at least of one size.

    Where upright photos of one camera come both wide and tall, the rarer kind is turned on its
    side.
    """
    codes = in_parallel(exif_orientation, photos)
    sizes = in_parallel(lambda item: image_size(*item), list(zip(photos, codes, strict=True)))
    common = Counter(sizes).most_common(1)[0][0]
    return [_turn(code, size, common) for code, size in zip(codes, sizes, strict=True)]


def _turn(code: int, size: tuple[int, int], common: tuple[int, int]) -> Turn:
    if size != common and size[::-1] == common:
        return Turn(TURNED_LEFT[code], left=True)
    return Turn(code)


def mask_orientation(mask: Path, turn: Turn, size: tuple[int, int]) -> int | None:
    """EXIF code to open the mask of a photo with; None where it has not the photo's size then.

    turn, size: of the photo, its width and height once turned. What the mask's own EXIF says holds.
    Without it the mask is upright, as tools write it that turn photos upright on opening; or, where
    only so it has the size, of the photo's stored pixels.
    """
    own = exif_orientation(mask)
    upright = TURNED_LEFT[own] if turn.left else own
    codes = (upright, turn.orientation) if own == UPRIGHT else (upright,)
    return next((code for code in codes if image_size(mask, code) == size), None)
