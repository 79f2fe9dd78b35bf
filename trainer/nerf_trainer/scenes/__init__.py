"""Datasets: photos with known poses, split into those to train on and held-out ones."""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nerf_contract import names
from nerf_contract.dataset import WITHOUT_POSES, DatasetConfig
from nerf_contract.training import PreparedDataset
from nerf_trainer.scenes import blender, colmap, llff, nerfstudio, photos
from nerf_trainer.scenes.fitting import Sizes, fits, measure
from nerf_trainer.scenes.images import factor, intrinsics_of, load_views
from nerf_trainer.scenes.listing import look_into
from nerf_trainer.scenes.types import Background, Cameras, Photo, Scene, Views, invalid

__all__ = [
    "Background",
    "Cameras",
    "Scene",
    "Views",
    "find_format",
    "folder_of",
    "load_cameras",
    "load_scene",
    "wait_for_dataset",
]

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0
#: A marked upload is waited for, also where `wait_seconds` is less.
UPLOAD_SECONDS = 3600
#: Photos that are waited for are complete once none has come, or grown, for so long.
SETTLE_SECONDS = 5.0
#: Bytes of files, by name.
Lengths = dict[str, int]
Split = tuple[list[Photo], list[Photo]]  # to train on, held out


@dataclass(frozen=True)
class Reader:
    """A format. there: whether a folder has it. needs: what it would have to hold."""

    read: Callable[[Path, PreparedDataset], Split]
    there: Callable[[Path], bool]
    needs: str


#: By name, in the order in which they are looked for.
READERS = {
    "nerfstudio": Reader(
        nerfstudio.read_split,
        lambda folder: (folder / nerfstudio.TRANSFORMS).exists(),
        nerfstudio.TRANSFORMS,
    ),
    "blender": Reader(
        blender.read_split, lambda folder: (folder / blender.TRAIN).exists(), blender.TRAIN
    ),
    "colmap": Reader(
        colmap.read_split,
        lambda folder: bool(colmap.find_models(folder)),
        "sparse/ with cameras, images and points3D",
    ),
    "llff": Reader(
        llff.read_split, lambda folder: (folder / llff.POSES_BOUNDS).exists(), llff.POSES_BOUNDS
    ),
    "video": Reader(photos.read_split, lambda folder: bool(look_into(folder).videos), "videos"),
    "photos": Reader(photos.read_split, lambda folder: look_into(folder).any_photos, "photos"),
}


def folder_of(config: DatasetConfig, root: Path) -> Path:
    """The folder `root/config.path` of a dataset, which need not be there.

    Raises TrainerFailure (DatasetInvalid) where a link leads out of `root`.
    """
    folder = root / config.path
    if not folder.resolve().is_relative_to(root.resolve()):
        raise invalid(
            f"{folder} leads out of the dataset's volume by a link. Let dataset.path name a folder "
            "on it."
        )
    return folder


def find_format(folder: Path, wanted: str) -> str | None:
    """The name of the format of a dataset, or None where nothing of what is wanted is there.

    Raises TrainerFailure (DatasetInvalid) where the folder cannot be looked into.
    """
    if not folder.is_dir():
        return None
    try:
        if wanted != "auto":
            return wanted if READERS[wanted].there(folder) else None
        posed = (n for n, r in READERS.items() if n not in WITHOUT_POSES and r.there(folder))
        return next(posed, None) or look_into(folder).format
    except PermissionError as error:
        raise invalid(f"The folder {folder} is not readable: chmod a+rx it.") from error


def expect_format(folder: Path, wanted: str) -> str:
    """The same; raises TrainerFailure (DatasetInvalid) that says what is missing."""
    found = find_format(folder, wanted)
    if found is not None:
        return found
    if not folder.exists():
        raise invalid(
            f"The folder {folder} is missing. Check dataset.path, or put the photos there."
        )
    if not folder.is_dir():
        raise invalid(f"{folder} is not a folder. Let dataset.path name a folder.")
    if not any(folder.iterdir()):
        raise invalid(f"The folder {folder} is empty. Put the photos there.")
    expected = " or ".join(r.needs for name, r in READERS.items() if wanted in ("auto", name))
    archives = look_into(folder).archives
    packed = f"Unpack {archives[0]} there" if archives else "Put them there"
    raise invalid(
        f"{folder} holds no {expected}. {packed}, or correct dataset.path and dataset.format."
    )


