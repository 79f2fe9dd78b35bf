"""The demo scene: a textured still life, photographed from a dome of known cameras.

A small ray tracer, so that the project ships no data and every machine makes the same photos:

    python3 -m nerf_trainer.scenes.demo --out DIR

writes `DIR/images/*.jpg` and a nerfstudio `DIR/transforms.json` with train and val lists. With
`--truth FILE` that goes to FILE, and DIR holds bare photos. The textures are solid (functions of
the 3D point) and detailed, so that structure-from-motion finds features on every surface.

Names: o origins (N, 3), d unit directions (N, 3), t distances (N,), inf where nothing is hit.
"""

import argparse
import json
import logging
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nerf_contract import names

log = logging.getLogger(__name__)

Array = NDArray[np.float32]
Hit = tuple[Array, Array]  # t (N,), normals (N, 3)

FIELD_OF_VIEW = np.radians(40.0)
CAMERA_DISTANCE = 3.0
SCENE_RADIUS = 1.35
#: Where the still life stands: at the bottom of the cube [-1.15, 1.15]^3, so that there is next to
#: no space below it, which no camera sees and a field could fill with anything.
STAGE = np.array([0, 0, -0.42], np.float32)
HOLDOUT_EVERY = 8
LOOK_AT = STAGE + np.array([0, 0, -0.1], np.float32)
LIGHT = np.array([0.45, -0.35, 0.82], np.float32)
AMBIENT = 0.35
TRANSFORMS = "transforms.json"


# --- Shapes: each intersects rays and gives the outward normal ------------------------------------


def ellipsoid(o: Array, d: Array, centre: Array, radii: Array) -> Hit:
    """Nearest hit with an axis-aligned ellipsoid."""
    p, v = (o - centre) / radii, d / radii
    a, b, c = (v * v).sum(-1), (p * v).sum(-1), (p * p).sum(-1) - 1
    disc = b * b - a * c
    root = (-b - np.sqrt(np.maximum(disc, 0))) / a
    t = np.where((disc > 0) & (root > 1e-3), root, np.inf)
    normal = (p + v * _finite(t)[:, None]) / radii
    return t, normal / np.linalg.norm(normal, axis=-1, keepdims=True)


def box(o: Array, d: Array, centre: Array, half: Array, turn: float) -> Hit:
    """Nearest hit with a box that is turned about the z axis (radians)."""
    rot = _turn_z(turn)
    p, v = (o - centre) @ rot, d @ rot
    v = np.where(np.abs(v) < 1e-9, 1e-9, v)
    near, far = (-np.sign(v) * half - p) / v, (np.sign(v) * half - p) / v
    enter, leave = near.max(-1), far.min(-1)
    t = np.where((enter < leave) & (enter > 1e-3), enter, np.inf)
    face = (np.arange(3) == near.argmax(-1)[:, None]) * -np.sign(v)
    return t, (face @ rot.T).astype(np.float32)


def cylinder(o: Array, d: Array, centre: Array, radius: float, half_height: float) -> Hit:
    """Nearest hit with a capped cylinder along z."""
    p = o - centre
    flat, slope = p[:, :2], d[:, :2]
    a, b = (slope * slope).sum(-1) + 1e-12, (flat * slope).sum(-1)
    disc = b * b - a * ((flat * flat).sum(-1) - radius**2)
    side = (-b - np.sqrt(np.maximum(disc, 0))) / a
    z = p[:, 2] + side * d[:, 2]
    t_side = np.where((disc > 0) & (np.abs(z) < half_height) & (side > 1e-3), side, np.inf)
    dz = np.where(np.abs(d[:, 2]) < 1e-9, 1e-9, d[:, 2])
    cap = (-np.sign(dz) * half_height - p[:, 2]) / dz
    inside = ((flat + slope * cap[:, None]) ** 2).sum(-1) < radius**2
    t_cap = np.where(inside & (cap > 1e-3), cap, np.inf)
    wall = (flat + slope * _finite(t_side)[:, None]) / radius
    wall_normal = np.concatenate([wall, np.zeros_like(z)[:, None]], -1)
    cap_normal = np.stack([np.zeros_like(z), np.zeros_like(z), -np.sign(dz)], -1)
    normal = np.where((t_cap < t_side)[:, None], cap_normal, wall_normal)
    return np.minimum(t_side, t_cap), normal


def _finite(t: Array) -> Array:
    return np.where(np.isfinite(t), t, 0)


def _turn_z(angle: float) -> Array:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]], np.float32)


# --- Solid textures -------------------------------------------------------------------------------


def lattice_noise(cell: NDArray[np.int64], salt: int) -> Array:
    """A fixed random number in [0, 1) for each integer cell (N, 3)."""
    h = (cell * np.array([73856093, 19349663, 83492791])).sum(-1) ^ (salt * 2654435761)
    h = (h ^ (h >> 13)) * 1274126177 & 0xFFFFFFFF
    bits: Array = ((h ^ (h >> 16)) & 0xFFFF).astype(np.float32)
    return bits / np.float32(65536)


