"""Datasets: photos with known poses, split into those to train on and held-out ones."""

import logging
import time
from collections.abc import Callable
from pathlib import Path

from nerf_contract.training import DatasetConfig
from nerf_trainer.scenes import blender, nerfstudio
from nerf_trainer.scenes.images import common_size, load_views
from nerf_trainer.scenes.types import Background, Scene, Views, invalid

__all__ = ["Background", "Scene", "Views", "load_scene"]

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0
READERS = {
    "nerfstudio": (nerfstudio.TRANSFORMS, nerfstudio.read_split),
    "blender": (blender.TRAIN, blender.read_split),
}


def load_scene(
    config: DatasetConfig,
    root: Path,
    background: Background,
    sleep: Callable[[float], None] = time.sleep,
) -> Scene:
    """Read the dataset in `root/config.path`.

    background: what is behind transparent pixels. Where it is random, held-out photos are put on
    white, to be judged by.
    Raises TrainerFailure (DatasetInvalid) that names the file and says what to do.
    """
    folder = root / config.path
    _wait(folder, config, sleep)
    train, held_out = READERS[_format(folder, config.format)][1](folder, config.holdout_every)
    sizes = [common_size(photos, config.downscale) for photos in (train, held_out)]
    judged_on: Background = "white" if background == "random" else background
    scene = Scene(
        train=load_views(train, sizes[0], config.downscale, background),
        held_out=load_views(held_out, sizes[1], config.downscale, judged_on),
    )
    height, width = scene.train.images.shape[1:3]
    log.info(
        "%s: %d photos to train on, %d held out, %dx%d pixels",
        *(folder, len(train), len(held_out), width, height),
    )
    return scene


def _wait(folder: Path, config: DatasetConfig, sleep: Callable[[float], None]) -> None:
    """Give an upload under way time to finish: its transforms file comes last."""
    polls = int(config.wait_seconds / POLL_SECONDS)
    for i in range(polls):
        if any((folder / name).exists() for name, _ in READERS.values()):
            return
        if i == 0:
            log.info("waiting up to %d s for the dataset in %s", config.wait_seconds, folder)
        sleep(POLL_SECONDS)


def _format(folder: Path, wanted: str) -> str:
    try:
        present = {path.name for path in folder.iterdir()}
    except FileNotFoundError as error:
        raise invalid(
            f"The folder {folder} is missing. Check dataset.path, or put the photos there."
        ) from error
    except NotADirectoryError as error:
        raise invalid(f"{folder} is not a folder. Let dataset.path name a folder.") from error
    except PermissionError as error:
        raise invalid(f"The folder {folder} is not readable: chmod a+rx it.") from error
    if not present:
        raise invalid(f"The folder {folder} is empty. Put the photos and their poses there.")
    for name, (file, _) in READERS.items():
        if file in present and wanted in ("auto", name):
            return name
    expected = " or ".join(f for n, (f, _) in READERS.items() if wanted in ("auto", n))
    raise invalid(
        f"{folder} holds no {expected}. Put the file there, or correct dataset.path and "
        "dataset.format."
    )
