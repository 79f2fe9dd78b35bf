"""The entry point of a worker process.

    torchrun --nproc-per-node=2 -m nerf_trainer.train --config FILE
    torchrun --run-path --start-method=fork nerf_trainer/train.py --config FILE
    python3 -m nerf_trainer.train --config FILE

The second, which worker pods use, spares each process the seconds in which torch is imported.

The dataset is looked for relative to NERF_DATASET_ROOT (default: the current folder); results go
to NERF_OUTPUT_ROOT (default: ./output). Without --config, the defaults train what lies there.
"""

import argparse
import logging
import multiprocessing
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from nerf_contract.reasons import CRASHED, FAILURES, WORKER_LEFT
from nerf_trainer import logs
from nerf_trainer.config import load_config
from nerf_trainer.departure import Departure
from nerf_trainer.ending import leave
from nerf_trainer.failures import TrainerFailure, write_termination
from nerf_trainer.http import start_server
from nerf_trainer.metrics import TrainerMetrics
from nerf_trainer.progress import Board

if TYPE_CHECKING:
    from nerf_trainer.loop import Outcome

log = logging.getLogger("nerf_trainer.train")


def main() -> int:
    """Train, and return the exit code."""
    parser = argparse.ArgumentParser(prog="nerf_trainer.train", description="Train a NeRF.")
    parser.add_argument("--config", type=Path, help="JSON file; all defaults if absent")
    args = parser.parse_args()
    logs.set_up()
    if _forked():
        _forget_handlers()
    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    board, metrics = Board(), TrainerMetrics(local_rank)
    departure = Departure(lambda: _depart(board))
    departure.listen()
    server = start_server(board, metrics, local_rank)
    log.info("status at http://%s:%d/status", *server.address)
    return _end(args.config, board, metrics, local_rank, departure)


def _end(
    config_file: Path | None,
    board: Board,
    metrics: TrainerMetrics,
    local_rank: int,
    departure: Departure,
) -> int:
    """Train, and turn the end, good or bad, into a termination message and an exit code."""
    try:
        outcome = _train(config_file, board, metrics, local_rank, departure)
    except TrainerFailure as failure:
        log.error("%s: %s", failure.reason, failure.message)
        log.debug("where it happened", exc_info=failure)
        write_termination(failure.reason, failure.message, board.progress)
        return failure.failure.exit_code
    except Exception as error:
        log.exception("the worker ended by an unexpected error")
        write_termination(CRASHED, f"{type(error).__name__}: {error}", board.progress)
        return FAILURES[CRASHED].exit_code
    log.info("%s: %s", outcome.reason, outcome.message)
    if local_rank == 0:  # All processes of the pod have done the same; this one has the ledger.
        write_termination(outcome.reason, outcome.message, board.progress)
    return 0


def _train(
    config_file: Path | None,
    board: Board,
    metrics: TrainerMetrics,
    local_rank: int,
    departure: Departure,
) -> "Outcome":
    try:
        config = load_config(config_file)
        # Imports torch, which takes seconds: the server answers meanwhile.
        from nerf_trainer.app import run

        return run(config, board, metrics, local_rank, departure)
    finally:
        departure.forgo()


def _depart(board: Board) -> None:
    step = board.progress.step
    message = f"The worker was told to end (SIGTERM), and left after step {step}."
    log.info("%s: %s", WORKER_LEFT, message)
    write_termination(WORKER_LEFT, message, board.progress)
    leave(FAILURES[WORKER_LEFT].exit_code)


def _forked() -> bool:
    """Whether this process has begun as a copy of torchrun's."""
    return multiprocessing.parent_process() is not None


def _forget_handlers() -> None:
    """Those of torchrun make an exception of each signal, which would pass for a crash."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)


def finish(code: int) -> None:
    """`leave`. A process that torchrun has forked returns where all is well, as torchrun waits for
    that; it then ends without the clean-up, too, and at once if it is told to.
    """
    if code or not _forked():
        leave(code)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


if __name__ == "__main__":
    finish(main())
