"""When the held-out views are judged, and who is told."""

import logging
from collections.abc import Sequence

from nerf_contract.goodput import EVALUATION
from nerf_trainer.clock import Stopwatch
from nerf_trainer.elastic.activity import activity
from nerf_trainer.elastic.interface import Generation
from nerf_trainer.evaluate import Evaluation, evaluate, few_views
from nerf_trainer.pictures import Pixels, png
from nerf_trainer.report import Report
from nerf_trainer.state import weights_digest
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
        """Evaluate every `evalEvery` steps, by a few of the views, else None.

        All of them have to confirm that the target is reached. The evaluation after the last step
        is left to the end of the training.
        """
        training, step = self._trainer.training, self._trainer.state.step
        if step % training.eval_every or step >= training.steps:
            return None
        found = self._evaluate(generation, few_views(self._trainer.held_out_rays))
        return self.evaluate(generation) if self.reaches_target(found) else found

    def reaches_target(self, found: Evaluation) -> bool:
        """Whether the training may end by `targetPSNR`."""
        target = self._trainer.training.target_psnr
        return target is not None and found.psnr >= target

    def score(self, found: Evaluation) -> float:
        """What an evaluation of few views and one of all can be compared by, in dB."""
        return found.psnr_of(few_views(self._trainer.held_out_rays))

    def evaluate(self, generation: Generation) -> Evaluation:
        """Evaluate all views, and tell what was found."""
        return self._evaluate(generation, range(self._trainer.held_out_rays.views))

    @activity.lengthy()
    def _evaluate(self, generation: Generation, numbers: Sequence[int]) -> Evaluation:
        trainer, step = self._trainer, self._trainer.state.step
        self._telemetry.phase("evaluating")
        stopwatch = Stopwatch()
        with self._telemetry.timed("evaluation"):
            found = evaluate(
                *(trainer.render, trainer.held_out_rays, generation, self._picture), numbers
            )
        self._telemetry.spent(EVALUATION)
        self._telemetry.evaluated(step, found)
        log.info(
            "step %d: held-out PSNR %.2f dB, SSIM %.3f over %d views, in %.1f s",
            *(step, found.psnr, found.ssim, len(found.views), stopwatch.lap()),
            extra={"step": step, "psnr": found.psnr, "ssim": found.ssim},
        )
        if self._report:
            digest = {"weightsSha256": weights_digest(trainer.state.model.state_dict())}
            self._report.metrics(step, found, digest | self._telemetry.figures())
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
