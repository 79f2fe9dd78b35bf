"""The demo scene is always the same, fills the frame, and cannot be guessed by a mean colour."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nerf_trainer.scenes import demo

PHOTOS, WIDTH = 16, 48


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("demo")
    demo.generate(out, PHOTOS, WIDTH, processes=1)
    return out


def pictures(scene: Path, split: str) -> np.ndarray:
    files = json.loads((scene / demo.TRANSFORMS).read_text())[f"{split}_filenames"]
    return np.stack([np.asarray(Image.open(scene / file)) for file in files]) / 255.0


def test_object_covers_half_of_each_held_out_frame(scene: Path) -> None:
    covered = (pictures(scene, "val").min(-1) < 0.97).mean((1, 2))
    assert (covered > 0.5).all(), covered


def test_mean_colour_scores_below_15_db(scene: Path) -> None:
    guess = pictures(scene, "train").mean((0, 1, 2))
    error = ((pictures(scene, "val") - guess) ** 2).mean((1, 2, 3))
    assert (-10 * np.log10(error) < 15).all()


def test_same_photos_every_time() -> None:
    pose = demo.camera_poses(PHOTOS)[3]
    assert (demo.photo(pose, WIDTH) == demo.photo(pose, WIDTH)).all()


def test_cameras_look_at_the_scene() -> None:
    poses = demo.camera_poses(PHOTOS)
    rotations = poses[:, :3, :3]
    identity = rotations @ rotations.transpose(0, 2, 1)
    assert np.allclose(identity, np.eye(3), atol=1e-5)
    assert np.allclose(np.linalg.det(rotations), 1, atol=1e-5)
    towards = poses[:, :3, 3] - demo.LOOK_AT
    towards /= np.linalg.norm(towards, axis=-1, keepdims=True)
    assert np.allclose(poses[:, :3, 2], towards, atol=1e-5)


def test_complete_scene_is_left_alone(scene: Path) -> None:
    photo = scene / "images" / "0000.jpg"
    before = photo.stat().st_mtime_ns
    demo.generate(scene, PHOTOS, WIDTH, processes=1)
    assert photo.stat().st_mtime_ns == before


def test_unfinished_scene_is_rendered_anew(scene: Path) -> None:
    (scene / demo.TRANSFORMS).unlink()
    (scene / "images" / "0000.jpg").write_bytes(b"torn")
    demo.generate(scene, PHOTOS, WIDTH, processes=1)
    assert Image.open(scene / "images" / "0000.jpg").size == (WIDTH, WIDTH)
