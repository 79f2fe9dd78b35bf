"""Cameras and sparse points out of matches, by COLMAP.

Incremental mapping: Schönberger, Frahm: Structure-from-Motion Revisited, CVPR 2016.
"""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pycolmap

from nerf_trainer.cpus import usable_cpus
from nerf_trainer.poses.features import Features, working_size
from nerf_trainer.poses.inputs import Input
from nerf_trainer.poses.matching import Match

#: Focal length over the longer edge where EXIF tells none; it is refined anyway.
GUESSED_FOCAL = 1.2
#: From so many photos of a camera on, all of its distortion can be found.
ENOUGH_PHOTOS = 10
#: Pixels beyond which an observation counts less in the last bundle adjustment.
OUTLIER_PIXELS = 0.5


def cameras_of(inputs: Sequence[Input], most: int) -> list[Any]:
    """A pycolmap.Camera for each photo, shared by the photos of one camera, in working pixels."""
    keys = list(dict.fromkeys(photo.camera for photo in inputs))
    shared = {key: [p for p in inputs if p.camera == key] for key in keys}
    made = {key: _camera(i, shared[key], most) for i, key in enumerate(keys, 1)}
    return [made[photo.camera] for photo in inputs]


def _camera(number: int, photos: Sequence[Input], most: int) -> Any:
    size = photos[0].size
    working = working_size(size, most)
    told = [photo.focal for photo in photos if photo.focal is not None]
    focal = float(np.median(told)) * max(working) / max(size) if told else None
    model = "OPENCV" if len(photos) >= ENOUGH_PHOTOS else "SIMPLE_RADIAL"
    camera = pycolmap.Camera.create_from_model_name(
        number, model, focal or GUESSED_FOCAL * max(working), *working
    )
    camera.has_prior_focal_length = focal is not None
    return camera


def find_cameras(
    names: Sequence[str],
    features: Callable[[int], Features],
    cameras: Sequence[Any],
    matches: Sequence[Match],
    tell: Callable[[float], None],
) -> Any:
    """The pycolmap.Reconstruction with the most photos, or None. Images are called by `names`."""
    with tempfile.TemporaryDirectory(prefix="mapping-") as folder:
        work = Path(folder)
        with pycolmap.Database.open(work / "matches.db") as database:
            _fill(database, names, features, cameras, matches)
        models = pycolmap.incremental_mapping(
            work / "matches.db",
            work,
            work,
            options=_options(),
            next_image_callback=_counting(len(names), tell),
        )
    if not models:
        return None
    largest = max(models.values(), key=lambda model: model.num_reg_images())
    pycolmap.bundle_adjustment(largest, _last_adjustment())
    largest.update_point_3d_errors()
    return largest


def _options() -> Any:
    options = pycolmap.IncrementalPipelineOptions()
    options.extract_colors = False
    options.min_model_size = 3
    options.num_threads = usable_cpus()
    options.random_seed = 0
    return options


def _counting(count: int, tell: Callable[[float], None]) -> Callable[[], None]:
    """Tells the share of photos that are placed. Several models may be begun."""
    placed = 0

    def count_one() -> None:
        nonlocal placed
        placed += 1
        tell(min(placed / count, 1.0))

    return count_one


def _fill(
    database: Any,
    names: Sequence[str],
    features: Callable[[int], Features],
    cameras: Sequence[Any],
    matches: Sequence[Match],
) -> None:
    for camera in {camera.camera_id: camera for camera in cameras}.values():
        database.write_camera(camera, use_camera_id=True)
        rig = pycolmap.Rig(rig_id=camera.camera_id)
        rig.add_ref_sensor(camera.sensor_id)
        database.write_rig(rig, use_rig_id=True)
    for i, (name, camera) in enumerate(zip(names, cameras, strict=True)):
        image = pycolmap.Image(name=name, camera_id=camera.camera_id, image_id=i + 1)
        database.write_image(image, use_image_id=True)
        frame = pycolmap.Frame(frame_id=i + 1, rig_id=camera.camera_id)
        frame.add_data_id(image.data_id)
        database.write_frame(frame, use_frame_id=True)
        database.write_keypoints(i + 1, np.ascontiguousarray(features(i).points))
    for match in matches:
        i, j = match.pair
        database.write_matches(i + 1, j + 1, match.geometry.inlier_matches)
        database.write_two_view_geometry(i + 1, j + 1, match.geometry)


def _last_adjustment() -> Any:
    """A bundle adjustment in which outliers weigh less than in COLMAP's own."""
    options = pycolmap.BundleAdjustmentOptions()
    options.print_summary = False
    options.ceres.loss_function_type = pycolmap.LossFunctionType.SOFT_L1
    options.ceres.loss_function_scale = OUTLIER_PIXELS
    options.ceres.solver_options.num_threads = usable_cpus()
    return options
