"""A video of the demo scene, filmed on the way around it: its cameras are found."""

import json
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.torch
pytest.importorskip("pycolmap")

from camera_paths import aligned, arc, median_angle  # noqa: E402
from video_files import blurred, write_video  # noqa: E402

from nerf_contract import names  # noqa: E402
from nerf_contract.training import PreparedDataset, TrainerConfig  # noqa: E402
from nerf_trainer import prepare  # noqa: E402
from nerf_trainer.scenes import demo, load_scene  # noqa: E402
from nerf_trainer.stage import StageBoard  # noqa: E402

VIEWS, WIDTH = 36, 320


def test_a_walk_around_the_scene_is_posed(tmp_path: Path) -> None:
    """72 frames of a whole turn, up and down, of which every other one is blurred and not picked.

    From a turn at one height alone nobody could tell the focal length, and which way is down.
    """
    turn = 2 * np.pi * np.arange(VIEWS) / VIEWS
    truth = arc(turn, np.radians(32 + 12 * np.sin(3 * turn)))
    views = [demo.photo(pose.astype(np.float32), WIDTH, supersample=1) for pose in truth]
    pictures = [picture for view in views for picture in (view, blurred(view))]
    write_video(tmp_path / "walk.mp4", pictures, options={"crf": "15"})
    poses = {"maxFeatures": 1024, "maxImageSize": 512}
    config = {"dataset": {"video": {"frames": VIEWS}}, "poses": poses}
    done = prepare.prepare(TrainerConfig.model_validate(config), tmp_path, StageBoard("poses"))
    found = done.dataset
    assert found is not None
    assert (found.format, found.photos, found.posed) == ("video", VIEWS, VIEWS), done.message
    transforms = tmp_path / names.POSES_DIR / str(found.poses) / "transforms.json"
    frames = json.loads(transforms.read_text())["frames"]
    times = [float(frame["file_path"].rpartition("-")[2][:-5]) for frame in frames]
    assert times == [round(2 * k / 30, 2) for k in range(VIEWS)], "blurred ones were picked"
    cameras = np.array([frame["transform_matrix"] for frame in frames])
    centres, tilt = aligned(cameras, truth)
    wrong = np.linalg.norm(centres - truth[:, :3, 3], axis=1)
    assert wrong.mean() < 0.01 * demo.SCENE_RADIUS, wrong
    assert wrong.max() < 0.03 * demo.SCENE_RADIUS, wrong
    assert median_angle(cameras, truth) < 1
    assert tilt < 2
    scene = load_scene(PreparedDataset(poses=found.poses), tmp_path, "white")
    assert len(scene.train) + len(scene.held_out) == VIEWS
