"""Where photos begin to see the same."""

import numpy as np
import pytest

from nerf_trainer.shared_view import shared_from

SIZE = (100, 100)
SPAN = np.geomspace(0.1, 10, 200, dtype=np.float32)


def row(gap: float, count: int = 9) -> np.ndarray:
    """Cameras side by side that look along -z."""
    poses = np.tile(np.eye(3, 4, dtype=np.float32), (count, 1, 1))
    poses[:, 0, 3] = gap * np.arange(count)
    return poses


def distance(poses: np.ndarray, focal: float = 50.0) -> float:
    intrinsics = np.tile(np.array([focal, focal, 50, 50], np.float32), (len(poses), 1))
    return shared_from(poses, intrinsics, SIZE, SPAN)


def test_it_grows_with_the_gap_between_cameras() -> None:
    near, far = distance(row(0.1)), distance(row(0.3))
    assert far == pytest.approx(3 * near, rel=0.05)


def test_of_two_cameras_each_sees_half_of_what_the_other_does_at_their_distance() -> None:
    # 90 degrees wide: at depth z a photo is 2 z wide, and a ray in its middle is at x = 0.
    assert 0.25 < distance(row(0.5, count=2)) < 0.5


def test_turning_on_the_spot_shares_everything() -> None:
    assert distance(row(0.0)) == pytest.approx(SPAN[0])


@pytest.mark.parametrize("count", [1, 2])
def test_who_shares_nothing_begins_at_the_end(count: int) -> None:
    poses = row(1.0, count)
    poses[1:, :, 0] *= -1
    poses[1:, :, 2] *= -1  # The second looks back.
    found = distance(poses)
    assert found == pytest.approx(SPAN[0] if count == 1 else SPAN[-1])
