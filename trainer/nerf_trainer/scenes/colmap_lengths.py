"""Whether the binary files of a COLMAP model hold as much as they say.

COLMAP believes them: it makes room for that, and looks for it where nothing is, for hours if need
be. The format is that of COLMAP's `scene/reconstruction_io`.
"""

import mmap
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

from nerf_trainer.failures import TrainerFailure
from nerf_trainer.scenes.types import invalid, unreadable

#: Bytes of an entry: of a camera up to its parameters; of an image up to its name, and of a point
#: up to the number of its observations; and of each of these.
CAMERA, IMAGE, POINT = 24, 64, 43
PARAMETER, OBSERVATION_OF_IMAGE, OBSERVATION_OF_POINT = 8, 24, 8


def check_lengths(files: Sequence[Path]) -> None:
    """Look through the binary files of a model. Raises TrainerFailure (DatasetInvalid) where one
    cannot be read, or is shorter than what it says is in it."""
    for file in files:
        end = _ENDS.get(file.name)
        try:
            if end is not None and not _is_whole(file, end):
                raise _short(file)
        except OSError as error:
            raise unreadable(file, error) from error


def check_cameras(file: Path, parameters: Sequence[int]) -> None:
    """The same of cameras once they have been read; how many parameters each has, its model says.

    COLMAP makes up those that are missing.
    """
    if file.name not in _ENDS:
        return
    if file.stat().st_size < 8 + sum(CAMERA + PARAMETER * count for count in parameters):
        raise _short(file)


def _short(file: Path) -> TrainerFailure:
    return invalid(f"{file} is cut off or damaged: copy the model again.")


def _is_whole(file: Path, end: Callable[[mmap.mmap], int]) -> bool:
    with file.open("rb") as stream:
        try:
            # Mapped, so that a large file takes no memory.
            with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return end(data) <= len(data)
        except (ValueError, OverflowError, struct.error):
            return False


def _end_of_cameras(data: mmap.mmap) -> int:
    """At least."""
    return 8 + _number(data, 0) * CAMERA


def _end_of_images(data: mmap.mmap) -> int:
    at = 8
    for _ in range(_number(data, 0)):
        name_ends = data.find(b"\0", at + IMAGE)
        if name_ends < 0:
            raise ValueError("a name without end")
        at = name_ends + 1
        at += 8 + _number(data, at) * OBSERVATION_OF_IMAGE
    return at


def _end_of_points(data: mmap.mmap) -> int:
    at = 8
    for _ in range(_number(data, 0)):
        at += POINT
        at += 8 + _number(data, at) * OBSERVATION_OF_POINT
    return at


def _number(data: mmap.mmap, at: int) -> int:
    """An unsigned number of eight bytes. Raises struct.error where the data end before it."""
    found: int = struct.unpack_from("<Q", data, at)[0]
    return found


_ENDS = {
    "cameras.bin": _end_of_cameras,
    "images.bin": _end_of_images,
    "points3D.bin": _end_of_points,
}
