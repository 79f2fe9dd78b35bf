"""The fitted curve of rays/s."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nerf_operator.allocation.curve import Curve, fit, prior

COUNTS = (1, 2, 4, 8)


def test_points_of_the_model_are_found_again() -> None:
    truth = Curve(shared=1e-4, repeated=5e-6, growing=5e-7)
    curve = fit(tuple((n, truth.rate(n)) for n in COUNTS))
    for n in (1, 2, 4, 8, 16):
        assert curve.rate(n) == pytest.approx(truth.rate(n), rel=0.03)


def test_a_single_point_is_met_and_the_rest_is_belief() -> None:
    curve = fit(((4, 1000.0),))
    assert curve.rate(4) == pytest.approx(1000, rel=0.01)
    assert curve.speedup(8) == pytest.approx(prior(1).speedup(8), rel=0.05)


def test_workers_that_do_not_help_are_seen() -> None:
    curve = fit(((1, 1000.0), (2, 1050.0), (4, 1000.0)))
    assert curve.widest(0.5) <= 2
    assert curve.speedup(8) < 1.2


def test_half_the_efficiency_by_hand() -> None:
    """t(n) = 1/n + 1/8 + 0 n: speedup(n) / n = 1.125 / (1 + n/8), which is 1/2 at n = 10."""
    curve = Curve(1.0, 0.125, 0.0)
    assert curve.widest(0.5) == 10
    assert curve.speedup(10) / 10 == pytest.approx(0.5)


RATES = st.floats(1e2, 1e7)
ANY_RATES = st.floats(1, 1e10)


@given(st.dictionaries(st.integers(1, 1024), ANY_RATES, min_size=1, max_size=6))
@example({1: 1.0, 2: 1e10})
@example({1: 1e10, 2: 1.0, 1024: 1e10})
def test_any_points_make_a_usable_curve(points: dict[int, float]) -> None:
    curve = fit(tuple(points.items()))
    assert min(curve.shared, curve.repeated, curve.growing) >= 0
    assert all(curve.rate(n) > 0 for n in (1, 10, 1000))
    widest = curve.widest(0.5)
    assert widest == 1 or curve.speedup(widest) / widest >= 0.5 - 1e-6
    assert widest > 1000 or curve.speedup(widest + 1) / (widest + 1) < 0.5 + 1e-6


@given(st.dictionaries(st.integers(1, 64), RATES, min_size=1, max_size=6), st.floats(0.01, 100))
def test_the_unit_of_speed_is_no_matter(points: dict[int, float], unit: float) -> None:
    one = fit(tuple(points.items()))
    other = fit(tuple((n, rate * unit) for n, rate in points.items()))
    assert other.rate(3) == pytest.approx(one.rate(3) * unit, rel=1e-6)
