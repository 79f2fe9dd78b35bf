"""`nerf_trainer.train`, but that it notes each step, and holds before it joins while told to.

Pods are to join at a moment of one's choice, and without their start-up beside the training: one
whose gate is closed has imported, read its photos and warmed up, and only waits.
"""

import os
import time
from pathlib import Path
from typing import Any
from unittest import mock

from elastic_notes import ENV_GATE, READY, Notebook

from nerf_trainer import app, train
from nerf_trainer.elastic.interface import Generation
from nerf_trainer.telemetry import Telemetry
from nerf_trainer.trainer import StepResult, Trainer


class NotingTelemetry(Telemetry):
    """Notes the end of each step."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._notebook = Notebook()
        self._generation: Generation | None = None

    def joined(self, generation: Generation, step: int, seconds: float) -> None:
        """Remembers the generation."""
        self._generation = generation
        super().joined(generation, step, seconds)

    def stepped(self, step: int, result: StepResult, seconds: float, part: float) -> None:
        """Notes the step before anything else is done with it."""
        assert self._generation is not None
        generation = self._generation
        group = (generation.number, generation.world_size)
        self._notebook.write(step, *group, result.rays, result.seconds)
        super().stepped(step, result, seconds, part)


class GatedTrainer(Trainer):
    """Does not get past its warm-up while the gate is closed."""

    def warm_up(self) -> None:
        """Warm up, say so, and wait."""
        super().warm_up()
        gate = os.environ.get(ENV_GATE)
        if gate:
            Path(gate + READY).touch()
            while not Path(gate).exists():
                time.sleep(0.02)


if __name__ == "__main__":
    with mock.patch.multiple(app, Telemetry=NotingTelemetry, Trainer=GatedTrainer):
        train.finish(train.main())
