"""`nerf_trainer.train` in a process that dies or freezes by itself, at a point of one's choice.

Processes are forked from a server that has imported this module: each starts within a moment.
"""

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import torchmetrics.functional.image  # noqa: F401 - imported once, not by each process

from nerf_trainer import app, gradients, train
from nerf_trainer.checkpoint import CheckpointStore
from nerf_trainer.elastic import create_membership
from nerf_trainer.elastic.interface import Generation, Membership
from nerf_trainer.gradients import ExactGradientSum
from nerf_trainer.trainer import StepResult, Trainer

WORLD = 2
#: With fewer than `WORLD` processes the training does not get beyond this step.
HOLD_STEP = 16
BEFORE, MIDDLE, AFTER, COMMIT = "before", "middle", "after", "commit"

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload([__name__])


@dataclass(frozen=True)
class Injection:
    """signal: to the process itself. rank, step: of it when it happens,
    at the earliest; steps count from 0.

    point: before, in the middle of or after the step's all-reduce, or before a checkpoint, complete
    but for its name, is renamed. note: a file that is made at that moment.
    """

    signal: signal.Signals
    rank: int
    step: int
    point: str
    note: Path


class HeldTrainer(Trainer):
    """Trains alone only after it has trained with others, and not to the end.

    What there is once in a process: its membership, its rank, the steps that were done before the
    one under way, and whether it had company.
    """

    membership: Membership
    rank = -1
    at = 0
    had_company = False

    def step(self, generation: Generation, changing: bool) -> StepResult:
        """As soon as there are enough ranks, or more are to come."""
        here = HeldTrainer
        here.rank, here.at = generation.rank, self.state.step
        alone = generation.world_size < WORLD
        here.had_company |= not alone
        held = alone and (here.at >= HOLD_STEP or not here.had_company)
        while held and not here.membership.changing():
            time.sleep(0.01)
        return super().step(generation, changing or held)


def _create_membership(*args: Any) -> Membership:
    HeldTrainer.membership = create_membership(*args)
    return HeldTrainer.membership


def work(env: dict[str, str], folder: Path, injection: Injection | None) -> None:
    """Train as the config in `folder` says, to the end of the process."""
    os.environ.update(env)
    os.chdir(folder)
    sys.argv = ["nerf_trainer.train", "--config", "config.json"]
    log = os.open(f"log-{env['NERF_POD_NAME']}", os.O_WRONLY | os.O_CREAT)
    os.dup2(log, 1)
    os.dup2(log, 2)
    held = mock.patch.multiple(app, Trainer=HeldTrainer, create_membership=_create_membership)
    with held, injected(injection) if injection else nullcontext():
        train.leave(train.main())


@contextmanager
def injected(injection: Injection) -> Iterator[None]:
    """What is called at each point, with the signal before or after it."""

    def hit(point: str) -> None:
        here = (HeldTrainer.rank, point) == (injection.rank, injection.point)
        if here and HeldTrainer.at >= injection.step and not injection.note.exists():
            injection.note.touch()
            os.kill(os.getpid(), injection.signal)

    def around(real: Callable[..., Any], before: str, after: str = "") -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            hit(before)
            result = real(*args)
            hit(after)
            return result

        return call

    reduce = around(ExactGradientSum.over_ranks, BEFORE, AFTER)
    with (
        mock.patch.object(ExactGradientSum, "over_ranks", reduce),
        # Between the two collectives of an exact sum: parts are exchanged, then gathered.
        mock.patch.object(gradients, "total", around(gradients.total, MIDDLE)),
        mock.patch.object(CheckpointStore, "_replace", around(CheckpointStore._replace, COMMIT)),
    ):
        yield
