"""From where on photos see the same: nearer than that, nothing can be placed by them.

Where nobody else looks, each photo can be explained by a picture of itself right before its lens,
and with few photos that is what is learnt.
"""

import numpy as np
from numpy.typing import NDArray

from nerf_trainer.scenes.types import Views

#: Rays of each photo, along each axis, and distances along a ray that are looked at.
RAYS, DISTANCES = 5, 64
#: Cameras are compared with so many of all at most, evenly spread.
MOST_CAMERAS = 100
#: So many others have to see a point, and this share of rays have such points from there on.
OTHERS, SHARE = 3, 0.25

Array = NDArray[np.float32]


def shared_distance(views: Views, bound: float) -> float:
    """`shared_from` of photos, in world units: from near the cameras to twice the scene's bound."""
    height, width = views.images.shape[1:3]
    span = np.geomspace(0.01 * bound, 2 * bound, DISTANCES, dtype=np.float32)
    return shared_from(views.poses, views.intrinsics, (width, height), span)


def shared_from(poses: Array, intrinsics: Array, size: tuple[int, int], span: Array) -> float:
    """Distance in `span` from which on a part of all rays is seen by `OTHERS` of the cameras.

    poses: camera-to-world (V, 3, 4). intrinsics: fx, fy, cx, cy in pixels (V, 4); lenses are taken
    for pinholes. size: width and height of the photos. span: ascending distances (D,).
    """
    step = -(-len(poses) // MOST_CAMERAS)
    poses, intrinsics = poses[::step], intrinsics[::step]
    first = [_first_shared(i, poses, intrinsics, size, span) for i in range(len(poses))]
    return float(np.quantile(np.concatenate(first), SHARE))


def _first_shared(
    index: int, poses: Array, intrinsics: Array, size: tuple[int, int], span: Array
) -> Array:
    """For each ray (R,) of a camera the first distance that enough others see, or the last one."""
    points = _rays(poses[index], intrinsics[index], size, span)
    others = [i for i in range(len(poses)) if i != index]
    seen = np.zeros(points.shape[:2], int)
    for i in others:
        seen += _sees(poses[i], intrinsics[i], size, points)
    enough = seen >= min(OTHERS, len(others))
    return np.where(enough.any(1), span[enough.argmax(1)], span[-1])


def _rays(pose: Array, intrinsics: Array, size: tuple[int, int], span: Array) -> Array:
    """Points (R, D, 3) on rays evenly spread over a photo."""
    fx, fy, cx, cy = intrinsics
    places = (np.arange(RAYS, dtype=np.float32) + 0.5) / RAYS
    u, v = (grid.ravel() for grid in np.meshgrid(places * size[0], places * size[1]))
    d = np.stack([(u - cx) / fx, -(v - cy) / fy, -np.ones_like(u)], 1)
    d /= np.linalg.norm(d, axis=1, keepdims=True)
    ahead = (d @ pose[:, :3].T)[:, None] * span[None, :, None]
    return (pose[:, 3] + ahead).astype(np.float32)


def _sees(
    pose: Array, intrinsics: Array, size: tuple[int, int], points: Array
) -> NDArray[np.bool_]:
    """Which of the points (..., 3) are in a camera's photo."""
    fx, fy, cx, cy = intrinsics
    x, y, z = np.moveaxis((points - pose[:, 3]) @ pose[:, :3], -1, 0)
    depth = np.maximum(-z, 1e-6)
    u, v = fx * x / depth + cx, -fy * y / depth + cy
    return (z < 0) & (u >= 0) & (u < size[0]) & (v >= 0) & (v < size[1])
