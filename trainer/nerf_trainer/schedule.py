"""The learning rate as a function of the step alone."""

WARM_UP_STEPS = 10
LAST_SHARE = 0.03


def learning_rate(first: float, step: int, steps: int) -> float:
    """A linear warm-up, then an exponential decay to `LAST_SHARE` of `first` at the last step."""
    warm_up = min(1.0, (step + 1) / WARM_UP_STEPS)
    return first * warm_up * LAST_SHARE ** (step / steps)
