"""What changes in the course of a training, as functions of the config and the step."""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

from nerf_contract.training import Stage, TrainingConfig

WARM_UP_STEPS = 10
#: Part of the training in which the learning rate decays, and what is left of it at the end.
DECAY_PART = 0.5
LAST_SHARE = 0.02


@dataclass(frozen=True)
class Settings:
    """What changes from step to step, by `training.stages` or by itself.

    downscale: factor by which the photos are smaller. samples_per_ray: see TrainingConfig.
    detail: share of the encoding's levels that are open, in [0, 1]. progress: share of the steps
    that are done, in [0, 1].
    """

    downscale: int = 1
    samples_per_ray: int = 192
    detail: float = 1.0
    progress: float = 1.0


def settings_at(training: TrainingConfig, step: int) -> Settings:
    """What holds in a step, counted from 0."""
    return Settings(
        downscale=_latest(training, step, lambda stage: stage.downscale) or 1,
        samples_per_ray=_latest(training, step, lambda stage: stage.samples_per_ray)
        or training.samples_per_ray,
        detail=detail_at(training, step),
        progress=min(1.0, step / training.steps),
    )


def detail_at(training: TrainingConfig, step: int) -> float:
    """Open share of the encoding: evenly from one stage that sets it to the next one."""
    marks = [(s.from_step, s.detail / 100) for s in training.stages if s.detail is not None]
    if not marks or step < marks[0][0]:
        return 1.0
    for (start, low), (end, high) in itertools.pairwise(marks):
        if start <= step < end:
            return low + (high - low) * (step - start) / (end - start)
    return marks[-1][1]


def _latest(
    training: TrainingConfig, step: int, field: Callable[[Stage], int | None]
) -> int | None:
    """A field of the last stage that has begun and sets it."""
    values = [field(stage) for stage in training.stages if stage.from_step <= step]
    return next((value for value in reversed(values) if value is not None), None)


def first_learning_rate(training: TrainingConfig, hashed: bool) -> float:
    """`training.learningRate`, or what suits the encoding."""
    return training.learning_rate or (0.02 if hashed else 0.0005)


def learning_rate(first: float, step: int, steps: int) -> float:
    """A linear warm-up, a constant rate, and a linear decay over the last part of the training.

    Hägele et al.: Scaling Laws and Compute-Optimal Training Beyond Fixed Training Durations,
    NeurIPS 2024.
    """
    warm_up = min(1.0, (step + 1) / WARM_UP_STEPS)
    left = 1 - step / steps
    return first * warm_up * min(1.0, LAST_SHARE + (1 - LAST_SHARE) * left / DECAY_PART)


def chunk_rays(training: TrainingConfig, halvings: int) -> int:
    """Rays of a shard that are computed at once: the most that divide it evenly and are allowed.

    halvings: so often has the allowed number been halved.
    """
    shard = training.rays_per_batch // training.shards
    allowed = max(1, min(training.rays_per_chunk or shard, shard) >> halvings)
    parts = math.ceil(shard / allowed)
    while shard % parts:
        parts += 1
    return shard // parts
