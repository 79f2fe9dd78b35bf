"""Whether the binary files of a COLMAP model hold as much as they say.

COLMAP believes them: it makes room for that, and looks for it where nothing is, for hours if need
be. The format is that of COLMAP's `scene/reconstruction_io`.
"""

import struct
from pathlib import Path

from nerf_trainer.scenes.types import invalid

#: Bytes of an entry in a binary file: of a camera at least; of an image and of a point up to its
#: name, or to the number of its observations; and of each of these.
CAMERA, IMAGE, POINT = 24, 64, 43
OBSERVATION_OF_IMAGE, OBSERVATION_OF_POINT = 24, 8


def check_lengths(path: Path) -> None:
    """Raises TrainerFailure (DatasetInvalid) where a file is shorter than what it says is in it."""
    for name, end in (
        ("cameras", _end_of_cameras),
        ("images", _end_of_images),
        ("points3D", _end_of_points),
    ):
        file = path / f"{name}.bin"
        if not file.is_file():
            continue
        data = file.read_bytes()
        try:
            whole = end(data) <= len(data)
        except (ValueError, OverflowError, struct.error):
            whole = False
        if not whole:
            raise invalid(f"{file} is cut off: copy the model again.")


def _end_of_cameras(data: bytes) -> int:
    """At least."""
    return 8 + _number(data, 0) * CAMERA


def _end_of_images(data: bytes) -> int:
    at = 8
    for _ in range(_number(data, 0)):
        at = data.index(b"\0", at + IMAGE) + 1
        at += 8 + _number(data, at) * OBSERVATION_OF_IMAGE
    return at


def _end_of_points(data: bytes) -> int:
    at = 8
    for _ in range(_number(data, 0)):
        at += POINT
        at += 8 + _number(data, at) * OBSERVATION_OF_POINT
    return at


def _number(data: bytes, at: int) -> int:
    """An unsigned number of eight bytes. Raises struct.error where the data end before it."""
    found: int = struct.unpack_from("<Q", data, at)[0]
    return found
