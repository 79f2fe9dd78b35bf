"""The training cameras beside the results, for whoever shows them and has no photos."""

import json
from pathlib import Path

import numpy as np

from nerf_contract import names
from nerf_trainer.files import write_atomically
from nerf_trainer.scenes import Cameras, Views


def write_cameras(folder: Path, views: Views) -> None:
    """Write the cameras of views to the job's folder. Raises OSError."""
    height, width = views.images.shape[1:3]
    document = {
        "width": width,
        "height": height,
        "poses": views.poses.tolist(),
        "intrinsics": views.intrinsics.tolist(),
    }
    write_atomically(folder / names.CAMERAS_FILE, json.dumps(document).encode())


def read_cameras(folder: Path) -> Cameras | None:
    """The cameras in the job's folder, or None where none can be read."""
    try:
        document = json.loads((folder / names.CAMERAS_FILE).read_text())
        return Cameras(
            poses=np.array(document["poses"], np.float32).reshape(-1, 3, 4),
            intrinsics=np.array(document["intrinsics"], np.float32).reshape(-1, 4),
            names=(),
            width=int(document["width"]),
            height=int(document["height"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
