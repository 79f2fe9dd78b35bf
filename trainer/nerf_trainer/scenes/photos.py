"""Plain photos whose poses were found by the poses stage."""

from pathlib import Path

from nerf_contract import names
from nerf_contract.training import PreparedDataset
from nerf_trainer.scenes.nerfstudio import TRANSFORMS, every_nth
from nerf_trainer.scenes.transforms import photos, read_transforms
from nerf_trainer.scenes.types import Photo, invalid


def read_split(folder: Path, config: PreparedDataset) -> tuple[list[Photo], list[Photo]]:
    """Photos to train on, and every n-th, held out."""
    if config.poses is None:
        raise invalid(
            f"{folder} holds photos without poses. Find them first: python3 -m nerf_trainer.prepare"
        )
    path = folder / names.POSES_DIR / config.poses / TRANSFORMS
    found = photos(path, read_transforms(path), root=folder)
    return every_nth(path, found, config.holdout_every)
