"""The training loop: from one generation of the group to the next, until the job is done."""

import logging
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass

from nerf_contract.goodput import CHECKPOINT, RENDEZVOUS, RESCALE
from nerf_contract.reasons import (
    CHECKPOINT_VOLUME,
    NON_FINITE_LOSS,
    TARGET_PSNR_REACHED,
    TRAINING_COMPLETED,
)
from nerf_trainer.clock import Stopwatch
from nerf_trainer.collectives import share_state, sum_over_ranks
from nerf_trainer.departure import Departure
from nerf_trainer.elastic.activity import activity
from nerf_trainer.elastic.interface import Generation, Membership, PeerLost, peer_loss
from nerf_trainer.evaluate import Evaluation
from nerf_trainer.evaluator import Evaluator
from nerf_trainer.failures import TrainerFailure
from nerf_trainer.report import Report
from nerf_trainer.saver import BackgroundSaver
from nerf_trainer.telemetry import Telemetry
from nerf_trainer.trainer import StepResult, Trainer
from nerf_trainer.waiting import wait_for_change

log = logging.getLogger(__name__)

#: So many skipped steps in a row, and nothing will mend it.
MAX_SKIPPED_STEPS = 20


@dataclass(frozen=True)
class Outcome:
    """A successful end: a reason of `nerf_contract.reasons`, and a sentence."""

    reason: str
    message: str


@dataclass(frozen=True)
class Output:
    """Where the writer keeps results; other workers have none."""

    saver: BackgroundSaver
    report: Report


