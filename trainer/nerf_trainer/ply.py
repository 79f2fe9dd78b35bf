"""Coloured points as a PLY file."""

import numpy as np
from numpy.typing import NDArray


def ply(points: NDArray[np.floating], colours: NDArray[np.uint8]) -> bytes:
    """A binary PLY file. points, colours: (P, 3)."""
    kinds = [(axis, "<f4") for axis in "xyz"] + [(c, "u1") for c in ("red", "green", "blue")]
    rows = np.empty(len(points), np.dtype(kinds))
    for axis, values in zip("xyz", points.T, strict=True):
        rows[axis] = values
    for colour, values in zip(("red", "green", "blue"), colours.T, strict=True):
        rows[colour] = values
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(points)}"]
    header += [f"property float {axis}" for axis in "xyz"]
    header += [f"property uchar {colour}" for colour in ("red", "green", "blue")]
    return "\n".join([*header, "end_header", ""]).encode() + rows.tobytes()
