"""Lens distortion and its inverse, against OpenCV's formulas."""

import numpy as np
import pytest
from lens_reference import Coefficients, project
from numpy.typing import NDArray

from nerf_trainer.cameras import Lens, Lenses, directions, image_plane

WIDTH, HEIGHT = 96, 64
#: In pixels: as if the photos were a thousand wide.
PIXEL = 1 / 1000

PERSPECTIVE = {
    "none": Coefficients(),
    "barrel": Coefficients(k1=-0.28, k2=0.09, k3=-0.012),
    "pincushion": Coefficients(k1=0.6, k2=0.3, k3=0.1),
    "moustache": Coefficients(k1=0.2, k2=-0.18, k3=0.06, p1=0.002, p2=-0.001),
    "tilted": Coefficients(k1=-0.05, p1=0.03, p2=-0.04),
}
FISHEYE = {
    "ideal": Coefficients(fisheye=True),
    "wide": Coefficients(fisheye=True, k1=0.05, k2=-0.012, k3=0.004, k4=-0.0007),
    "action": Coefficients(fisheye=True, k1=-0.04, k2=0.01, k3=-0.006, k4=0.001),
}


def lens_of(c: Coefficients) -> Lens:
    return Lens(c.fisheye, (c.k1, c.k2, c.k3, c.k4), (c.p1, c.p2))


def grid(focal: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Image plane coordinates of every pixel, corners included."""
    row, column = (n.ravel() for n in np.mgrid[:HEIGHT, :WIDTH])
    camera = np.array([focal, focal * 1.1, WIDTH / 2 + 3, HEIGHT / 2 - 2])
    return image_plane(row, column, np.tile(camera, (row.size, 1)))


def undone(
    x: NDArray[np.float64], y: NDArray[np.float64], c: Coefficients
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    return directions(x, y, Lenses.stack([lens_of(c)])[np.zeros(x.size, np.int64)])


@pytest.mark.parametrize(
    ("name", "focal"), [(n, 55.0) for n in PERSPECTIVE] + [(n, 30.0) for n in FISHEYE]
)
def test_projecting_the_direction_of_a_pixel_leads_back_to_it(name: str, focal: float) -> None:
    """A field of view of 83 degrees across the width, and 186 degrees with the fisheyes."""
    c = (PERSPECTIVE | FISHEYE)[name]
    x, y = grid(focal)
    found, valid = undone(x, y, c)
    back = np.array([project(*d, c) for d in found])
    assert valid.all()
    assert np.abs(back - np.stack([x, y], -1)).max() < 1e-4 * PIXEL


def test_a_direction_is_found_again_from_its_pixel() -> None:
    """Not merely some direction that the formula takes to the pixel: the one on the near side."""
    c = FISHEYE["wide"]
    angle = np.radians(np.linspace(0, 105, 50))
    around = np.linspace(0, 7, 50)
    flat = np.sin(angle)
    truth = np.stack([flat * np.cos(around), flat * np.sin(around), np.cos(angle)], -1)
    x, y = np.array([project(*d, c) for d in truth]).T
    found, valid = undone(x, y, c)
    assert valid.all()
    np.testing.assert_allclose(found, truth, atol=1e-7)


def test_pixels_beyond_the_fold_of_the_polynomial_are_told() -> None:
    """r (1 - r² / 2) grows up to r = 0.816, where it is 0.544."""
    x = np.array([0.1, 0.54, 0.55, 2.0, 50.0])
    found, valid = undone(x, np.zeros(5), Coefficients(k1=-0.5))
    assert valid.tolist() == [True, True, False, False, False]
    assert np.isfinite(found).all()
    _, valid = undone(x, x, Coefficients(k1=-0.5, p1=0.001))
    assert valid.tolist() == [True, False, False, False, False]


def test_lenses_of_both_kinds_can_be_mixed() -> None:
    mixed = [PERSPECTIVE["tilted"], FISHEYE["wide"], PERSPECTIVE["none"]]
    x, y = np.array([0.4, 0.4, 0.4]), np.array([-0.2, -0.2, -0.2])
    together, _ = directions(x, y, Lenses.stack([lens_of(c) for c in mixed]))
    alone = [undone(x[:1], y[:1], c)[0][0] for c in mixed]
    np.testing.assert_array_equal(together, alone)
    assert together[2].tolist() == [0.4, -0.2, 1]


def test_only_a_lens_without_distortion_is_a_pinhole() -> None:
    assert Lens().is_pinhole
    assert not any(lens_of(c).is_pinhole for c in FISHEYE.values())
    assert not Lens(tangential=(0.0, 1e-5)).is_pinhole
