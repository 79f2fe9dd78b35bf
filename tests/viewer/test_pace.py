"""Pictures are as large as time allows."""

import pytest

from nerf_trainer.viewer.pace import COARSE_SECONDS, FEWEST_RAYS, SMALLEST_SLAB, Pace, fit, shape


@pytest.mark.parametrize("rate", [20_000.0, 100_000.0, 400_000.0])
def test_a_coarse_picture_takes_less_than_a_fifth_of_a_second(rate: float) -> None:
    assert Pace(rate).coarse_rays() / rate <= COARSE_SECONDS < 1 / 5


def test_the_slowest_renderer_still_draws_something() -> None:
    pace = Pace(1.0)
    assert pace.coarse_rays() == FEWEST_RAYS
    assert pace.slab_rays() == SMALLEST_SLAB


def test_a_slab_leaves_time_to_stop_within_a_tenth_of_a_second() -> None:
    assert Pace(50_000.0).slab_rays() / 50_000 < 0.1


def test_the_guess_gives_way_to_what_is_measured() -> None:
    pace = Pace(1000.0)
    for _ in range(20):
        pace.measured(rays=500, seconds=0.01)
    assert pace.rays_per_second == pytest.approx(50_000, rel=0.01)


@pytest.mark.parametrize("aspect", [0.4, 1.0, 1.78, 3.0])
def test_a_shape_has_the_aspect_and_about_the_rays(aspect: float) -> None:
    width, height = shape(aspect, rays=5000, longest=1000)
    assert width * height == pytest.approx(5000, rel=0.05)
    assert width / height == pytest.approx(aspect, rel=0.05)


def test_no_edge_is_longer_than_the_window() -> None:
    assert shape(2.0, rays=1e9, longest=640) == fit(2.0, 640) == (640, 320)
    assert fit(0.5, 640) == (320, 640)
    assert fit(1000.0, 640) == (640, 1)
