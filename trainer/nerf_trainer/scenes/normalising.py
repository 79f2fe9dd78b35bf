"""Where up is, where the middle is, and how large: coordinates for a scene that came without.

Structure from motion finds a scene up to a similarity. Here it gets z upwards, and what the cameras
look at into the cube [-1, 1]^3.

Names: V cameras, P points. Poses are camera-to-world (V, 3, 4), OpenGL axes, points (P, 3).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Points beyond these percentiles, along each axis, count as noise.
EXTENT_PERCENTILES = (1.0, 99.0)
#: The share of cameras that must have the focus before them, for them to look inwards.
INWARD_SHARE = 0.8
#: Below this variance the cameras' x axes are all alike and say nothing of where up is.
MIN_SPREAD = 0.02
MIN_POINTS = 8
#: Without points: the cameras' distance from the middle, in units of the result.
CAMERA_DISTANCE = 2.5


@dataclass(frozen=True)
class Similarity:
    """x -> scale * rotation (3, 3) @ (x - centre (3,))."""

    scale: float
    rotation: Array
    centre: Array

    def points(self, points: Array) -> Array:
        """Points (..., 3) in the new coordinates."""
        return self.scale * (points - self.centre) @ self.rotation.T

    def poses(self, poses: Array) -> Array:
        """Poses (V, 3, 4) in the new coordinates."""
        turned = self.rotation @ poses[:, :, :3]
        return np.concatenate([turned, self.points(poses[:, :, 3])[..., None]], -1)


def normalising(poses: Array, points: Array, ups: Array) -> Similarity:
    """The similarity that puts the scene in place. ups: up in the axes of each camera (V, 3)."""
    rotation = _towards_z(upwards(poses, ups))
    middle = focus(poses)
    subject = _near(points, poses, middle)
    if len(subject) < MIN_POINTS:
        distances = np.linalg.norm(poses[:, :, 3] - middle, axis=1)
        return Similarity(
            CAMERA_DISTANCE / max(float(np.median(distances)), 1e-9), rotation, middle
        )
    turned = subject @ rotation.T
    low, high = np.percentile(turned, EXTENT_PERCENTILES, axis=0)
    scale = 2 / max(float((high - low).max()), 1e-9)
    return Similarity(scale, rotation, rotation.T @ (low + high) / 2)


def upwards(poses: Array, ups: Array) -> Array:
    """Upwards in the world (3,): square to the cameras' horizons, as people hold cameras level."""
    each = np.einsum("vij,vj->vi", poses[:, :, :3], ups)
    mean = each.mean(0)
    horizons = np.cross(each, poses[:, :, 2])
    _, variances, axes = np.linalg.svd(horizons / np.sqrt(len(poses)), full_matrices=True)
    spread = np.zeros(3)
    spread[: len(variances)] = variances**2
    level = axes[2] if spread[1] > MIN_SPREAD else mean - axes[0] * (axes[0] @ mean)
    found = level if level @ mean >= 0 else -level
    return found / max(float(np.linalg.norm(found)), 1e-9)


def focus(poses: Array) -> Array:
    """The point (3,) nearest to all optical axes, if the cameras look inwards, else their middle
    seen a little ahead."""
    eyes, ahead = poses[:, :, 3], -poses[:, :, 2]
    across = np.eye(3) - ahead[:, :, None] * ahead[:, None, :]
    matrix = across.sum(0)
    found: Array = np.linalg.lstsq(matrix, np.einsum("vij,vj->i", across, eyes), rcond=None)[0]
    inward = ((found - eyes) * ahead).sum(1) > 0
    if inward.mean() >= INWARD_SHARE and np.linalg.cond(matrix) < 1e3:
        return found
    middle: Array = eyes.mean(0)
    return middle + ahead.mean(0) * float(np.linalg.norm(eyes - middle, axis=1).mean())


def _near(points: Array, poses: Array, middle: Array) -> Array:
    """Points of what the cameras look at: nearer to the focus than the cameras are."""
    reach = np.median(np.linalg.norm(poses[:, :, 3] - middle, axis=1))
    near: Array = points[np.linalg.norm(points - middle, axis=1) < reach]
    return near if len(near) >= MIN_POINTS else points


def _towards_z(up: Array) -> Array:
    """The rotation (3, 3) that turns `up` to z by the shortest way."""
    z = np.array([0.0, 0.0, 1.0])
    axis, cosine = np.cross(up, z), float(up @ z)
    if cosine < -1 + 1e-9:
        return np.diag([1.0, -1.0, -1.0])
    x, y, w = axis
    cross = np.array([[0, -w, y], [w, 0, -x], [-y, x, 0]])
    return np.eye(3) + cross + cross @ cross / (1 + cosine)