def mosaic(p: Array, palette: Array, frequency: float, salt: int) -> Array:
    """Tiles of random palette colours, with a second, finer layer of light and dark ones."""
    warp = 0.05 * np.sin(p[:, [1, 2, 0]] * 7 + salt)
    coarse = np.floor((p + warp) * frequency).astype(np.int64)
    fine = np.floor((p + warp) * frequency * 2.3).astype(np.int64)
    pick = (lattice_noise(coarse, salt) * len(palette)).astype(np.int64)
    shade = 0.75 + 0.25 * lattice_noise(fine, salt + 1)
    return palette[pick] * shade[:, None]


WARM = np.array([[0.85, 0.2, 0.1], [0.95, 0.65, 0.1], [0.45, 0.08, 0.1]], np.float32)
COLD = np.array([[0.1, 0.25, 0.7], [0.1, 0.6, 0.65], [0.15, 0.08, 0.35]], np.float32)
LEAF = np.array([[0.1, 0.45, 0.15], [0.6, 0.75, 0.2], [0.05, 0.2, 0.1]], np.float32)
STONE = np.array([[0.5, 0.42, 0.35], [0.2, 0.17, 0.16], [0.72, 0.6, 0.45]], np.float32)


@dataclass(frozen=True)
class Solid:
    """A shape with its texture."""

    intersect: Callable[[Array, Array], Hit]
    palette: Array
    frequency: float
    salt: int


def still_life() -> tuple[Solid, ...]:
    """The objects: all within `SCENE_RADIUS` of the stage, their origin."""
    vec = partial(np.array, dtype=np.float32)
    return (
        Solid(
            partial(cylinder, centre=vec([0, 0, -0.62]), radius=1.1, half_height=0.08),
            STONE,
            4.5,
            1,
        ),
        Solid(
            partial(ellipsoid, centre=vec([-0.35, 0.2, 0]), radii=vec([0.5, 0.5, 0.55])), WARM, 4, 2
        ),
        Solid(
            partial(box, centre=vec([0.45, 0.3, -0.14]), half=vec([0.3, 0.26, 0.4]), turn=0.5),
            *(COLD, 4, 3),
        ),
        Solid(
            partial(cylinder, centre=vec([0.35, -0.45, -0.19]), radius=0.26, half_height=0.35),
            LEAF,
            7,
            4,
        ),
        Solid(
            partial(ellipsoid, centre=vec([0.36, -0.45, 0.32]), radii=vec([0.2, 0.2, 0.17])),
            WARM,
            9,
            5,
        ),
        Solid(
            partial(box, centre=vec([-0.4, -0.6, -0.37]), half=vec([0.27, 0.18, 0.17]), turn=-0.4),
            *(LEAF, 6, 6),
        ),
        Solid(
            partial(ellipsoid, centre=vec([0.45, 0.3, 0.42]), radii=vec([0.22, 0.22, 0.2])),
            STONE,
            9,
            7,
        ),
    )


# --- Rendering ------------------------------------------------------------------------------------


def nearest(
    o: Array, d: Array, solids: tuple[Solid, ...]
) -> tuple[Array, Array, NDArray[np.int64]]:
    """Distance (inf on a miss), normal and index of the first solid along each ray."""
    t = np.full(len(o), np.inf, np.float32)
    normal, index = np.zeros_like(o), np.zeros(len(o), np.int64)
    for i, solid in enumerate(solids):
        ti, ni = solid.intersect(o, d)
        closer = ti < t
        t, index = np.where(closer, ti, t), np.where(closer, i, index)
        normal = np.where(closer[:, None], ni, normal)
    return t.astype(np.float32), normal.astype(np.float32), index


def shade(o: Array, d: Array) -> Array:
    """Colour (N, 3) in [0, 1] of each ray: Lambert, one sun with shadows, on white.

    o: relative to `STAGE`.
    """
    colour = np.ones_like(o)
    along = (o * d).sum(-1)
    near = np.flatnonzero((o * o).sum(-1) - along**2 < SCENE_RADIUS**2)
    colour[near] = _shade_near(o[near], d[near])
    return colour


def _shade_near(o: Array, d: Array) -> Array:
    """`shade` of the rays that pass the scene's bounding sphere."""
    solids = still_life()
    t, normal, index = nearest(o, d, solids)
    colour = np.ones_like(o)
    hit = np.isfinite(t)
    p, n, index = (o + d * _finite(t)[:, None])[hit], normal[hit], index[hit]
    albedo = np.empty_like(p)
    for i, solid in enumerate(solids):
        on = index == i
        albedo[on] = mosaic(p[on], solid.palette, solid.frequency, solid.salt)
    sun = LIGHT / np.linalg.norm(LIGHT)
    shadow, _, _ = nearest(p + n * 1e-2, np.broadcast_to(sun, p.shape), solids)
    light = np.maximum(n @ sun, 0) * ~np.isfinite(shadow)
    colour[hit] = albedo * (AMBIENT + (1 - AMBIENT) * light)[:, None] * 1.1
    return np.clip(colour, 0, 1)


