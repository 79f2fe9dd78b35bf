"""The export stage, after the training.

    python3 -m nerf_trainer.export --config FILE

reads the newest checkpoint in the job's folder (NERF_JOB_NAME in NERF_OUTPUT_ROOT) and puts what
`outputs` in the config asks for into `outputs/` beside it.
"""

import argparse
import logging
import signal
from pathlib import Path

from nerf_contract.reasons import CRASHED, FAILURES, OUTPUTS_FAILED, OUTPUTS_MADE
from nerf_contract.training import TrainerConfig
from nerf_trainer import logs
from nerf_trainer.config import load_config
from nerf_trainer.ending import leave
from nerf_trainer.failures import TrainerFailure, write_termination
from nerf_trainer.http import start_server
from nerf_trainer.places import output_folder
from nerf_trainer.stage import StageBoard, end_if_it_hangs

log = logging.getLogger("nerf_trainer.export")


def main() -> int:
    """Make the outputs, and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="nerf_trainer.export", description="Make videos, meshes and more of a trained scene."
    )
    parser.add_argument("--config", type=Path, help="JSON file; all defaults if absent")
    args = parser.parse_args()
    logs.set_up()
    # The first process of a container is not ended by SIGTERM unless it says so.
    signal.signal(signal.SIGTERM, lambda *_: leave(128 + signal.SIGTERM))
    board = StageBoard("export")
    server = start_server(board)
    end_if_it_hangs(board)
    log.info("status at http://%s:%d/status", *server.address)
    try:
        return run(load_config(args.config), board)
    except TrainerFailure as failure:
        return _fail(failure.reason, failure.message)
    except Exception as error:
        log.exception("the export ended by an unexpected error")
        return _fail(CRASHED, f"{type(error).__name__}: {error}")


def run(config: TrainerConfig, board: StageBoard) -> int:
    """Make the outputs, tell how it ended, and return the exit code."""
    # Imports torch, which takes seconds: the server answers meanwhile.
    from nerf_trainer.export.run import export

    found = export(config, output_folder(), board)
    if found.failed:
        return _fail(OUTPUTS_FAILED, found.message, found.made)
    log.info("%s: %s", OUTPUTS_MADE, found.message)
    write_termination(OUTPUTS_MADE, found.message, outputs=found.made)
    return 0


def _fail(reason: str, message: str, made: list[str] | None = None) -> int:
    log.error("%s: %s", reason, message)
    write_termination(reason, message, outputs=made)
    return FAILURES[reason].exit_code


if __name__ == "__main__":
    leave(main())
