"""The format of the original NeRF's synthetic scenes: transforms_train.json and its siblings."""

from pathlib import Path

from nerf_contract.training import PreparedDataset
from nerf_trainer.scenes.nerfstudio import every_nth
from nerf_trainer.scenes.transforms import photos, read_transforms
from nerf_trainer.scenes.types import Photo

TRAIN = "transforms_train.json"
HELD_OUT = ("transforms_test.json", "transforms_val.json")


def read_split(folder: Path, config: PreparedDataset) -> tuple[list[Photo], list[Photo]]:
    """Photos to train on, and held-out ones: the test split, else val, else every n-th of train."""
    path = folder / TRAIN
    train = photos(path, read_transforms(path))
    for name in HELD_OUT:
        other = folder / name
        if other.exists():
            return train, photos(other, read_transforms(other))
    return every_nth(path, train, config.holdout_every)
