"""Every format gives the same scene, and so the same training."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")
pycolmap = pytest.importorskip("pycolmap")

from formats import (  # noqa: E402
    FORMATS,
    HOLDOUT_EVERY,
    POSES,
    colmap_text,
    llff,
    llff_row,
    nerfstudio,
    photos,
    poses,
)
from numpy.typing import NDArray  # noqa: E402
from PIL import Image  # noqa: E402
from small_trainings import create_for, gain, train  # noqa: E402

from nerf_contract.training import PreparedDataset  # noqa: E402
from nerf_trainer.failures import TrainerFailure  # noqa: E402
from nerf_trainer.scenes import find_format, load_cameras, load_scene  # noqa: E402
from nerf_trainer.scenes.types import Scene  # noqa: E402


def config(format_: str, **fields: Any) -> PreparedDataset:
    poses = POSES if format_ == "photos" else None
    return PreparedDataset(holdout_every=HOLDOUT_EVERY, poses=poses, **fields)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Scene]:
    found = {}
    for name, write in FORMATS.items():
        folder = tmp_path_factory.mktemp(name) / "scene"
        write(folder)
        found[name] = load_scene(config(name), folder, "white")
    return found


def aligned(poses: NDArray[np.floating], to: NDArray[np.floating]) -> NDArray[np.floating]:
    """Poses (V, 3, 4) moved and scaled, but not turned, as well as they fit on others."""
    a, b = poses[:, :, 3], to[:, :, 3]
    scale = np.linalg.norm(b - b.mean(0)) / np.linalg.norm(a - a.mean(0))
    moved = (a - a.mean(0)) * scale + b.mean(0)
    return np.concatenate([poses[:, :, :3], moved[..., None]], -1)


@pytest.mark.parametrize("name", list(FORMATS)[1:])
def test_the_scene_is_the_same(scenes: dict[str, Scene], name: str) -> None:
    for part in ("train", "held_out"):
        found, first = getattr(scenes[name], part), getattr(scenes["nerfstudio"], part)
        np.testing.assert_array_equal(found.images, first.images)
        np.testing.assert_allclose(found.intrinsics, first.intrinsics, rtol=1e-5)
        np.testing.assert_allclose(aligned(found.poses, first.poses), first.poses, atol=2e-3)


def test_poses_and_bounds_of_any_scale_put_the_ball_into_the_cube(scenes: dict[str, Scene]) -> None:
    distances = np.linalg.norm(scenes["llff"].train.poses[:, :, 3], axis=1)
    radius = 0.9 / 3 * distances
    assert radius == pytest.approx(0.85, abs=0.15)


@pytest.mark.parametrize("name", ["colmap-text", "colmap-binary"])
def test_a_model_of_any_scale_fills_the_cube(scenes: dict[str, Scene], name: str) -> None:
    first = scenes["nerfstudio"].train.poses[:, :, 3]
    found = scenes[name].train.poses[:, :, 3]
    spread = np.linalg.norm(found - found.mean(0)) / np.linalg.norm(first - first.mean(0))
    assert spread * 0.9 == pytest.approx(1, abs=0.05), "the ball of radius 0.9 should reach 1"


def test_formats_with_other_coordinates_train_to_the_same_psnr(scenes: dict[str, Scene]) -> None:
    """The others are equal to the first one, number for number."""
    first, *others = (_gain(scenes[name]) for name in ("nerfstudio", "colmap-binary", "llff"))
    assert first > 1
    assert others == pytest.approx([first, first], abs=0.7)


def _gain(scene: Scene) -> float:
    trainer = create_for(scene, "occupancy")
    train(trainer, 60)
    return gain(trainer)


@pytest.mark.parametrize("name", FORMATS)
def test_formats_are_found(tmp_path: Path, name: str) -> None:
    FORMATS[name](tmp_path / "scene")
    assert find_format(tmp_path / "scene", "auto") == name.partition("-")[0]


def test_cameras_come_without_pixels(tmp_path: Path) -> None:
    nerfstudio(tmp_path / "scene")
    scene = load_scene(config("nerfstudio"), tmp_path / "scene", "white").train
    for path in (tmp_path / "scene/images").iterdir():
        _cut(path)
    cameras = load_cameras(config("nerfstudio"), tmp_path / "scene")
    np.testing.assert_array_equal(cameras.poses, scene.poses)
    np.testing.assert_array_equal(cameras.intrinsics, scene.intrinsics)
    assert (cameras.height, cameras.width) == scene.images.shape[1:3]


def _cut(path: Path) -> None:
    """Leave only the header of a PNG."""
    path.write_bytes(path.read_bytes()[:60])


def test_photos_without_poses_say_what_to_do(tmp_path: Path) -> None:
    photos(tmp_path / "scene")
    with pytest.raises(TrainerFailure, match=r"nerf_trainer\.prepare"):
        load_scene(PreparedDataset(), tmp_path / "scene", "white")


def test_masks_lie_beside_the_photos(tmp_path: Path) -> None:
    folder = tmp_path / "scene"
    colmap_text(folder)
    (folder / "masks").mkdir()
    black = np.zeros((16, 16), np.uint8)
    black[4:8] = 255
    Image.fromarray(black).save(folder / "masks/01.png.png")
    Image.fromarray(black).save(folder / "masks/03.png")
    usable = load_scene(config("colmap-text"), folder, "white").train.usable
    assert usable is not None
    assert usable.sum((1, 2)).tolist() == [256, 64, 64, 256, 256, 256]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"PINHOLE": "FULL_OPENCV", " 8.0 8.0": " 8 8" + " 0" * 8}, "FULL_OPENCV is not supported"),
        ({"PINHOLE": "NOT_A_MODEL"}, "not a sparse model"),
    ],
)
def test_models_that_cannot_be_used(tmp_path: Path, change: dict[str, str], words: str) -> None:
    colmap_text(tmp_path / "scene")
    for path in (tmp_path / "scene").glob("sparse/*/cameras.txt"):
        text = path.read_text()
        for old, new in change.items():
            text = text.replace(old, new)
        path.write_text(text)
    with pytest.raises(TrainerFailure, match=words):
        load_scene(config("colmap-text"), tmp_path / "scene", "white")


def rows(**changed: float) -> NDArray[np.float64]:
    """Good ones, but for numbers of the third one: by their column, `c0` and so on."""
    found = np.stack([llff_row(matrix) for matrix in poses()])
    for column, value in changed.items():
        found[2, int(column[1:])] = value
    return found


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (rows(c0=np.nan), "row 2 holds a number that is not finite"),
        (rows(c0=7), "the axes in row 2 are not a rotation"),
        (rows(c14=0), "focal length and depths in row 2 must be 1e-15 or more"),
        (rows(c16=0.1), "the nearest depth not beyond the farthest"),
        (rows()[:-1], "7 rows, but there are 8 photos"),
        (np.zeros((8, 15)), r"shape \(8, 15\), not a row of 17"),
        (np.array([[{}] * 17] * 8), "not an array that numpy can read"),
    ],
)
def test_poses_and_bounds_that_cannot_be_used(
    tmp_path: Path, array: NDArray[Any], words: str
) -> None:
    llff(tmp_path / "scene")
    np.save(tmp_path / "scene/poses_bounds.npy", array)
    with pytest.raises(TrainerFailure, match=words):
        load_scene(config("llff"), tmp_path / "scene", "white")


def test_poses_and_bounds_that_promise_more_than_is_there(tmp_path: Path) -> None:
    """No memory is taken for what a header says alone."""
    path = tmp_path / "scene/poses_bounds.npy"
    llff(tmp_path / "scene")
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"(8, 17), }" + b" " * 9, b"(8000000000, 17), }"))
    assert path.read_bytes() != whole
    with pytest.raises(TrainerFailure, match="not an array that numpy can read"):
        load_scene(config("llff"), tmp_path / "scene", "white")


def test_a_photo_of_a_model_may_be_missing(tmp_path: Path) -> None:
    colmap_text(tmp_path / "scene")
    (tmp_path / "scene/images/03.png").unlink()
    with pytest.raises(TrainerFailure, match=r"03\.png is missing"):
        load_scene(config("colmap-text"), tmp_path / "scene", "white")
