"""The training cameras on the page, and the cameras of browsers."""

import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("torch", reason="runs in the trainer image")

from scene_files import ANGLE_X, DISTANCE, blender_scene, pose

from nerf_contract.training import TrainerConfig
from nerf_trainer.camera_file import write_cameras
from nerf_trainer.scenes import Cameras, load_cameras, load_scene
from nerf_trainer.viewer.frusta import LENGTH, MOST, Frusta, from_outside, read_frusta
from nerf_trainer.viewer.page import seen_by

pytestmark = pytest.mark.torch

WIDTH, HEIGHT = 40, 20
FOCAL = 0.5 * WIDTH / math.tan(0.5 * ANGLE_X)


def ring(count: int, scale: float = 1.0) -> Frusta:
    poses = np.stack([pose(k, count)[:3] for k in range(count)]).astype(np.float32)
    poses[:, :, :3] *= scale
    intrinsics = np.tile(np.float32([FOCAL, FOCAL, WIDTH / 2, HEIGHT / 2]), (count, 1))
    names = tuple(map(str, range(count)))
    return Frusta.of(Cameras(poses, intrinsics, names, WIDTH, HEIGHT))


def test_a_frustum_opens_from_its_camera_towards_the_scene() -> None:
    edges = ring(6).edges().reshape(5, 8, 2, 3)
    for k, frustum in enumerate(edges, 1):
        eye = pose(k, 6)[:3, 3]
        assert np.allclose(frustum[:4, 0], eye, atol=1e-5)
        middle = frustum[:4, 1].mean(0)
        assert np.allclose(middle, eye * (1 - LENGTH), atol=1e-5)
        across = np.linalg.norm(frustum[4, 1] - frustum[4, 0])
        down = np.linalg.norm(frustum[5, 1] - frustum[5, 0])
        assert sorted([across, down]) == pytest.approx(
            [LENGTH * DISTANCE * HEIGHT / FOCAL, LENGTH * DISTANCE * WIDTH / FOCAL], rel=1e-4
        )


def test_rotations_of_any_scale_are_drawn_alike() -> None:
    assert np.allclose(ring(6).edges(), ring(6, scale=3.0).edges(), atol=1e-5)


@pytest.mark.parametrize(("cameras", "drawn"), [(1, 0), (2, 1), (2000, MOST)])
def test_the_first_is_not_drawn_and_many_are_thinned(cameras: int, drawn: int) -> None:
    assert ring(cameras).edges().shape == (8 * drawn, 2, 3)


def test_a_page_begins_at_the_first_camera() -> None:
    first = ring(6).first()
    assert np.allclose(first.pose, pose(0, 6)[:3], atol=1e-6)
    assert first.fov == pytest.approx(2 * math.atan(HEIGHT / 2 / FOCAL))
    assert first.aspect == pytest.approx(WIDTH / HEIGHT)


def test_up_is_where_most_cameras_have_it() -> None:
    assert ring(9).up()[2] > 0.9


def test_cameras_are_read_without_photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NERF_DATASET_ROOT", str(tmp_path))
    config = TrainerConfig.model_validate({"dataset": {"downscale": 1}})
    assert read_frusta(config, tmp_path) is None
    blender_scene(tmp_path)
    found = read_frusta(config, tmp_path)
    assert found is not None
    assert len(found.poses) == 8


def test_cameras_beside_the_results_need_no_dataset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NERF_DATASET_ROOT", str(tmp_path / "nowhere"))
    config = TrainerConfig()
    scene = load_scene(config.dataset, blender_scene(tmp_path / "scene"), "white")
    write_cameras(tmp_path, scene.train)
    found = read_frusta(config, tmp_path)
    wanted = Frusta.of(load_cameras(config.dataset, tmp_path / "scene"))
    assert found is not None
    np.testing.assert_allclose(found.poses, wanted.poses, atol=1e-6)
    np.testing.assert_allclose(found.slopes, wanted.slopes, rtol=1e-6)


def test_without_cameras_the_scene_is_seen_from_outside() -> None:
    camera = from_outside(bound=2.0)
    assert np.abs(camera.pose[:, 3]).max() > 2.0
    assert -camera.pose[:, 2] @ -camera.pose[:, 3] == pytest.approx(
        np.linalg.norm(camera.pose[:, 3])
    )


def browser(**changes: object) -> SimpleNamespace:
    """What a browser tells; the camera looks along +z of the world, y down."""
    told = {"wxyz": np.array([1.0, 0, 0, 0]), "position": np.zeros(3), "fov": 0.8, "aspect": 1.5}
    return SimpleNamespace(**{**told, **changes})


def test_the_axes_of_a_browser() -> None:
    camera = seen_by(browser())
    assert camera is not None
    assert np.allclose(camera.pose[:, :3], np.diag([1, -1, -1]))


@pytest.mark.parametrize(
    "changes",
    [
        {"wxyz": np.zeros(4)},
        {"wxyz": np.array([math.nan, 0, 0, 1])},
        {"position": np.array([0, math.inf, 0])},
        {"fov": 0.0},
        {"fov": 4.0},
        {"aspect": 0.0},
        {"aspect": math.inf},
    ],
)
def test_a_camera_that_cannot_be_is_passed_over(changes: dict[str, object]) -> None:
    assert seen_by(browser(**changes)) is None
