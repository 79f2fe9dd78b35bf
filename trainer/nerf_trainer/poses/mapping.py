"""Cameras and sparse points out of matches, by COLMAP.

Incremental mapping: Schönberger, Frahm: Structure-from-Motion Revisited, CVPR 2016.
"""

import tempfile
from collections import Counter
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
#: From so many photos of a camera on, all of its distortion is looked for in the end. Before, it
#: would only bend the first, uncertain models.
ENOUGH_PHOTOS = 10
#: Fewest points that place a photo; COLMAP's 30 and 100 are too many for small photos.
LEAST_POINTS, LEAST_FIRST_POINTS = 15, 50
#: Pixels between a point and where a photo shows it, from which on it is a wrong match.
FARTHEST_PIXELS = 2.5
#: Growth of the model from one adjustment of all of it to the next.
GROWTH = 1.4
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
    camera = pycolmap.Camera.create_from_model_name(
        number, "SIMPLE_RADIAL", focal or GUESSED_FOCAL * max(working), *working
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
        largest = _largest(models)
        if largest is None or largest.num_reg_images() < len(names):
            # Another method may place more. It is less exact as a rule.
            pycolmap.calibrate_view_graph(work / "matches.db")
            models = {-1: largest} | pycolmap.global_mapping(
                work / "matches.db", work, work, _global_options()
            )
            largest = _largest(models)
    if largest is not None:
        _adjust(largest)
    return largest


def _largest(models: dict[int, Any]) -> Any:
    """The first of the models with the most photos, or None."""
    there = [model for model in models.values() if model is not None]
    return max(there, key=lambda model: model.num_reg_images(), default=None)


def _options() -> Any:
    options = pycolmap.IncrementalPipelineOptions()
    options.extract_colors = False
    options.min_model_size = 3
    options.num_threads = usable_cpus()
    options.random_seed = 0
    options.ba_global_frames_ratio = options.ba_global_points_ratio = GROWTH
    options.mapper.filter_max_reproj_error = FARTHEST_PIXELS
    options.mapper.init_min_num_inliers = LEAST_FIRST_POINTS
    options.mapper.abs_pose_min_num_inliers = LEAST_POINTS
    return options


def _global_options() -> Any:
    options = pycolmap.GlobalPipelineOptions()
    options.num_threads = usable_cpus()
    options.random_seed = 0
    options.mapper.bundle_adjustment.ceres.use_gpu = False
    options.mapper.global_positioning.use_gpu = False
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


def _adjust(model: Any) -> None:
    """A last bundle adjustment, in which outliers weigh less than in COLMAP's own.

    (`pycolmap.bundle_adjustment` does the same, but turns COLMAP's log on.)
    """
    users = Counter(image.camera_id for image in model.images.values() if image.has_pose)
    for camera in (model.cameras[key] for key, count in users.items() if count >= ENOUGH_PHOTOS):
        focal, cx, cy, k1 = camera.params
        camera.model = pycolmap.CameraModelId.OPENCV
        camera.params = [focal, focal, cx, cy, k1, 0.0, 0.0, 0.0]
    everything = pycolmap.BundleAdjustmentConfig()
    for image in model.reg_image_ids():
        everything.add_image(image)
    everything.fix_gauge(pycolmap.BundleAdjustmentGauge.TWO_CAMS_FROM_WORLD)
    options = pycolmap.BundleAdjustmentOptions()
    options.print_summary = False
    options.ceres.loss_function_type = pycolmap.LossFunctionType.SOFT_L1
    options.ceres.loss_function_scale = OUTLIER_PIXELS
    options.ceres.solver_options.function_tolerance = 1e-6
    options.ceres.solver_options.num_threads = usable_cpus()
    pycolmap.create_default_bundle_adjuster(options, everything, model).solve()
    model.update_point_3d_errors()