def camera_poses(count: int) -> Array:
    """Camera-to-world matrices (count, 4, 4), OpenGL axes, spread evenly over a dome.

    Steps of two irrationals, so that every n-th camera (the held-out ones) is spread evenly too.
    """
    k = np.arange(count)
    azimuth = 2 * np.pi * ((k * 0.5698403) % 1)
    elevation = np.radians(12 + 55 * ((k * 0.4142136) % 1))
    flat = np.cos(elevation)
    backward = np.stack([flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation)], -1)
    right = np.stack([-np.sin(azimuth), np.cos(azimuth), np.zeros(count)], -1)
    poses = np.zeros((count, 4, 4), np.float32)
    poses[:, :3, 0], poses[:, :3, 1] = right, np.cross(backward, right)
    poses[:, :3, 2], poses[:, :3, 3] = backward, backward * CAMERA_DISTANCE + LOOK_AT
    poses[:, 3, 3] = 1
    return poses


def focal_length(width: int) -> float:
    """Focal length in pixels of a square photo."""
    return float(0.5 * width / np.tan(0.5 * FIELD_OF_VIEW))


def photo(pose: Array, width: int, supersample: int = 2) -> NDArray[np.uint8]:
    """One square photo (width, width, 3), antialiased by averaging supersample² rays a pixel."""
    fine = width * supersample
    centre = (np.arange(fine, dtype=np.float32) + 0.5) / supersample - width / 2
    x, y = np.meshgrid(centre, -centre)
    local = np.stack([x, y, np.full_like(x, -focal_length(width))], -1).reshape(-1, 3)
    d = local / np.linalg.norm(local, axis=-1, keepdims=True) @ pose[:3, :3].T
    origin = pose[:3, 3] - STAGE
    colour = shade(np.broadcast_to(origin, d.shape).copy(), d.astype(np.float32))
    pixels = colour.reshape(width, supersample, width, supersample, 3).mean((1, 3))
    rounded: NDArray[np.uint8] = np.round(pixels * 255).astype(np.uint8)
    return rounded


# --- Writing --------------------------------------------------------------------------------------


def _write_photo(job: tuple[Path, Array, int]) -> None:
    path, pose, width = job
    Image.fromarray(photo(pose, width)).save(path, quality=95, subsampling=0)


def transforms(poses: Array, width: int) -> dict[str, object]:
    """The scene as a nerfstudio transforms.json."""
    files = [f"images/{i:04d}.jpg" for i in range(len(poses))]
    focal, centre = focal_length(width), width / 2
    return {
        "camera_model": "OPENCV",
        **{"w": width, "h": width, "fl_x": focal, "fl_y": focal, "cx": centre, "cy": centre},
        "frames": [
            {"file_path": file, "transform_matrix": pose.tolist()}
            for file, pose in zip(files, poses, strict=True)
        ],
        "train_filenames": [f for i, f in enumerate(files) if i % HOLDOUT_EVERY],
        "val_filenames": files[::HOLDOUT_EVERY],
    }


def generate(
    out: Path,
    photos: int,
    width: int,
    truth: Path | None = None,
    processes: int | None = None,
) -> None:
    """Write the scene to `out`. Does nothing where the same scene is complete already.

    truth: where the transforms go, if not beside the photos.
    """
    poses = camera_poses(photos)
    text = json.dumps(transforms(poses, width), indent=1)
    target = truth or out / TRANSFORMS
    marker = out / names.UPLOADING_MARKER  # A job that finds some of the photos waits for all.
    if target.exists() and target.read_text() == text:
        log.info("the demo scene is already in %s", out)
        marker.unlink(missing_ok=True)
        return
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.touch()
    target.unlink(missing_ok=True)
    (out / "images").mkdir(exist_ok=True)
    jobs = [(out / "images" / f"{i:04d}.jpg", pose, width) for i, pose in enumerate(poses)]
    with ProcessPoolExecutor(processes) as pool:
        for done, _ in enumerate(pool.map(_write_photo, jobs), 1):
            if done % 10 == 0 or done == photos:
                log.info("rendered %d of %d photos", done, photos)
    # Last, so that its presence means that the scene is complete.
    target.write_text(text)
    marker.unlink()


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--photos", type=int, default=64, help="number of photos (default 64)")
    parser.add_argument("--width", type=int, default=256, help="edge in pixels (default 256)")
    parser.add_argument("--truth", type=Path, help="file for the poses; the photos stay bare")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    generate(args.out, args.photos, args.width, args.truth)


if __name__ == "__main__":
    main()
