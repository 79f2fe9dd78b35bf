"""Where plain photos were taken from: structure from motion, on CPUs, by COLMAP.

Features, matches, incremental mapping; then the largest model, with z up and in the size that
training expects. The result lies on the dataset's volume in a folder that is named by its inputs.
"""

import json
import logging
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pycolmap

from nerf_contract import names
from nerf_contract.dataset import PosesConfig
from nerf_contract.reasons import DATASET_VOLUME, POSES_FAILED
from nerf_trainer.failures import TrainerFailure
from nerf_trainer.poses.features import extract, read_features
from nerf_trainer.poses.inputs import LEAST_PHOTOS, Input, identity, read_inputs
from nerf_trainer.poses.likeness import unlikeness
from nerf_trainer.poses.mapping import cameras_of, find_cameras
from nerf_trainer.poses.matching import match_all
from nerf_trainer.poses.pairs import (
    MOST_EXHAUSTIVE,
    Pair,
    exhaustive,
    metres,
    nearest,
    sequential,
)
from nerf_trainer.poses.pieces import Pieces
from nerf_trainer.poses.result import REPORT, write_result
from nerf_trainer.scenes.types import invalid

log = logging.getLogger(__name__)

Tell = Callable[[str, float], None]

#: Where each activity ends, as a share of the whole.
READING, FEATURES, MATCHING = 0.02, 0.4, 0.85
#: Photos of so many pairs, of all that were compared, show the same where the camera did not move.
SAME_VIEW = 0.5
#: Names of photos that a failure tells of.
MOST_NAMES = 5


@dataclass(frozen=True)
class Found:
    """photos: how many there are. unposed: names of those without a camera. poses: name of the
    folder under `names.POSES_DIR`. error: mean distance of points from where photos show them, in
    pixels of the photos as they are worked on."""

    photos: int
    unposed: list[str]
    poses: str
    error: float


def find_poses(folder: Path, config: PosesConfig, tell: Tell) -> Found:
    """Find the cameras of the photos in `folder`, unless that was done before.

    tell: takes what is being done, and the share of the whole that is done.
    Raises TrainerFailure: PosesFailed, DatasetInvalid, or DatasetVolumeUnusable.
    """
    tell("reading", 0.0)
    inputs = read_inputs(folder, config)
    key = identity(inputs, config)
    target = folder / names.POSES_DIR / key
    if (target / REPORT).exists():
        log.info("%s has the poses of these photos", target)
        return _read(target)
    try:
        _find(inputs, config, target, tell)
    except OSError as error:
        raise TrainerFailure(
            DATASET_VOLUME,
            f"{error.filename or target} cannot be written ({error.strerror}). Poses are kept "
            f"beside the photos: give {folder} space, and let user id 10001 write there.",
        ) from error
    return _read(target)


def _read(target: Path) -> Found:
    report = json.loads((target / REPORT).read_text())
    return Found(report["photos"], report["unposed"], target.name, report["error"])


def _find(inputs: Sequence[Input], config: PosesConfig, target: Path, tell: Tell) -> None:
    began = time.monotonic()
    pycolmap.logging.minloglevel = pycolmap.logging.Level.FATAL.value
    work = target.with_name(f".{target.name}.work")
    pieces = Pieces(work / "pieces")
    features = partial(read_features, pieces)
    extract(
        inputs, config, pieces, lambda done: tell("features", _between(READING, FEATURES, done))
    )
    pairs = choose_pairs(inputs, config, lambda i: features(i).descriptors)
    cameras = cameras_of(inputs, config.max_image_size)
    matches = match_all(
        *(pairs, features, cameras, pieces),
        lambda done: tell("matching", _between(FEATURES, MATCHING, done)),
    )
    model = find_cameras(
        *([photo.name for photo in inputs], features, cameras, matches),
        lambda done: tell("mapping", _between(MATCHING, 1.0, done)),
    )
    posed = set() if model is None else {x.name for x in model.images.values() if x.has_pose}
    unposed = [photo.name for photo in inputs if photo.name not in posed]
    _check(len(inputs), unposed, len(matches) / len(pairs))
    report = _report(inputs, unposed, model, time.monotonic() - began)
    shutil.rmtree(work / "result", ignore_errors=True)
    write_result(work / "result", inputs, model, features, report)
    (work / "result").rename(target)
    shutil.rmtree(work, ignore_errors=True)


def _report(
    inputs: Sequence[Input], unposed: list[str], model: Any, seconds: float
) -> dict[str, Any]:
    return {
        "photos": len(inputs),
        "unposed": unposed,
        "error": float(model.compute_mean_reprojection_error()),
        "points": len(model.points3D),
        "seconds": round(seconds, 1),
    }


def _between(start: float, end: float, done: float) -> float:
    return start + (end - start) * done


def choose_pairs(
    inputs: Sequence[Input], config: PosesConfig, descriptors: Callable[[int], Any]
) -> list[Pair]:
    """The pairs of photos to compare; see `PosesConfig.matching`."""
    count, matching = len(inputs), str(config.matching)
    places = [photo.place for photo in inputs if photo.place is not None]
    if matching == "auto":
        by = "gps" if len(places) == count else "nearest"
        matching = "exhaustive" if count <= MOST_EXHAUSTIVE else by
    if matching == "exhaustive":
        return exhaustive(count)
    if matching == "sequential":
        return sequential([photo.name for photo in inputs])
    if matching == "nearest":
        return nearest(unlikeness(count, descriptors))
    if len(places) < count:
        without = next(photo.name for photo in inputs if photo.place is None)
        raise invalid(
            f"{without} has no GPS position in its EXIF data. Let poses.matching be `auto`."
        )
    return nearest(metres(places))


def _check(photos: int, unposed: Sequence[str], matching: float) -> None:
    """Raise TrainerFailure (PosesFailed) where too few photos got a camera.

    matching: share of the compared pairs that show the same.
    """
    posed = photos - len(unposed)
    if posed >= LEAST_PHOTOS and 2 * posed >= photos:
        return
    some = ", ".join(unposed[:MOST_NAMES]) + (" ..." if len(unposed) > MOST_NAMES else "")
    if matching > SAME_VIEW:
        advice = (
            "The photos show the same from nearly one place: walk around the subject, and do not "
            "only turn the camera."
        )
    else:
        advice = (
            "Take more photos, so that each shows most of what the one before shows; of subjects "
            "with texture, in even light, without mirrors and glass."
        )
    raise TrainerFailure(
        POSES_FAILED,
        f"The cameras of only {posed} of {photos} photos could be found. {advice} "
        f"Not placed: {some}.",
    )


__all__ = ["Found", "find_poses"]
