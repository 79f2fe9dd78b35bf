"""Cameras around the demo scene, and how far others are from them."""

import numpy as np
from numpy.typing import NDArray

from nerf_trainer.scenes import demo

Array = NDArray[np.float64]
Poses = Array


def arc(azimuth: Array, height: Array) -> Poses:
    """Cameras (N, 4, 4) that look at the still life from these angles (N,), in radians."""
    count, flat = len(azimuth), np.cos(height)
    back = np.stack([flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(height)], -1)
    right = np.stack([-np.sin(azimuth), np.cos(azimuth), np.zeros(count)], -1)
    found = np.tile(np.eye(4), (count, 1, 1))
    found[:, :3, :3] = np.stack([right, np.cross(back, right), back], -1)
    found[:, :3, 3] = back * demo.CAMERA_DISTANCE + demo.LOOK_AT
    return found


def aligned(found: Poses, truth: Poses) -> tuple[Array, float]:
    """Centres moved onto the true ones as well as a similarity can (Umeyama 1991), and the tilt."""
    a, b = (x[:, :3, 3] - x[:, :3, 3].mean(0) for x in (found, truth))
    left, size, right = np.linalg.svd(b.T @ a)
    flip = np.diag([1, 1, np.linalg.det(left @ right)])
    turn = left @ flip @ right
    scale = np.trace(np.diag(size) @ flip) / (a * a).sum()
    tilt = np.degrees(np.arccos(turn[2, 2]))
    return scale * a @ turn.T + truth[:, :3, 3].mean(0), float(tilt)


def median_angle(found: Poses, truth: Poses) -> float:
    """Degrees between the rotations from one camera to another, over all pairs."""
    between = [np.einsum("aij,bik->abjk", x, x) for x in (found[:, :3, :3], truth[:, :3, :3])]
    cosines = (np.einsum("abij,abij->ab", *between) - 1) / 2
    return float(np.median(np.degrees(np.arccos(np.clip(cosines, -1, 1)))))
