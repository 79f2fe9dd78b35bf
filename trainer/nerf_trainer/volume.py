"""What is found of a dataset is kept beside it, on its volume, for later pods and jobs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nerf_contract.reasons import DATASET_VOLUME
from nerf_trainer.failures import TrainerFailure
from nerf_trainer.files import locked


def unreadable(path: Path, error: OSError) -> TrainerFailure:
    """The failure where the volume does not let a file be read."""
    return TrainerFailure(
        DATASET_VOLUME,
        f"{path} cannot be read ({error.strerror}): let user id 10001 read it, or mend the volume.",
    )


@contextmanager
def keeping(folder: Path) -> Iterator[None]:
    """Be alone in what is kept in `folder/.nerf`, and write there.

    Raises TrainerFailure (DatasetVolumeUnusable) where that fails.
    """
    try:
        with locked(folder):
            yield
    except OSError as error:
        raise TrainerFailure(
            DATASET_VOLUME,
            f"{error.filename or folder} cannot be written ({error.strerror}). Poses and frames "
            f"are kept beside the photos: give {folder} space, and let user id 10001 write there.",
        ) from error
