"""What is kept of a model: transforms.json as nerfstudio writes it, sparse points, a report."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nerf_trainer.cameras import Lens
from nerf_trainer.files import sync_folder, write_durably
from nerf_trainer.ply import ply
from nerf_trainer.poses.features import Features
from nerf_trainer.poses.inputs import Input
from nerf_trainer.scenes.colmap import camera_of, camera_to_world
from nerf_trainer.scenes.normalising import normalising

TRANSFORMS, POINTS, REPORT = "transforms.json", "points.ply", "report.json"
Document = dict[str, Any]


def write_result(
    folder: Path,
    inputs: Sequence[Input],
    model: Any,
    features: Callable[[int], Features],
    report: Document,
) -> None:
    """Write all files into a new folder, in normalised coordinates."""
    folder.mkdir()
    by_name = {photo.name: photo for photo in inputs}
    images = sorted((x for x in model.images.values() if x.has_pose), key=lambda x: x.name)
    photos = [by_name[image.name] for image in images]
    poses = np.stack([camera_to_world(image.cam_from_world().matrix()) for image in images])
    points = np.array([point.xyz for point in model.points3D.values()]).reshape(-1, 3)
    place = normalising(poses, points, np.stack([photo.turn.up for photo in photos]))
    frames = [
        _frame(photo, image.camera, pose)
        for photo, image, pose in zip(photos, images, place.poses(poses), strict=True)
    ]
    document = {"camera_model": "OPENCV", "ply_file_path": POINTS, "frames": frames}
    write_durably(folder / TRANSFORMS, json.dumps(document, indent=1).encode())
    write_durably(folder / POINTS, ply(place.points(points), _colours(model, features)))
    write_durably(folder / REPORT, json.dumps(report, indent=1).encode())
    sync_folder(folder)


def _frame(photo: Input, camera: Any, pose: NDArray[np.float64]) -> Document:
    """A frame whose intrinsics are those of the whole photo, once turned."""
    intrinsics, lens = _camera(camera)
    scale = np.array(photo.size) / (camera.width, camera.height)
    fx, fy, cx, cy = (intrinsics * np.tile(scale, 2)).tolist()
    frame: Document = {"file_path": photo.name, "orientation": photo.turn.orientation}
    if photo.mask is not None:
        frame["mask_orientation"] = photo.mask_orientation
        depth = len(Path(photo.name).parts)
        frame["mask_path"] = photo.mask.relative_to(photo.path.parents[depth - 1]).as_posix()
    k1, k2, _, _ = lens.radial
    p1, p2 = lens.tangential
    return frame | {
        **{"w": photo.size[0], "h": photo.size[1]},
        **{"fl_x": fx, "fl_y": fy, "cx": cx, "cy": cy},
        **{"k1": k1, "k2": k2, "p1": p1, "p2": p2},
        "transform_matrix": [*pose.tolist(), [0.0, 0.0, 0.0, 1.0]],
    }


def _camera(camera: Any) -> tuple[NDArray[np.float64], Lens]:
    intrinsics, lens = camera_of(Path("model"), camera)
    return intrinsics.astype(np.float64), lens


def _colours(model: Any, features: Callable[[int], Features]) -> NDArray[np.uint8]:
    """The colour of each point (P, 3), by the first photo that shows it."""
    seen = [point.track.elements[0] for point in model.points3D.values()]
    colours = np.zeros((len(seen), 3), np.uint8)
    for image in {element.image_id for element in seen}:
        own = [i for i, element in enumerate(seen) if element.image_id == image]
        # Image number i + 1 is photo i: see `mapping`.
        colours[own] = features(image - 1).colours[[seen[i].point2D_idx for i in own]]
    return colours
