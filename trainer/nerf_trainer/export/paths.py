"""Camera paths: where a video is seen from. All are closed, so that it can be played in a loop.

Names: V training cameras, N cameras of the path; poses (V, 3, 4) or (N, 3, 4), camera-to-world in
OpenGL axes (right, up, backward, position). The scene lies around the origin, its up is +z.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.spatial.transform import Rotation, RotationSpline

from nerf_trainer.viewpoints import look_at

Array = NDArray[np.float64]

#: Weight of the scene's middle, the origin, beside that of an optical axis.
FOCUS_DAMPING = 1e-3
#: Turns and sways of a spiral, as in the renderings of LLFF.
SPIRAL_TURNS = 2
SPIRAL_SWAYS = 1
#: The spiral reaches as far from the middle as this percentile of the cameras.
SPIRAL_PERCENTILE = 90
#: Two cameras are one place if they differ by less than this part of how much all of them differ.
SAME_PLACE = 0.02
#: Copies of a loop before and after it, whose ends no longer touch the rotations in the middle.
LOOPS = 3


def focus(poses: Array) -> Array:
    """The point (3,) nearest to all optical axes, by least squares.

    Parallel axes have no such point: a little damping takes that nearest to the scene's middle.
    """
    o, d = poses[:, :, 3], poses[:, :, 2]
    across = np.eye(3) - d[:, :, None] * d[:, None, :]  # (V, 3, 3)
    towards = (across @ o[:, :, None]).mean(0)[:, 0]
    return np.linalg.solve(across.mean(0) + FOCUS_DAMPING * np.eye(3), towards)


def orbit(poses: Array, count: int) -> Array:
    """Around the focus, at the cameras' mean distance and, more or less, their mean height."""
    target = focus(poses)
    offset = poses[:, :, 3] - target
    radius, height = np.hypot(offset[:, 0], offset[:, 1]).mean(), offset[:, 2].mean()
    scale = np.linalg.norm(offset, axis=-1).mean() / max(np.hypot(radius, height), 1e-9)
    angle = np.arctan2(*offset.mean(0)[1::-1]) + _turn(count)
    ring = np.stack([radius * np.cos(angle), radius * np.sin(angle), np.full(count, height)], -1)
    return np.stack([look_at(target + place, target) for place in ring * scale])


def spiral(poses: Array, count: int, depth: float) -> Array:
    """Sways around the cameras' mean pose, looking at a point `depth` in front of it.

    Mildenhall et al.: Local Light Field Fusion, ACM TOG 38(4), 2019, for photos from one side.
    """
    mean = mean_pose(poses)
    local = (poses[:, :, 3] - mean[:, 3]) @ mean[:, :3]
    reach = np.percentile(np.abs(local), SPIRAL_PERCENTILE, axis=0)
    angle = _turn(count) * SPIRAL_TURNS
    sway = np.sin(_turn(count) * SPIRAL_SWAYS)
    places = np.stack([np.cos(angle), -np.sin(angle), -sway], -1) * reach
    target = mean @ np.array([0, 0, -depth, 1])
    return np.stack([look_at(mean @ [*place, 1], target, mean[:, 1]) for place in places])


def mean_pose(poses: Array) -> Array:
    """The pose (3, 4) in the middle of all: mean position, backward and upward direction."""
    position, backward, up = poses[:, :, 3].mean(0), poses[:, :, 2].mean(0), poses[:, :, 1].mean(0)
    return look_at(position, position - backward, up)


def through(poses: Array, count: int, stops: int) -> Array:
    """A smooth loop through at most `stops` of the cameras, as different as possible.

    Positions follow a periodic cubic spline, rotations a cubic spline of rotation vectors (scipy's
    RotationSpline); the speed is even, in the measure of `differences`. Cameras at the same place
    are visited once.
    """
    chosen = poses[_distinct(differences(poses), stops)]
    if len(chosen) == 1:
        return np.repeat(chosen, count, 0)
    apart = differences(chosen)
    order = tour(apart)
    loop = chosen[[*order, order[0]]]
    steps = [apart[a, b] for a, b in zip(order, np.roll(order, -1), strict=True)]
    time = np.concatenate([[0], np.cumsum(steps)])
    at = np.arange(count) / count * time[-1]
    position = CubicSpline(time, loop[:, :, 3], bc_type="periodic")(at)
    return np.concatenate([_rotations(loop, time, at), position[:, :, None]], -1)


def differences(poses: Array) -> Array:
    """How different each two cameras are (V, V): distance, in units of their spread, and angle."""
    o = poses[:, :, 3]
    apart = np.linalg.norm(o[:, None] - o[None], axis=-1)
    spread = np.linalg.norm(o - o.mean(0), axis=-1).mean()
    # The sum of the axes' products is the trace of the rotation between two cameras.
    trace = np.einsum("vij,wij->vw", poses[:, :, :3], poses[:, :, :3])
    angle = np.arccos(np.clip((trace - 1) / 2, -1, 1))
    return apart / max(spread, 1e-9) + angle


def tour(apart: Array) -> list[int]:
    """An order in which all places are visited on a short round trip. apart: symmetric (V, V).

    From each to the nearest that is left, then pieces are reversed while that shortens the trip.
    """
    order = [0]
    left = set(range(1, len(apart)))
    while left:
        order.append(min(left, key=lambda place: float(apart[order[-1], place])))
        left.remove(order[-1])
    while _shorten(order, apart):
        pass
    return order


def _shorten(order: list[int], apart: Array) -> bool:
    """Reverse one piece of the trip, in place, if that makes it shorter (2-opt)."""
    n = len(order)
    for i in range(n - 1):
        for j in range(i + 2, n - (i == 0)):
            a, b, c, d = order[i], order[i + 1], order[j], order[(j + 1) % n]
            if apart[a, c] + apart[b, d] < apart[a, b] + apart[c, d] - 1e-9:
                order[i + 1 : j + 1] = order[i + 1 : j + 1][::-1]
                return True
    return False


def _distinct(apart: Array, most: int) -> list[int]:
    """Numbers of at most so many cameras, each the one that differs most from those before."""
    chosen = [0]
    nearest = apart[0].copy()
    least = SAME_PLACE * float(apart.max())
    while len(chosen) < most and nearest.max() > least:
        chosen.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, apart[chosen[-1]])
    return chosen


def _rotations(loop: Array, time: Array, at: Array) -> Array:
    """Rotations (N, 3, 3) of a closed loop (K, 3, 4) of cameras passed at `time` (K,)."""
    rounds = np.arange(LOOPS) - LOOPS // 2
    once = Rotation.from_matrix(loop[:-1, :, :3]).as_quat()
    times = np.concatenate([time[:-1] + time[-1] * n for n in rounds])
    spline = RotationSpline(times, Rotation.from_quat(np.tile(once, (LOOPS, 1))))
    return np.asarray(spline(at).as_matrix())


def _turn(count: int) -> Array:
    """`count` angles of one turn: the next one would be the first again."""
    return np.linspace(0, 2 * np.pi, count, endpoint=False)
