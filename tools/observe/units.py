"""Values as Grafana writes them, for the units that our dashboards use."""

import math
from collections.abc import Callable

_BYTES = ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"))
_TIMES = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"), (1e-3, "ms"), (1e-6, "µs"))
_COUNTS = ((1e9, " G"), (1e6, " M"), (1e3, " k"))


def write(value: float, unit: str) -> str:
    """A value in its unit. Raises KeyError for one that is not known."""
    if unit.startswith("suffix:"):
        return f"{_scaled(value, _COUNTS)} {unit.removeprefix('suffix:').strip()}"
    return _UNITS[unit](value)


def step(length: float, most: float, unit: str) -> float:
    """Between two ticks of an axis that is so long: round in the unit of its upper end."""
    scales = {"bytes": _BYTES, "s": _TIMES}.get(unit, ())
    factor = next((factor for factor, _ in scales if most >= factor), 1)
    rough = length / factor / 5
    power = 10.0 ** math.floor(math.log10(rough))
    nice = next(nice for nice in (1, 2, 5, 10) if nice * power >= rough)
    found = nice * power * factor
    return max(1.0, found) if unit == "none" and most >= 1 else found


def _scaled(value: float, scales: tuple[tuple[float, str], ...], rest: str = "") -> str:
    for factor, name in scales:
        if abs(value) >= factor:
            return f"{value / factor:.3g}{name}"
    return f"{value:.3g}{rest}"


def _seconds(value: float) -> str:
    return "0 s" if value == 0 else _scaled(value, tuple((f, f" {n}") for f, n in _TIMES), " s")


_UNITS: dict[str, Callable[[float], str]] = {
    "none": lambda value: f"{value:.4g}" if abs(value) < 1e5 else f"{value:.3e}",
    "percentunit": lambda value: f"{100 * value:.3g} %",
    "dB": lambda value: f"{value:.2f} dB",
    "reqps": lambda value: f"{_scaled(value, _COUNTS)} req/s",
    "bytes": lambda value: _scaled(value, tuple((f, f" {n}") for f, n in _BYTES), " B"),
    "s": _seconds,
}
