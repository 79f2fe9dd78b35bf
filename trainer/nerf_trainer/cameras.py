"""Lenses: from a point of the image plane to the direction of its ray, and how far that goes.

Two models of OpenCV's, whose distortion is a polynomial in r, odd and with slope 1 at 0:

- perspective with radial and tangential distortion (Brown: Decentering distortion of lenses,
  Photogrammetric Engineering 1966), where r is the distance from the axis at depth 1;
- fisheye (Kannala, Brandt: A generic camera model and calibration method for conventional,
  wide-angle, and fish-eye lenses, TPAMI 2006), where r is the angle to the axis in radians.

Names: R rays, V views. x, y: image plane coordinates (u - cx) / fx, (v - cy) / fy, y down (R,).
k: radial coefficients k1 to k4 (R, 4). p: tangential ones p1, p2 (R, 2). All float64: a pixel of a
large photo is near the resolution of float32, and numpy is as fast at a few thousand rays.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

#: Newton's iterations. Their number is fixed, so that a ray depends on its pixel alone.
RADIAL_STEPS = 7
TANGENTIAL_STEPS = 4
#: What may be left of the distance to the pixel: a hundredth of a pixel of a photo 10,000 wide.
TOLERANCE = 1e-6


@dataclass(frozen=True)
class Lens:
    """The distortion of one photo; without coefficients a perspective lens is a pinhole."""

    fisheye: bool = False
    radial: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    tangential: tuple[float, float] = (0.0, 0.0)

    @property
    def is_pinhole(self) -> bool:
        """Whether rays are straight continuations of the image plane's coordinates."""
        return not (self.fisheye or any(self.radial) or any(self.tangential))


PINHOLE = Lens()


@dataclass(frozen=True)
class Lenses:
    """The lenses of all views, or of all rays, as arrays.

    fisheye: (V,). k: (V, 4). p: (V, 2). reach: the r up to which the polynomial grows (V,).
    """

    fisheye: Mask
    k: Array
    p: Array
    reach: Array

    @staticmethod
    def stack(lenses: Sequence[Lens]) -> "Lenses":
        """One row for each lens."""
        return Lenses(
            np.array([lens.fisheye for lens in lenses]),
            np.array([lens.radial for lens in lenses], np.float64),
            np.array([lens.tangential for lens in lenses], np.float64),
            np.array([_reach(lens) for lens in lenses]),
        )

    def __getitem__(self, rows: NDArray[np.int64]) -> "Lenses":
        """The lens of each of the rows (R,)."""
        return Lenses(self.fisheye[rows], self.k[rows], self.p[rows], self.reach[rows])


def image_plane(
    row: NDArray[np.int64], column: NDArray[np.int64], intrinsics: NDArray[np.floating]
) -> tuple[Array, Array]:
    """x, y (R,) of pixel centres. row, column: (R,). intrinsics: fx, fy, cx, cy (R, 4)."""
    fx, fy, cx, cy = intrinsics.T.astype(np.float64)
    return (column + 0.5 - cx) / fx, (row + 0.5 - cy) / fy


def directions(x: Array, y: Array, lenses: Lenses) -> tuple[Array, Mask]:
    """Undo the distortion: directions (R, 3), x right, y down, z forward; and where that worked.

    Beyond the reach of a polynomial no ray leads to a pixel; some finite direction is given there.
    """
    distorted = np.hypot(x, y)
    r, valid = _undo_radial(distorted, lenses.k, lenses.reach)
    z = np.where(lenses.fisheye, np.cos(r), 1.0)
    radius = np.where(lenses.fisheye, np.sin(r), r)
    scale = np.divide(radius, distorted, out=np.ones_like(radius), where=distorted > 0)
    found = np.stack([x * scale, y * scale, z], -1)
    bent = np.flatnonzero(lenses.p.any(-1))
    if len(bent):
        found[bent, 0], found[bent, 1], valid[bent] = _undo_tangential(
            x[bent], y[bent], found[bent], lenses[bent]
        )
    return found, valid


def _reach(lens: Lens) -> float:
    """The smallest r > 0 at which the slope of r (1 + k1 r² + k2 r⁴ ...) is 0, else infinity."""
    k1, k2, k3, k4 = lens.radial
    roots = np.roots([9 * k4, 7 * k3, 5 * k2, 3 * k1, 1])
    real = roots.real[(np.abs(roots.imag) < 1e-6 * np.abs(roots)) & (roots.real > 0)]
    reach = float(np.sqrt(real.min())) if len(real) else np.inf
    return min(reach, np.pi) if lens.fisheye else reach


def _undo_radial(distorted: Array, k: Array, reach: Array) -> tuple[Array, Mask]:
    """r whose radial distortion is the given distance (R,), by Newton's method."""
    r = np.minimum(distorted, reach)
    for _ in range(RADIAL_STEPS):
        bent, slope = _radial(r, k)
        r = np.clip(r - (bent - distorted) / np.maximum(slope, 1e-9), 0, reach)
    return r, np.abs(_radial(r, k)[0] - distorted) < TOLERANCE


def _radial(r: Array, k: Array) -> tuple[Array, Array]:
    """r (1 + k1 r² + k2 r⁴ + k3 r⁶ + k4 r⁸) and its derivative (R,)."""
    k1, k2, k3, k4 = k.T
    s = r * r
    value = r * (1 + s * (k1 + s * (k2 + s * (k3 + s * k4))))
    return value, 1 + s * (3 * k1 + s * (5 * k2 + s * (7 * k3 + s * 9 * k4)))


def _undo_tangential(x: Array, y: Array, start: Array, lenses: Lenses) -> tuple[Array, Array, Mask]:
    """The undistorted point whose radial and tangential distortion is x, y, by Newton's method.

    start: the point without tangential distortion (R, 2 or more), which is next to the result.
    """
    a, b = start[:, 0], start[:, 1]
    for _ in range(TANGENTIAL_STEPS):
        (xd, yd), (xa, xb, yb) = _brown(a, b, lenses)
        ex, ey = xd - x, yd - y
        # A singular Jacobian is beyond the reach; the step there only has to stay finite.
        det = xa * yb - xb * xb
        det = np.where(np.abs(det) < 1e-3, 1e-3, det)
        a, b = a - (yb * ex - xb * ey) / det, b - (xa * ey - xb * ex) / det
    (xd, yd), _ = _brown(a, b, lenses)
    valid = (np.hypot(xd - x, yd - y) < TOLERANCE) & (np.hypot(a, b) < lenses.reach)
    return np.where(valid, a, start[:, 0]), np.where(valid, b, start[:, 1]), valid


def _brown(a: Array, b: Array, lenses: Lenses) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
    """The distorted point, and its derivatives dx/da, dx/db = dy/da and dy/db; fields of (R,)."""
    (k1, k2, k3, _), (p1, p2) = lenses.k.T, lenses.p.T
    s = a * a + b * b
    radial = 1 + s * (k1 + s * (k2 + s * k3))
    slope = 2 * (k1 + s * (2 * k2 + s * 3 * k3))
    x = a * radial + 2 * p1 * a * b + p2 * (s + 2 * a * a)
    y = b * radial + p1 * (s + 2 * b * b) + 2 * p2 * a * b
    across = a * b * slope + 2 * p1 * a + 2 * p2 * b
    xa = radial + a * a * slope + 2 * p1 * b + 6 * p2 * a
    yb = radial + b * b * slope + 6 * p1 * b + 2 * p2 * a
    return (x, y), (xa, across, yb)
