"""How fast the training goes."""

from collections import deque

from nerf_trainer.trainer import StepResult

#: "Lately" are so many steps.
WINDOW = 50


class Throughput:
    """Rays and samples of all ranks by the second: lately, and over all steps of this process.

    Only steps count; evaluations, checkpoints and changes of the group do not.
    """

    def __init__(self) -> None:
        self._seconds: deque[float] = deque(maxlen=WINDOW)
        self._rays: deque[int] = deque(maxlen=WINDOW)
        self.total_seconds = 0.0
        self._total_rays = 0
        self._total_samples = 0

    def add(self, result: StepResult, seconds: float) -> None:
        """A step took so long."""
        self._seconds.append(seconds)
        self._rays.append(result.rays)
        self.total_seconds += seconds
        self._total_rays += result.rays
        self._total_samples += result.samples

    def regrouped(self) -> None:
        """The group has changed: what was measured lately tells nothing of it."""
        self._seconds.clear()
        self._rays.clear()

    @property
    def recent_rays_per_second(self) -> float | None:
        """Lately; None before the first step."""
        return sum(self._rays) / sum(self._seconds) if self._seconds else None

    @property
    def recent_step_seconds(self) -> float | None:
        """Wall time of a step lately; None before the first."""
        return sum(self._seconds) / len(self._seconds) if self._seconds else None

    @property
    def rays_per_second(self) -> float | None:
        """Over all steps; None before the first."""
        return self._total_rays / self.total_seconds if self.total_seconds else None

    @property
    def samples_per_second(self) -> float | None:
        """Over all steps; None before the first."""
        return self._total_samples / self.total_seconds if self.total_seconds else None
