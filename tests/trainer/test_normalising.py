"""A scene without coordinates is put upright, in the middle, and to size."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scene_files import pose

from nerf_trainer.scenes.normalising import Similarity, focus, normalising, upwards
from nerf_trainer.scenes.orientation import X_LEFT, Y_UP

Array = NDArray[np.float64]


def ring(count: int = 12) -> Array:
    """Cameras (V, 3, 4) around the origin, held level."""
    return np.stack([pose(k, count)[:3] for k in range(count)])


def rotation(seed: int) -> Array:
    """A random rotation (3, 3)."""
    q = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0]
    return np.asarray(q * np.sign(np.linalg.det(q)))


def ball(count: int = 500) -> Array:
    """Points (P, 3) on a ball of radius 0.9."""
    points = np.random.default_rng(1).normal(size=(count, 3))
    return np.asarray(0.9 * points / np.linalg.norm(points, axis=1, keepdims=True))


def level(count: int) -> Array:
    return np.tile(Y_UP, (count, 1))


@pytest.mark.parametrize("seed", range(5))
def test_any_coordinates_lead_to_the_same(seed: int) -> None:
    moved = Similarity(0.2 + seed, rotation(seed), np.array([5.0, -seed, 2.0]))
    poses, points = moved.poses(ring()), moved.points(ball())
    place = normalising(poses, points, level(12))
    found, at = place.poses(poses), place.points(points)
    assert np.abs(at).max() == pytest.approx(1, abs=0.05)
    assert np.abs(at.mean(0)).max() < 0.1
    np.testing.assert_allclose(found[:, 2, 3] > 0, ring()[:, 2, 3] > 0)
    horizons = found[:, 2, 0]
    np.testing.assert_allclose(horizons, 0, atol=1e-6)


def test_up_is_found_where_photos_were_turned_on_their_side() -> None:
    poses, ups = ring(), level(12)
    for k in (2, 5, 9):
        # The same camera with its picture turned left: its x axis points down the old y axis.
        x, y = poses[k, :, 0].copy(), poses[k, :, 1].copy()
        poses[k, :, 0], poses[k, :, 1] = -y, x
        ups[k] = X_LEFT
    np.testing.assert_allclose(upwards(poses, ups), [0, 0, 1], atol=1e-6)


def test_up_is_found_by_photos_from_one_side() -> None:
    front = ring(40)[:1].repeat(9, 0)
    front[:, :, 3] += np.random.default_rng(0).normal(size=(9, 3)) * 0.1
    up = upwards(front, level(9))
    assert up @ front[0, :, 1] > 0.99


def test_the_focus_is_what_all_cameras_look_at() -> None:
    poses = ring()
    poses[:, :, 3] += [3.0, 1.0, -2.0]
    np.testing.assert_allclose(focus(poses), [3, 1, -2], atol=1e-6)


def test_a_background_does_not_shrink_the_scene() -> None:
    far = np.random.default_rng(2).normal(size=(300, 3)) * 40
    far = far[np.linalg.norm(far, axis=1) > 10]
    place = normalising(ring(), np.concatenate([ball(), far]), level(12))
    assert place.scale * 0.9 == pytest.approx(1, abs=0.1)


def test_few_points_leave_the_cameras_to_tell_the_size() -> None:
    place = normalising(ring(), np.zeros((0, 3)), level(12))
    distances = np.linalg.norm(place.poses(ring())[:, :, 3], axis=1)
    np.testing.assert_allclose(distances, 2.5, rtol=0.1)
