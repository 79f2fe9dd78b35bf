"""Where plain photos were taken from: structure from motion, on CPUs, by COLMAP.

Features, matches, incremental mapping; then the largest model, with z up and in the size that
training expects. The result lies on the dataset's volume in a folder that is named by its inputs.
"""

import json
import logging
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pycolmap

from nerf_contract import names
from nerf_contract.dataset import PosesConfig
from nerf_contract.reasons import POSES_FAILED
from nerf_trainer.failures import TrainerFailure
from nerf_trainer.poses.features import read_features
from nerf_trainer.poses.inputs import LEAST_PHOTOS, Input, identity, read_inputs
from nerf_trainer.poses.pieces import Pieces
from nerf_trainer.poses.result import REPORT, write_result
from nerf_trainer.poses.search import Model, Tell, find_model
from nerf_trainer.volume import keeping

__all__ = ["Found", "find_poses"]

log = logging.getLogger(__name__)

#: Share of the pairs that show the same from which on the camera has hardly moved.
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


def find_poses(folder: Path, photos: Sequence[Path], config: PosesConfig, tell: Tell) -> Found:
    """Find the cameras of the photos, which lie below `folder`, unless that was done before.

    tell: takes what is being done, and the share of the whole that is done.
    Raises TrainerFailure: PosesFailed, DatasetInvalid, or DatasetVolumeUnusable.
    """
    tell("reading", 0.0)
    inputs = read_inputs(folder, photos, config)
    target = folder / names.POSES_DIR / identity(inputs, config)
    if (target / REPORT).exists():
        log.info("%s has the poses of these photos", target)
        return _read(target)
    with keeping(folder):
        if not (target / REPORT).exists():  # Another job may have been at it.
            _find(inputs, config, target, tell)
    return _read(target)


def _read(target: Path) -> Found:
    report = json.loads((target / REPORT).read_text())
    return Found(report["photos"], report["unposed"], target.name, report["error"])


def _find(inputs: Sequence[Input], config: PosesConfig, target: Path, tell: Tell) -> None:
    """Write the result to `target`, which has its name once it is complete."""
    began = time.monotonic()
    pycolmap.logging.minloglevel = pycolmap.logging.Level.FATAL.value
    work = target.with_name(f".{target.name}.work")
    pieces = Pieces(work / "pieces")
    model = find_model(inputs, config, pieces, tell)
    _check(inputs, model)
    report = {
        "photos": len(inputs),
        "unposed": _unposed(inputs, model),
        "error": float(model.reconstruction.compute_mean_reprojection_error()),
        "points": len(model.reconstruction.points3D),
        "seconds": round(time.monotonic() - began, 1),
    }
    shutil.rmtree(work / "result", ignore_errors=True)
    features = partial(read_features, pieces)
    write_result(work / "result", inputs, model.reconstruction, features, report)
    (work / "result").rename(target)
    shutil.rmtree(work, ignore_errors=True)


def _unposed(inputs: Sequence[Input], model: Model) -> list[str]:
    return [photo.name for photo in inputs if photo.name not in model.posed]


def _check(inputs: Sequence[Input], model: Model) -> None:
    """Raise TrainerFailure (PosesFailed) where too few photos got a camera."""
    photos, posed, unposed = len(inputs), len(model.posed), _unposed(inputs, model)
    if posed >= LEAST_PHOTOS and 2 * posed >= photos:
        return
    if model.matching > SAME_VIEW:
        advice = (
            "The photos show the same from nearly one place: walk around the subject, and do not "
            "only turn the camera."
        )
    else:
        advice = (
            "Take more photos, so that each shows most of what the one before shows; of subjects "
            "with texture, in even light, without mirrors and glass."
        )
    some = ", ".join(unposed[:MOST_NAMES]) + (" ..." if len(unposed) > MOST_NAMES else "")
    raise TrainerFailure(
        POSES_FAILED,
        f"The cameras of only {posed} of {photos} photos could be found. {advice} "
        f"Not placed: {some}.",
    )
