"""Cameras that look at something. The scene lies around the origin, its up is +z."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

UP = np.array([0.0, 0.0, 1.0])


def look_at(position: Array, target: Array, up: Array = UP) -> Array:
    """Pose (3, 4) of a camera at `position` (3,) that looks at `target` (3,), `up` upwards."""
    backward = _unit(position - target)
    if abs(backward @ _unit(up)) > 0.999:  # Straight up or down: any other direction will do.
        up = np.roll(up, 1)
    right = _unit(np.cross(up, backward))
    return np.stack([right, np.cross(backward, right), backward, position], -1)


def _unit(v: Array) -> Array:
    unit: Array = v / max(float(np.linalg.norm(v)), 1e-12)
    return unit
