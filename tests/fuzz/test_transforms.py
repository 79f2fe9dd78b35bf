"""A transforms file of a stranger: poses of photos in its folder, or a failure that says why."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hostile import DEEP, HUGE, fuzzed, texts
from hypothesis import example, given

from nerf_contract.reasons import DATASET_INVALID
from nerf_contract.training import PreparedDataset
from nerf_trainer.failures import TrainerFailure
from nerf_trainer.scenes import read_split

POSE = [[1.0, 0, 0, 0], [0, 1.0, 0, 0], [0, 0, 1.0, 3.0], [0, 0, 0, 1.0]]
DOCUMENT: dict[str, Any] = {
    "camera_model": "OPENCV",
    **{"fl_x": 8.0, "fl_y": 8.0, "cx": 4.0, "cy": 4.0, "w": 8, "h": 8, "k1": 0.1},
    "train_filenames": ["images/0.png", "images/1.png"],
    "frames": [
        {
            "file_path": f"images/{k}.png",
            "transform_matrix": POSE,
            "mask_path": "masks/0.png",
            "orientation": 1,
        }
        for k in range(3)
    ],
}


def of_frame(**fields: Any) -> bytes:
    """The document with other fields in one of its frames."""
    first, *others = DOCUMENT["frames"]
    return json.dumps(DOCUMENT | {"frames": [first | fields, *others]}).encode()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("scene")
    for name in ("images/0.png", "images/1.png", "images/2.png", "masks/0.png"):
        (made / name).parent.mkdir(exist_ok=True)
        (made / name).write_bytes(b"")
    (made / "images/outside.png").symlink_to("/etc/passwd")
    return made


def test_poses_below_the_folder_or_a_failure(folder: Path) -> None:
    @fuzzed
    @given(texts(DOCUMENT))
    @example(json.dumps(DOCUMENT).encode())
    @example(DEEP)
    @example(b'{"frames": [' + b"9" * 10_000 + b"]}")
    @example(json.dumps(DOCUMENT | {"fl_x": HUGE}).encode())
    @example(json.dumps(DOCUMENT | {"w": 0}).encode())
    @example(of_frame(orientation=[]))
    @example(of_frame(file_path="a\0b"))
    @example(of_frame(file_path="\ud800"))
    @example(of_frame(file_path="images/outside.png"))
    @example(of_frame(transform_matrix=[[HUGE] * 4] * 4))
    @example(of_frame(transform_matrix=[[1e-200, 0, 0, 0], *POSE[1:]]))
    @example(of_frame(transform_matrix=[[1.0, 0, 0, 1e300], *POSE[1:]]))
    def run(data: bytes) -> None:
        (folder / "transforms.json").write_bytes(data)
        try:
            train, held_out = read_split(folder, PreparedDataset(format="nerfstudio"))
        except TrainerFailure as failure:
            assert failure.reason == DATASET_INVALID
            return
        for photo in (*train, *held_out):
            assert photo.path.resolve().is_relative_to(folder.resolve())
            assert photo.mask is None or photo.mask.resolve().is_relative_to(folder.resolve())
            assert np.isfinite(photo.pose).all()
            assert photo.intrinsics is None or np.isfinite(photo.intrinsics).all()

    run()
