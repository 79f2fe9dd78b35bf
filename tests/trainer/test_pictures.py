"""Pictures of held-out views, and the colour maps they are drawn with."""

import io

import numpy as np
import pytest
from PIL import Image

from nerf_trainer.pictures import (
    DEPTH,
    FULL_ERROR,
    HEAT,
    NEUTRAL,
    Pixels,
    depth_panel,
    error_panel,
    lightness,
    png,
    side_by_side,
)

WHITE = np.full((2, 3, 3), 255, np.uint8)
ONES = np.ones((2, 3), np.float32)


@pytest.mark.parametrize("table", [HEAT, DEPTH])
def test_lightness_rises_evenly_along_a_colour_map(table: Pixels) -> None:
    light = lightness(table / 255)
    assert light[-1] - light[0] > 80
    even = np.linspace(light[0], light[-1], 256)
    assert np.abs(light - even).max() < 1  # of 100; the colours are rounded to 8 bits


def test_lightness_of_known_greys() -> None:
    assert lightness(np.zeros(3)) == pytest.approx(0)
    assert lightness(np.ones(3)) == pytest.approx(100, abs=1e-3)
    assert lightness(np.full(3, 119 / 255)) == pytest.approx(50, abs=0.1)


def test_an_error_has_one_colour_in_all_pictures() -> None:
    half = round(255 * FULL_ERROR / 2)
    render = WHITE.copy()
    render[0, 0] -= np.uint8(half)
    panel = error_panel(WHITE, render)
    assert (panel[1] == HEAT[0]).all()
    assert np.abs(panel[0, 0].astype(int) - HEAT[128]).max() <= 4
    render[1, 1] = 0
    again = error_panel(WHITE, render)
    assert (again[1, 1] == HEAT[-1]).all()
    assert (again[0, 0] == panel[0, 0]).all()


def test_masked_pixels_have_no_error() -> None:
    mask = np.ones((2, 3), bool)
    mask[0, 1] = False
    panel = error_panel(WHITE, np.zeros_like(WHITE), mask)
    assert (panel[0, 1] == NEUTRAL).all()
    assert (panel[0, 0] == HEAT[-1]).all()


def test_near_is_light_and_nothing_is_grey() -> None:
    opacity = np.array([[1, 1, 0.1], [0.9, 1, 0]], np.float32)
    distance = np.array([[1, 2, 9], [2, 3, 9]], np.float32)
    panel = depth_panel(opacity, distance * opacity)
    assert (panel[opacity < 0.5] == NEUTRAL).all()
    light = lightness(panel / 255)
    assert light[0, 0] > light[0, 1] > light[1, 1]
    assert light[0, 1] == light[1, 0]  # the same distance, less opaque


def test_an_empty_or_broken_render_can_be_drawn() -> None:
    assert (depth_panel(0 * ONES, 0 * ONES) == NEUTRAL).all()
    assert (depth_panel(ONES, ONES) == depth_panel(ONES, ONES)[0, 0]).all()
    broken = depth_panel(ONES, np.full_like(ONES, np.nan))
    assert broken.shape == (2, 3, 3)


def test_a_picture_shows_truth_render_error_and_depth() -> None:
    render = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
    picture = side_by_side(WHITE, render, ONES, ONES)
    with Image.open(io.BytesIO(png(picture))) as image:
        read = np.asarray(image)
    assert read.shape == (2, 12, 3)
    panels = (WHITE, render, error_panel(WHITE, render), depth_panel(ONES, ONES))
    assert (read == np.concatenate(panels, 1)).all()
