"""The process of a stage that needs neither GPU nor torch: its config, its server, its end."""

import argparse
import logging
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nerf_contract.progress import DatasetReport
from nerf_contract.reasons import CRASHED, FAILURES
from nerf_contract.training import TrainerConfig
from nerf_trainer import logs
from nerf_trainer.config import load_config
from nerf_trainer.failures import TrainerFailure, write_termination
from nerf_trainer.http import start_server
from nerf_trainer.stage import SILENCE_SECONDS, StageBoard, end_if_it_hangs

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Done:
    """How a stage ended well: a reason of success, a sentence, and the dataset once it is known."""

    reason: str
    message: str
    dataset: DatasetReport | None = None


def run(module: str, board: StageBoard, work: Callable[[TrainerConfig, StageBoard], Done]) -> int:
    """Do the work by the config that `--config` names. Returns the exit code of the process.

    module: its name for `python3 -m`. work: raises TrainerFailure.
    """
    parser = argparse.ArgumentParser(prog=module)
    parser.add_argument("--config", type=Path, help="JSON file; all defaults if absent")
    args = parser.parse_args()
    logs.set_up()
    _end_on_sigterm()
    start_server(board)
    try:
        config = load_config(args.config)
        end_if_it_hangs(board, SILENCE_SECONDS + config.dataset.wait_seconds)
        done = work(config, board)
    except TrainerFailure as failure:
        log.error("%s: %s", failure.reason, failure.message)
        write_termination(failure.reason, failure.message)
        return failure.failure.exit_code
    except Exception as error:
        log.exception("the %s stage ended by an unexpected error", board.progress.stage)
        write_termination(CRASHED, f"{type(error).__name__}: {error}")
        return FAILURES[CRASHED].exit_code
    log.info("%s: %s", done.reason, done.message)
    write_termination(done.reason, done.message, dataset=done.dataset)
    return 0


def _end_on_sigterm() -> None:
    """End at once. A handler would wait for COLMAP's code to return, for minutes at times."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})

    def wait() -> None:
        signal.sigwait({signal.SIGTERM})
        os._exit(128 + signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()
