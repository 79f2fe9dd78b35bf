"""When the held-out views are judged, and who is told."""

import logging

from nerf_contract.goodput import EVALUATION
from nerf_trainer.clock import Stopwatch
from nerf_trainer.elastic.interface import Generation
from nerf_trainer.evaluate import Evaluation, evaluate
from nerf_trainer.pictures import Pixels, png
from nerf_trainer.report import Report
from nerf_trainer.telemetry import Telemetry
from nerf_trainer.trainer import Trainer

log = logging.getLogger(__name__)


class Evaluator:
    """Judges on all ranks together. Only the writer is given a `report`."""

    def __init__(self, trainer: Trainer, telemetry: Telemetry, report: Report | None) -> None:
        self._trainer = trainer
        self._telemetry = telemetry
        self._report = report

    def if_due(self, generation: Generation) -> Evaluation | None:
        """Evaluate every `evalEvery` steps, else None.

        The one after the last step is left to the end of the training.
        """
        training, step = self._trainer.training, self._trainer.state.step
        if step % training.eval_every or step >= training.steps:
            return None
        return self.evaluate(generation)

    def reaches_target(self, found: Evaluation) -> bool:
        """Whether the training may end by `targetPSNR`."""
        target = self._trainer.training.target_psnr
        return target is not None and found.psnr >= target

    def evaluate(self, generation: Generation) -> Evaluation:
        """Evaluate, and tell what was found."""
        trainer, step = self._trainer, self._trainer.state.step
        self._telemetry.phase("evaluating")
        stopwatch = Stopwatch()
        with self._telemetry.timed("evaluation"):
            found = evaluate(trainer.render, trainer.held_out_rays, generation, self._picture)
        self._telemetry.spent(EVALUATION)
        self._telemetry.evaluated(step, found)
        log.info(
            "step %d: held-out PSNR %.2f dB, SSIM %.3f over %d views, in %.1f s",
            *(step, found.psnr, found.ssim, len(found.views), stopwatch.lap()),
            extra={"step": step, "psnr": found.psnr, "ssim": found.ssim},
        )
        if self._report:
            self._report.metrics(step, found, self._telemetry.figures())
        self._telemetry.spent(EVALUATION)
        self._telemetry.phase("training")
        return found

    def _picture(self, view: int, picture: Pixels) -> None:
        if self._report is None:
            return
        packed = png(picture)
        self._report.picture(view, packed)
        if view == 0:
            self._telemetry.pictured(self._trainer.state.step, packed, picture.shape)
