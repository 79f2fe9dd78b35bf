"""The entry point of the poses stage: photos looked at, and their cameras found.

    python3 -m nerf_trainer.prepare --config FILE

Needs no GPU and no torch. Poses of the same photos are not found again.
"""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from nerf_contract.dataset import WITHOUT_POSES
from nerf_contract.media import told_of_left_out
from nerf_contract.progress import DatasetReport
from nerf_contract.reasons import POSES_FOUND, POSES_GIVEN
from nerf_contract.training import TrainerConfig
from nerf_trainer.archive import require_in_place
from nerf_trainer.places import dataset_root
from nerf_trainer.poses import Found, find_poses
from nerf_trainer.scenes import expect_format, folder_of, read_split, wait_for_dataset
from nerf_trainer.scenes.listing import list_photos, look_into, photos_in
from nerf_trainer.stage import StageBoard
from nerf_trainer.stage_process import Done, run
from nerf_trainer.video import frames_of

Tell = Callable[[str, float], None]

#: Share of the stage that is done once the frames of videos are there.
FRAMES = 0.3
#: Names of photos without poses that are told of.
MOST_NAMES = 20


def prepare(config: TrainerConfig, root: Path, board: StageBoard) -> Done:
    """Have the dataset in `root/config.dataset.path` ready. Raises TrainerFailure."""
    dataset, folder = config.dataset, folder_of(config.dataset, root)
    if dataset.archive is not None:
        require_in_place(dataset.archive, folder)
    board.update("waiting", 0.0)
    wait_for_dataset(folder, dataset)
    format_ = expect_format(folder, dataset.format)
    if format_ not in WITHOUT_POSES:
        return _given(folder, config, format_)
    find = _of_videos if format_ == "video" else _of_photos
    found = _found(format_, find(folder, config, board.update))
    left_out = look_into(folder).videos
    if left_out and (dataset.format, format_) == ("auto", "photos"):
        return replace(found, message=f"{found.message} {told_of_left_out(left_out)}")
    return found


def _of_photos(folder: Path, config: TrainerConfig, tell: Tell) -> Found:
    return find_poses(folder, list_photos(folder), config.poses, tell)


def _of_videos(folder: Path, config: TrainerConfig, tell: Tell) -> Found:
    """Frames are photos like those beside the videos. Those of one video alone are a sequence."""
    photos, wanted = photos_in(folder), config.dataset.video.frames
    frames = frames_of(folder, wanted, lambda what, done: tell(what, FRAMES * done))
    poses = config.poses
    if poses.matching == "auto" and not photos and len({frame.parent for frame in frames}) == 1:
        poses = poses.model_copy(update={"matching": "sequential"})
    rest = 1 - FRAMES
    return find_poses(
        folder, [*frames, *photos], poses, lambda what, done: tell(what, FRAMES + rest * done)
    )


def _given(folder: Path, config: TrainerConfig, format_: str) -> Done:
    train, held_out = read_split(folder, config.dataset)
    count = len(train) + len(held_out)
    report = DatasetReport(format=format_, photos=count, posed=count)
    return Done(POSES_GIVEN, f"The dataset brings the poses of {count} photos along.", report)


def _found(format_: str, found: Found) -> Done:
    posed = found.photos - len(found.unposed)
    report = DatasetReport(
        format=format_,
        photos=found.photos,
        posed=posed,
        unposed=found.unposed[:MOST_NAMES],
        poses=found.poses,
    )
    message = (
        f"Found the cameras of {posed} of {found.photos} photos (mean error "
        f"{found.error:.2f} pixels)."
    )
    if found.unposed:
        message += f" Not used: {_listed(found.unposed)}."
    return Done(POSES_FOUND, message, report)


def _listed(names: list[str]) -> str:
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _work(config: TrainerConfig, board: StageBoard) -> Done:
    return prepare(config, dataset_root(), board)


if __name__ == "__main__":
    sys.exit(run("nerf_trainer.prepare", StageBoard("poses"), _work))
