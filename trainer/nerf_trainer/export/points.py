"""`points.ply`: what the training cameras see, as coloured points.

Unlike the mesh it has what lies beyond the scene's cube. Names: V cameras, P points.
"""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nerf_contract.outputs import PointsOutput
from nerf_trainer.export.cameras import Cameras, Picture
from nerf_trainer.export.failure import OutputError
from nerf_trainer.export.scene import TrainedScene
from nerf_trainer.ply import ply

FILE = "points.ply"
#: A ray has met something once it lets no more than this part of the light through.
LEAST_OPACITY = 0.9
#: Past an edge a ray sees partly what is near and partly what is far: its mean distance is in
#: empty air. So a point is kept where the last part of the way to it, which is this share of the
#: whole, lets through less than that part of the light.
SHORT_WAY, LEAST_THERE = 0.02, 0.1
#: What is farther from the middle than so many times the scene's bound is sky.
FARTHEST = 30.0

Points = tuple[NDArray[np.float32], NDArray[np.uint8]]  # places (P, 3), colours (P, 3)


def make_points(
    scene: TrainedScene, wanted: PointsOutput, folder: Path, tell: Callable[[float], None]
) -> dict[str, object]:
    """Write `points.ply`. Returns figures. Raises OutputError where nothing is seen."""
    picture = picture_for(scene.cameras, wanted.count)
    found = []
    for i, pose in enumerate(scene.cameras.poses):
        found.append(seen_from(scene, pose, picture))
        tell((i + 1) / len(scene.cameras.poses))
    points, colours = (np.concatenate(part) for part in zip(*found, strict=True))
    if not len(points):
        raise OutputError("the cameras see nothing solid. Train longer.")
    (folder / FILE).write_bytes(ply(points, colours))
    return {"points": len(points)}


def picture_for(cameras: Cameras, count: int) -> Picture:
    """The shape of pictures that have so many pixels together, more or less."""
    pixels = count / len(cameras.poses)
    return cameras.picture(math.ceil(math.sqrt(pixels * cameras.width / cameras.height)))


@torch.no_grad()
def seen_from(scene: TrainedScene, pose: NDArray[np.float64], picture: Picture) -> Points:
    """Points on what a camera at `pose` (3, 4) sees."""
    rays = picture.rays(pose, scene.device)
    seen = scene.look(rays)
    t = seen.depth / seen.opacity.clamp(min=1e-6)
    x = rays.o + rays.d * t[:, None]
    kept = (seen.opacity > LEAST_OPACITY) & (x.norm(dim=1) < FARTHEST * scene.bound)
    kept &= is_solid(scene.density(x), t)
    colours = (seen.rgb[kept].clamp(0, 1) * 255).round().byte()
    return x[kept].float().cpu().numpy(), colours.cpu().numpy()


def is_solid(sigma: Tensor, t: Tensor) -> Tensor:
    """Where something is, and not only behind and before it (P,). sigma: densities at distances
    t."""
    return 1 - torch.exp(-sigma * t * SHORT_WAY) > LEAST_THERE
