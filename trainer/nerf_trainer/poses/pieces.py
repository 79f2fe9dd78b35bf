"""Results on the way, kept on the dataset's volume: a pod that is killed goes on from there.

A folder for each set of inputs, with a file for each photo's features and for each part of the
matches. It is removed once the poses are there.
"""

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nerf_trainer.files import write_atomically

Arrays = dict[str, NDArray[np.generic]]


class Pieces:
    """Named groups of arrays in a folder, each either complete or not there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def has(self, name: str) -> bool:
        """Whether the piece was kept."""
        return self._path(name).exists()

    def keep(self, name: str, arrays: Arrays) -> None:
        """Write a piece."""
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)  # type: ignore[arg-type]
        write_atomically(self._path(name), buffer.getvalue())

    def read(self, name: str) -> Arrays:
        """A piece that was kept."""
        with np.load(self._path(name)) as file:
            return dict(file)

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.npz"
