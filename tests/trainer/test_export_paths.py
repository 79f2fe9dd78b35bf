"""Camera paths: smooth, closed, and looking where they should."""

import numpy as np
import pytest

pytest.importorskip("scipy")

from numpy.typing import NDArray

from nerf_trainer.export import paths
from nerf_trainer.scenes.demo import camera_poses
from nerf_trainer.viewpoints import look_at

pytestmark = pytest.mark.torch

Array = NDArray[np.float64]

COUNT = 120


def dome(cameras: int = 24, centre: tuple[float, float, float] = (0.4, -0.3, 0.2)) -> Array:
    """Cameras all around a centre, looking at it."""
    poses = camera_poses(cameras)[:, :3].astype(np.float64)
    places = poses[:, :, 2] * 3 + centre
    return np.concatenate([poses[:, :, :3], places[:, :, None]], -1)


def wall(cameras: int = 25) -> Array:
    """Cameras in a plane, all looking along -y, a little apart."""
    places = np.random.default_rng(0).uniform(-0.5, 0.5, (cameras, 3)) * [1, 0.1, 1] + [0, 4, 1]
    return np.stack([look_at(place, place - [0, 1, 0]) for place in places])


PATHS = {
    "orbit": lambda count: paths.orbit(dome(), count),
    "spiral": lambda count: paths.spiral(wall(), count, depth=4.0),
    "cameras": lambda count: paths.through(dome(), count, stops=9),
}


def turns(poses: Array) -> Array:
    """Angles (N,) between each camera and the next one, the first again after the last."""
    following = np.roll(poses, -1, axis=0)
    trace = np.einsum("nij,nij->n", poses[:, :, :3], following[:, :, :3])
    return np.arccos(np.clip((trace - 1) / 2, -1, 1))


def steps(poses: Array) -> Array:
    """Distances (N,) to the next one."""
    return np.linalg.norm(np.roll(poses, -1, axis=0)[:, :, 3] - poses[:, :, 3], axis=-1)


@pytest.mark.parametrize("name", PATHS)
def test_a_path_is_made_of_rigid_poses(name: str) -> None:
    axes = PATHS[name](COUNT)[:, :, :3]
    assert axes.shape == (COUNT, 3, 3)
    np.testing.assert_allclose(axes.transpose(0, 2, 1) @ axes, np.eye(3) + 0 * axes, atol=1e-9)
    np.testing.assert_allclose(np.linalg.det(axes), 1)


@pytest.mark.parametrize("name", PATHS)
def test_a_path_is_closed_and_has_no_jumps(name: str) -> None:
    """With twice the cameras, the largest step is half as large: the path is continuous."""
    coarse, fine = PATHS[name](COUNT), PATHS[name](2 * COUNT)
    for measure in (steps, turns):
        assert 0 < measure(fine).max() < 0.6 * measure(coarse).max()
    np.testing.assert_allclose(fine[::2], coarse, atol=1e-6)


def test_the_focus_is_what_all_cameras_look_at() -> None:
    np.testing.assert_allclose(paths.focus(dome()), [0.4, -0.3, 0.2], atol=0.01)


def test_cameras_with_parallel_axes_have_a_focus_too() -> None:
    np.testing.assert_allclose(paths.focus(wall()), [0, 0, 1], atol=0.2)


def test_an_orbit_stays_level_at_the_cameras_distance_and_looks_at_the_focus() -> None:
    poses, cameras = PATHS["orbit"](COUNT), dome()
    centre = paths.focus(cameras)
    offset = poses[:, :, 3] - centre
    distance = np.linalg.norm(offset, axis=-1)
    np.testing.assert_allclose(distance, 3, atol=0.02)
    np.testing.assert_allclose(poses[:, :, 2], offset / distance[:, None], atol=1e-9)
    assert np.ptp(offset[:, 2]) < 1e-9
    assert (poses[:, 2, 1] > 0).all()  # upright
    azimuth = np.unwrap(np.arctan2(offset[:, 1], offset[:, 0]))
    assert abs(azimuth[-1] - azimuth[0]) == pytest.approx(2 * np.pi * (1 - 1 / COUNT))


def test_a_spiral_sways_as_far_as_the_cameras_and_looks_at_one_point() -> None:
    poses, cameras = PATHS["spiral"](COUNT), wall()
    mean = paths.mean_pose(cameras)
    target = mean @ [0, 0, -4.0, 1]
    towards = target - poses[:, :, 3]
    towards /= np.linalg.norm(towards, axis=-1, keepdims=True)
    np.testing.assert_allclose(-poses[:, :, 2], towards, atol=1e-9)
    reach = np.abs(poses[:, :, 3] - mean[:, 3]).max(0)
    assert (reach <= np.abs(cameras[:, :, 3] - mean[:, 3]).max(0) + 1e-9).all()
    assert reach[0] > 0.3


def test_the_loop_passes_the_cameras_that_it_visits() -> None:
    cameras = dome(9)
    poses = paths.through(cameras, 2000, stops=9)
    apart = np.linalg.norm(cameras[:, None, :, 3] - poses[None, :, :, 3], axis=-1)
    nearest = apart.argmin(1)
    assert apart.min(1).max() < 0.02
    np.testing.assert_allclose(poses[nearest, :, :3], cameras[:, :, :3], atol=0.03)


def test_the_loop_visits_a_place_once_however_many_cameras_are_there() -> None:
    cameras = dome(8)
    jitter = np.random.default_rng(0).normal(0, 1e-4, (8 * 5, 3))
    crowd = np.tile(cameras, (5, 1, 1))
    crowd[:, :, 3] += jitter
    alone, crowded = (paths.through(poses, COUNT, stops=30) for poses in (cameras, crowd))
    assert steps(crowded).max() < 1.2 * steps(alone).max()
    assert turns(crowded).max() < 1.2 * turns(alone).max()


@pytest.mark.parametrize("cameras", [1, 2, 3])
def test_few_cameras_make_a_path_all_the_same(cameras: int) -> None:
    poses = paths.through(dome(cameras), 10, stops=9)
    assert poses.shape == (10, 3, 4)
    assert np.isfinite(poses).all()
    assert np.isfinite(paths.orbit(dome(cameras), 10)).all()
    assert np.isfinite(paths.spiral(dome(cameras), 10, depth=3.0)).all()


def test_cameras_right_above_the_scene_make_an_orbit_too() -> None:
    above = look_at(np.array([0, 0, 3.0]), np.zeros(3))[None].repeat(3, 0)
    poses = paths.orbit(above, 5)
    np.testing.assert_allclose(poses[:, :, 2], [[0, 0, 1]] * 5, atol=1e-9)
    np.testing.assert_allclose(np.linalg.det(poses[:, :, :3]), 1)


def test_a_tour_is_no_longer_than_one_by_the_nearest() -> None:
    """Places on a circle, shuffled: the shortest trip goes around it."""
    angle = np.random.default_rng(0).permutation(16) * (2 * np.pi / 16)
    places = np.stack([np.cos(angle), np.sin(angle)], -1)
    apart = np.linalg.norm(places[:, None] - places[None], axis=-1)
    order = paths.tour(apart)
    assert sorted(order) == list(range(16))
    length = sum(apart[a, b] for a, b in zip(order, np.roll(order, -1), strict=True))
    assert length == pytest.approx(16 * 2 * np.sin(np.pi / 16))
