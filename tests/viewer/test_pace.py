"""Pictures are as large as time allows, and as the training lets them be."""

import pytest

from nerf_trainer.viewer.pace import (
    BUSY_SHARE,
    FEWEST_RAYS,
    LONGEST_REST,
    SMALLEST_SLAB,
    Load,
    Pace,
    fit,
    shape,
)

RATE = 100_000.0
#: Part of the time that a thread of the lowest priority gets beside a training.
BESIDE_A_TRAINING = 0.2


def busy() -> Load:
    return Load(spare=0.3)


def test_where_cores_are_free_a_picture_takes_less_than_a_fifth_of_a_second() -> None:
    free = Load(spare=1.0)
    assert not free.busy
    assert FEWEST_RAYS < Pace(RATE).rays(free, FEWEST_RAYS) < RATE / 5
    assert free.rest(cpu=0.07, wall=0.08) == 0


def test_beside_a_training_there_are_five_pictures_a_second_that_cost_little() -> None:
    load = busy()
    assert load.busy
    cpu = Pace(RATE).rays(load, FEWEST_RAYS) / RATE
    wall = cpu / BESIDE_A_TRAINING
    period = wall + load.rest(cpu, wall)
    assert period < 1 / 5
    assert cpu / period == pytest.approx(BUSY_SHARE, rel=0.01)


def test_a_long_unit_is_no_reason_to_sleep_through_a_move() -> None:
    assert busy().rest(cpu=1.0, wall=2.0) == LONGEST_REST


def test_the_slowest_renderer_still_draws_something() -> None:
    assert Pace(1.0).rays(Load(), FEWEST_RAYS) == FEWEST_RAYS


@pytest.mark.parametrize("load", [Load(spare=1.0), busy()])
def test_a_slab_leaves_time_to_stop_within_a_tenth_of_a_second(load: Load) -> None:
    share = BESIDE_A_TRAINING if load.busy else 1.0
    assert Pace(RATE).rays(load, SMALLEST_SLAB) / RATE / share < 0.1


def test_the_guess_gives_way_to_what_is_measured() -> None:
    pace = Pace(1000.0)
    for _ in range(20):
        pace.measured(rays=500, cpu=0.01)
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
