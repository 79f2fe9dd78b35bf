"""Photos with known cameras.

Cameras look along -z with +x right and +y up (OpenGL axes), and poses are camera-to-world.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nerf_contract.reasons import DATASET_INVALID
from nerf_trainer.failures import TrainerFailure


@dataclass(frozen=True)
class Photo:
    """One photo of a dataset before its pixels are read.

    pose: camera-to-world, (3, 4). intrinsics: fx, fy, cx, cy in pixels of the file, (4,);
    None where they follow from the width by `angle_x`, the horizontal field of view (radians).
    """

    path: Path
    name: str
    pose: NDArray[np.float32]
    intrinsics: NDArray[np.float32] | None
    angle_x: float | None = None


@dataclass(frozen=True)
class Views:
    """Photos in memory.

    images: (V, H, W, 3) uint8. poses: (V, 3, 4). intrinsics: fx, fy, cx, cy in pixels, (V, 4).
    """

    images: NDArray[np.uint8]
    poses: NDArray[np.float32]
    intrinsics: NDArray[np.float32]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class Scene:
    """What is trained on, and what is held out to judge by."""

    train: Views
    held_out: Views


def invalid(message: str) -> TrainerFailure:
    """The dataset cannot be used: `message` names the file and says what to do."""
    return TrainerFailure(DATASET_INVALID, message)
