"""From photos to a model: features, pairs, matches, mapping; once more, where that was little."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from nerf_contract.dataset import PosesConfig
from nerf_contract.reasons import POSES_FAILED
from nerf_trainer.failures import TrainerFailure
from nerf_trainer.poses.features import Features, extract, read_features
from nerf_trainer.poses.inputs import Input
from nerf_trainer.poses.likeness import unlikeness
from nerf_trainer.poses.mapping import cameras_of, find_cameras
from nerf_trainer.poses.matching import Match, match_all, median_shift
from nerf_trainer.poses.pairs import (
    MOST_EXHAUSTIVE,
    Pair,
    exhaustive,
    metres,
    nearest,
    sequential,
    with_returns,
)
from nerf_trainer.poses.pieces import Pieces
from nerf_trainer.scenes.types import invalid

Tell = Callable[[str, float], None]

#: Where each activity ends, as a share of the whole.
READING, FEATURES, MATCHING = 0.02, 0.45, 0.85
#: How strictly descriptors are matched: see `mutual_matches`. The second is for photos of which the
#: first leaves more than a tenth out: more matches, more of them wrong, and cameras less exact.
RATIOS = (0.7, 0.8)
ENOUGH = 0.9
#: Points that move less than this share of a photo's longer edge, as a rule, tell of no depth.
LEAST_SHIFT = 0.01


@dataclass(frozen=True)
class Model:
    """reconstruction: a pycolmap.Reconstruction, or None. posed: names of the photos in it.
    matching: share of the compared pairs that show the same."""

    reconstruction: Any
    posed: frozenset[str]
    matching: float


def find_model(inputs: Sequence[Input], config: PosesConfig, pieces: Pieces, tell: Tell) -> Model:
    """The model with the most photos that is found. tell: see `find_poses`.

    Raises TrainerFailure (PosesFailed) where the camera did not move.
    """
    features = partial(read_features, pieces)
    extract(inputs, config, pieces, _part(tell, "features", READING, FEATURES))
    pairs = choose_pairs(inputs, config, lambda i: features(i).descriptors)
    cameras = cameras_of(inputs, config.max_image_size)
    best = Model(None, frozenset(), 0.0)
    for ratio in RATIOS:
        matches = match_all(
            *(pairs, features, cameras, ratio, pieces),
            _part(tell, "matching", FEATURES, MATCHING),
        )
        _check_motion(matches, features, max(max(c.width, c.height) for c in cameras))
        model = find_cameras(
            *([photo.name for photo in inputs], features, cameras, matches),
            _part(tell, "mapping", MATCHING, 1.0),
        )
        found = Model(model, _posed(model), len(matches) / len(pairs))
        best = max(best, found, key=lambda model: (len(model.posed), model.matching))
        if len(best.posed) >= ENOUGH * len(inputs):
            break
    return best


def _check_motion(matches: Sequence[Match], features: Callable[[int], Features], edge: int) -> None:
    if matches and median_shift(matches, features) < LEAST_SHIFT * edge:
        raise TrainerFailure(
            POSES_FAILED,
            "The photos are all but copies of each other. Cameras can be found from different "
            "views only: take photos while walking around the subject.",
        )


def _part(tell: Tell, activity: str, start: float, end: float) -> Callable[[float], None]:
    """Tells the share of an activity as one of the whole."""
    return lambda done: tell(activity, start + (end - start) * done)


def _posed(model: Any) -> frozenset[str]:
    if model is None:
        return frozenset()
    return frozenset(image.name for image in model.images.values() if image.has_pose)


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
        in_order = sequential([photo.name for photo in inputs])
        return with_returns(in_order, unlikeness(count, descriptors))
    if matching == "nearest":
        return nearest(unlikeness(count, descriptors))
    if len(places) < count:
        without = next(photo.name for photo in inputs if photo.place is None)
        raise invalid(
            f"{without} has no GPS position in its EXIF data. Let poses.matching be `auto`."
        )
    return nearest(metres(places))
