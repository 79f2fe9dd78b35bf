"""OpenCV's lens formulas as its manual has them, point by point, and a slow way to invert them."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Coefficients:
    """Distortion coefficients by OpenCV's names."""

    fisheye: bool = False
    k1: float = 0.0
    k2: float = 0.0
    k3: float = 0.0
    k4: float = 0.0
    p1: float = 0.0
    p2: float = 0.0

    def fields(self) -> dict[str, object]:
        """As nerfstudio writes them."""
        names = ("k1", "k2", "k3", "k4", "p1", "p2")
        model = "OPENCV_FISHEYE" if self.fisheye else "OPENCV"
        return {"camera_model": model} | {name: getattr(self, name) for name in names}


def project(x: float, y: float, z: float, lens: Coefficients) -> tuple[float, float]:
    """Where a direction (x right, y down, z forward) is on the image plane, before fx and cx."""
    if lens.fisheye:
        r = math.hypot(x, y)
        theta = math.atan2(r, z)
        powers = [lens.k1 * theta**2, lens.k2 * theta**4, lens.k3 * theta**6, lens.k4 * theta**8]
        scale = theta * (1 + sum(powers)) / r if r else 1.0
        return x * scale, y * scale
    a, b = x / z, y / z
    r2 = a**2 + b**2
    radial = 1 + lens.k1 * r2 + lens.k2 * r2**2 + lens.k3 * r2**3
    return (
        a * radial + 2 * lens.p1 * a * b + lens.p2 * (r2 + 2 * a**2),
        b * radial + lens.p1 * (r2 + 2 * b**2) + 2 * lens.p2 * a * b,
    )


def unproject(x: float, y: float, lens: Coefficients) -> tuple[float, float, float]:
    """The direction that `project` takes to x, y: a fixed-point iteration, for mild distortion."""
    a, b = x, y
    for _ in range(200):
        xd, yd = project(*_direction(a, b, lens), lens)
        a, b = a + x - xd, b + y - yd
    return _direction(a, b, lens)


def _direction(a: float, b: float, lens: Coefficients) -> tuple[float, float, float]:
    """The direction of a point of the image plane of the same lens without distortion."""
    if not lens.fisheye:
        return a, b, 1.0
    theta = math.hypot(a, b)
    return a * math.sin(theta) / theta, b * math.sin(theta) / theta, math.cos(theta)