def wait_for_dataset(
    folder: Path, config: PreparedDataset, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Give an upload under way time to finish: `config.wait_seconds`, or longer if it is marked.

    Of a dataset with poses, the file that tells its format comes last; `kubectl nerf upload` leaves
    a marker beside photos while it copies. Others who copy photos have done once no more come.
    Raises TrainerFailure (DatasetInvalid) where the marker stays.
    """
    marker = folder / names.UPLOADING_MARKER
    seconds = max(config.wait_seconds, UPLOAD_SECONDS) if marker.exists() else config.wait_seconds
    known: Lengths | None = None
    quiet = 0.0
    for i in range(int(seconds / POLL_SECONDS)):
        found = None if marker.exists() else find_format(folder, config.format)
        bare = found in WITHOUT_POSES and config.poses is None
        before, known = known, _lengths(folder) if bare else None
        quiet = quiet + POLL_SECONDS if known == before else 0.0
        if found is not None and (known is None or quiet >= SETTLE_SECONDS):
            return
        if i == 0:
            log.info("waiting up to %d s for the dataset in %s", seconds, folder)
        sleep(POLL_SECONDS)
    if marker.exists():
        raise invalid(
            f"{folder} is still being uploaded, as {marker} says. Let `kubectl nerf upload` "
            "finish, or remove that file if the photos are complete."
        )


def _lengths(folder: Path) -> Lengths:
    """The photos and videos of the folder, and how large they are."""
    media, found = look_into(folder), {}
    for name in (*media.photos, *media.unread, *media.videos):
        with suppress(FileNotFoundError):  # Gone since: a copy under way gets its name at the end.
            found[name] = (folder / name).lstat().st_size
    return found


def read_split(folder: Path, config: PreparedDataset) -> Split:
    """The photos of a dataset, without their pixels."""
    return READERS[expect_format(folder, config.format)].read(folder, config)


def load_scene(
    config: PreparedDataset,
    root: Path,
    background: Background,
    sleep: Callable[[float], None] = time.sleep,
) -> Scene:
    """Read the dataset in `root/config.path`.

    background: what is behind transparent pixels. Where it is random, held-out photos are put on
    white, to be judged by.
    Raises TrainerFailure (DatasetInvalid) that names the file and says what to do.
    """
    folder = folder_of(config, root)
    wait_for_dataset(folder, config, sleep)
    train, held_out = read_split(folder, config)
    sizes, by = _measured(train, held_out, config)
    judged_on: Background = "white" if background == "random" else background
    scene = Scene(
        train=load_views(train, sizes[0], by, background),
        held_out=load_views(held_out, sizes[1], by, judged_on),
    )
    height, width = scene.train.images.shape[1:3]
    log.info(
        "%s: %d photos to train on, %d held out, %dx%d pixels (shrunk by %d)",
        *(folder, len(train), len(held_out), width, height, by),
    )
    return scene


def _measured(
    train: list[Photo], held_out: list[Photo], config: PreparedDataset
) -> tuple[list[Sizes], int]:
    """The sizes of the files of each part, and by how much they are shrunk."""
    sizes = [measure(part) for part in (train, held_out)]
    common = [size.common for size in sizes]
    return sizes, factor(common, len(train) + len(held_out), config.downscale)


def load_cameras(config: PreparedDataset, root: Path) -> Cameras:
    """The cameras that are trained on, by the headers of their photos alone.

    Raises TrainerFailure (DatasetInvalid).
    """
    train, held_out = read_split(folder_of(config, root), config)
    sizes, by = _measured(train, held_out, config)
    width, height = sizes[0].common
    return Cameras(
        poses=np.stack([photo.pose for photo in train]),
        intrinsics=intrinsics_of(train, fits(sizes[0], by)),
        names=tuple(photo.name for photo in train),
        width=width // by,
        height=height // by,
    )
