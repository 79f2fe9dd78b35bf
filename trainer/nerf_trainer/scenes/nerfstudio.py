"""nerfstudio's format: one transforms.json beside the photos."""

from collections.abc import Sequence
from pathlib import Path

from nerf_contract.training import PreparedDataset
from nerf_trainer.scenes.frames import Document
from nerf_trainer.scenes.transforms import photos, read_transforms
from nerf_trainer.scenes.types import Photo, invalid

TRANSFORMS = "transforms.json"


def read_split(folder: Path, config: PreparedDataset) -> tuple[list[Photo], list[Photo]]:
    """Photos to train on, and held-out ones: as the file lists them, else every n-th."""
    path = folder / TRANSFORMS
    document = read_transforms(path)
    everything = photos(path, document)
    train, held_out = _listed(path, document, everything)
    return (train, held_out) if held_out else every_nth(path, train, config.holdout_every)


def every_nth(path: Path, everything: Sequence[Photo], n: int) -> tuple[list[Photo], list[Photo]]:
    """Split in order of name: every nth is held out, beginning in the middle of the first n.

    The first and the last of a series of photos show what no other does.
    """
    if len(everything) < 2:
        raise invalid(f"{path} lists one photo. Training needs at least two: one is held out.")
    ordered = sorted(everything, key=lambda photo: photo.name)
    first = min(n, len(ordered)) // 2
    train = [photo for i, photo in enumerate(ordered) if i % n != first]
    return train, ordered[first::n]


def _listed(
    path: Path, document: Document, everything: list[Photo]
) -> tuple[list[Photo], list[Photo]]:
    """The split by `train_filenames` and `val_filenames` (or `test_filenames`), as far as it goes.

    Without train_filenames all others are trained on. A photo in both lists is held out.
    """
    train = _names(path, document, "train_filenames", everything)
    held = _names(path, document, "val_filenames", everything)
    held = held or _names(path, document, "test_filenames", everything)
    kept = [p for p in everything if p.name not in held and (not train or p.name in train)]
    if not kept:
        raise invalid(f"{path}: every photo is held out. Add photos to train_filenames.")
    return kept, [p for p in everything if p.name in held]


def _names(path: Path, document: Document, key: str, everything: list[Photo]) -> set[str]:
    names = document.get(key, [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise invalid(f"{path}: {key} must be a list of file paths.")
    unknown = set(names) - {photo.name for photo in everything}
    if unknown:
        raise invalid(f"{path}: {key} names {min(unknown)}, which no frame has as file_path.")
    return set(names)
