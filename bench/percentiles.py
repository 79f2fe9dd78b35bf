"""What of many values is told."""

import math
import statistics


def percentile(values: list[float], percent: int) -> float:
    """The value below which so many of 100 are; nan where there is none."""
    if len(values) < 2:
        return values[0] if values else math.nan
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]