class Loop:
    """Trains with whoever is there.

    output: only the writer is given one. snapshots: of one process in each pod.
    """

    def __init__(
        self,
        trainer: Trainer,
        membership: Membership,
        telemetry: Telemetry,
        departure: Departure,
        output: Output | None,
        snapshots: BackgroundSaver | None = None,
    ) -> None:
        self._trainer = trainer
        self._membership = membership
        self._telemetry = telemetry
        self._output = output
        self._snapshots = snapshots
        self._evaluator = Evaluator(trainer, telemetry, output.report if output else None)
        self._skipped_steps = 0
        self._shapes: tuple[int, ...] = ()
        self._departure = departure
        departure.prepare(membership.announce_departure, self._save_what_is_new)

    def run(self) -> Outcome:
        """Train to the end; a lost peer or a changed group only means to join again."""
        while True:
            self._departure.stop_if_asked()
            self._telemetry.phase("waiting")
            stopwatch = Stopwatch()
            self._telemetry.spent(RESCALE)
            generation = self._membership.join(self._trainer.state.step)
            self._telemetry.spent(RENDEZVOUS)
            outcome = None
            try:
                with self._departure.in_group(), peer_loss():
                    outcome = self._train_together(generation, stopwatch)
            except PeerLost as lost:
                log.warning("a peer is gone, the group forms anew: %s", lost)
            if outcome:
                self._membership.close()
                return outcome
            self._membership.leave()

    def _train_together(self, generation: Generation, stopwatch: Stopwatch) -> Outcome | None:
        """Train in one generation. None where the group changes before the end."""
        trainer, state = self._trainer, self._trainer.state
        trainer.forget_gradients()
        with self._departure.state_changes():
            share_state(state, generation)
        self._telemetry.joined(generation, state.step, stopwatch.lap())
        self._telemetry.phase("training")
        log.info(
            "generation %d: rank %d of %d, from step %d",
            *(generation.number, generation.rank, generation.world_size, state.step),
            extra={"generation": generation.number, "world_size": generation.world_size},
        )
        reached = self._reached_before(generation)
        while state.step < trainer.training.steps and reached is None:
            result = self._step(generation)
            if result.changing:
                return None
            reached = self._judge_if_due(generation)
            if not result.skipped and reached is None:
                self._save_if_due()
        return self._finish(generation, reached)

    def _reached_before(self, generation: Generation) -> Evaluation | None:
        """The evaluation that ended the training of a process in whose place this one is."""
        state, target = self._trainer.state, self._trainer.training.target_psnr
        return self._judge_if_due(generation) if state.step and target is not None else None

    def _step(self, generation: Generation) -> StepResult:
        stopwatch = Stopwatch()
        trainer = self._trainer
        with self._departure.state_changes(), self._allowed_time():
            result = trainer.step(generation, self._membership.changing())
        part = len(trainer.shards_of(generation)) / trainer.training.shards
        seconds = stopwatch.lap()
        activity.stepped(seconds)
        self._telemetry.stepped(trainer.state.step, result, seconds, part)
        self._check(result)
        self._telemetry.watch(trainer.state)
        return result

    def _allowed_time(self) -> AbstractContextManager[None]:
        """The first step compiles and may take long, so may the first of a stage."""
        before, self._shapes = self._shapes, self._trainer.shapes
        return nullcontext() if self._shapes == before else activity.lengthy()

    def _judge_if_due(self, generation: Generation) -> Evaluation | None:
        """Evaluate when it is time, and keep the best. The evaluation if it ends the training."""
        found = self._evaluator.if_due(generation)
        if found is None or self._evaluator.reaches_target(found):
            return found
        score = self._evaluator.score(found)
        if self._output and self._output.saver.beats_best(score):
            with self._departure.state_changes():
                self._save(self._output.saver, score)
        self._telemetry.spent(CHECKPOINT)
        return None

    def _save_if_due(self) -> None:
        """One copy at most, so that no step waits for two."""
        savers = (self._output.saver if self._output else None, self._snapshots)
        due = next((saver for saver in savers if saver and saver.due()), None)
        if due:
            with self._departure.state_changes():
                self._save(due)

    def _check(self, result: StepResult) -> None:
        self._skipped_steps = self._skipped_steps + 1 if result.skipped else 0
        if self._skipped_steps >= MAX_SKIPPED_STEPS:
            raise TrainerFailure(
                NON_FINITE_LOSS,
                f"The loss or a gradient was not finite for {MAX_SKIPPED_STEPS} steps in a row, up "
                f"to step {self._trainer.state.step}. Create the job under another name with a "
                "lower training.learningRate, or with training.precision fp32.",
            )

    def _save(self, saver: BackgroundSaver, score: float | None = None) -> None:
        with self._telemetry.timed("checkpoint"), activity.lengthy():
            state = self._trainer.state
            saver.save(state.step, state.tensors(), self._telemetry.notes(score))
        self._telemetry.spent(CHECKPOINT)

    def _finish(self, generation: Generation, reached: Evaluation | None) -> Outcome | None:
        """Evaluate, and let the writer save everything. None where the group lacks the writer."""
        if generation.writer is None:
            log.info("training is done; waiting for the worker that writes the results")
            self._telemetry.phase("waiting")
            wait_for_change(self._membership, generation, self._trainer.device)
            return None
        evaluation = reached or self._evaluator.evaluate(generation)
        if self._output:
            with self._departure.state_changes():
                self._save_last(self._output, self._evaluator.score(evaluation))
        self._barrier(generation)  # The results are safe.
        # Everyone knows: a rank that left at once would break the first barrier for one still in
        # it. Who is told here that others have left may leave as well.
        with suppress(PeerLost), peer_loss():
            self._barrier(generation)
        self._telemetry.finished()
        return self._outcome(evaluation, reached is not None)

    def _barrier(self, generation: Generation) -> None:
        sum_over_ranks([0.0], generation, self._trainer.device)

    def _save_last(self, output: Output, score: float) -> None:
        self._save(output.saver, score)
        with activity.lengthy():
            error = output.saver.wait() or output.report.error
        self._telemetry.spent(CHECKPOINT)
        if error:
            raise TrainerFailure(
                CHECKPOINT_VOLUME, f"The last checkpoint or metrics.json was not written: {error}."
            )

    def _save_what_is_new(self) -> None:
        """The last checkpoint of a process that leaves before the end."""
        if self._output:
            saver = self._output.saver
            if saver.is_behind(self._trainer.state.step):
                self._save(saver)
                saver.wait()
        self._telemetry.spent(CHECKPOINT)
        self._telemetry.close()

    def _outcome(self, evaluation: Evaluation, early: bool) -> Outcome:
        step = self._trainer.state.step
        psnr, ssim = f"{evaluation.psnr:.2f} dB", f"SSIM {evaluation.ssim:.3f}"
        if early:
            target = self._trainer.training.target_psnr
            message = f"Held-out PSNR {psnr} reached the target {target} dB at step {step}; {ssim}."
            return Outcome(TARGET_PSNR_REACHED, message)
        return Outcome(TRAINING_COMPLETED, f"Trained {step} steps; held-out PSNR {psnr}, {ssim}.")
