"""The entry point of the poses stage: photos fetched, looked at, and their cameras found.

    python3 -m nerf_trainer.prepare --config FILE

Needs no GPU and no torch. What was done before is not done again: an archive that is in place, and
poses of the same photos.
"""

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nerf_contract.progress import DatasetReport
from nerf_contract.reasons import CRASHED, FAILURES, POSES_FOUND, POSES_GIVEN
from nerf_contract.training import TrainerConfig
from nerf_trainer import logs
from nerf_trainer.archive import ensure_unpacked
from nerf_trainer.config import load_config
from nerf_trainer.failures import TrainerFailure, write_termination
from nerf_trainer.http import start_server
from nerf_trainer.places import dataset_root
from nerf_trainer.poses import Found, find_poses
from nerf_trainer.scenes import expect_format, folder_of, read_split, wait_for_dataset
from nerf_trainer.stage import SILENCE_SECONDS, StageBoard, end_if_it_hangs

log = logging.getLogger("nerf_trainer.prepare")
Tell = Callable[[str, float], None]

#: Names of photos without poses that are told of.
MOST_NAMES = 20
#: The share of the stage that fetching and unpacking an archive count for.
ARCHIVE_SHARE = 0.3


@dataclass(frozen=True)
class Prepared:
    """A dataset that can be trained on: a reason of success, a sentence, and what was found."""

    reason: str
    message: str
    dataset: DatasetReport


def prepare(config: TrainerConfig, root: Path, board: StageBoard) -> Prepared:
    """Have the dataset in `root/config.dataset.path` ready. Raises TrainerFailure."""
    dataset, folder = config.dataset, folder_of(config.dataset, root)
    start = 0.0
    if dataset.archive is not None:
        start = ARCHIVE_SHARE
        ensure_unpacked(dataset.archive, folder, _archive_progress(board))
    board.update("waiting", start)
    wait_for_dataset(folder, dataset)
    format_ = expect_format(folder, dataset.format)
    if format_ != "photos":
        return _given(folder, config, format_)
    found = find_poses(
        folder,
        config.poses,
        lambda activity, done: board.update(activity, start + (1 - start) * done),
    )
    return _found(found)


def _archive_progress(board: StageBoard) -> Tell:
    def tell(activity: str, share: float) -> None:
        begin = 0.5 if activity == "unpacking" else 0.0
        board.update(activity, ARCHIVE_SHARE * (begin + share / 2))

    return tell


def _given(folder: Path, config: TrainerConfig, format_: str) -> Prepared:
    train, held_out = read_split(folder, config.dataset)
    count = len(train) + len(held_out)
    report = DatasetReport(format=format_, photos=count, posed=count)
    return Prepared(POSES_GIVEN, f"The dataset brings the poses of {count} photos along.", report)


def _found(found: Found) -> Prepared:
    posed = found.photos - len(found.unposed)
    report = DatasetReport(
        format="photos",
        photos=found.photos,
        posed=posed,
        unposed=found.unposed[:MOST_NAMES],
        poses=found.poses,
    )
    message = (
        f"Found the cameras of {posed} of {found.photos} photos (mean error "
        f"{found.error:.2f} pixels)."
    )
    if found.unposed:
        message += f" Not used: {_listed(found.unposed)}."
    return Prepared(POSES_FOUND, message, report)


def _listed(names: list[str]) -> str:
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _end_on_sigterm() -> None:
    """End at once. A handler would wait for COLMAP's code to return, for minutes at times."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})

    def wait() -> None:
        signal.sigwait({signal.SIGTERM})
        os._exit(128 + signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()


def main() -> int:
    """Prepare the dataset, and return the exit code."""
    parser = argparse.ArgumentParser(prog="nerf_trainer.prepare", description="Find poses.")
    parser.add_argument("--config", type=Path, help="JSON file; all defaults if absent")
    args = parser.parse_args()
    logs.set_up()
    _end_on_sigterm()
    board = StageBoard("poses")
    start_server(board)
    try:
        config = load_config(args.config)
        end_if_it_hangs(board, SILENCE_SECONDS + config.dataset.wait_seconds)
        prepared = prepare(config, dataset_root(), board)
    except TrainerFailure as failure:
        log.error("%s: %s", failure.reason, failure.message)
        write_termination(failure.reason, failure.message)
        return failure.failure.exit_code
    except Exception as error:
        log.exception("the poses stage ended by an unexpected error")
        write_termination(CRASHED, f"{type(error).__name__}: {error}")
        return FAILURES[CRASHED].exit_code
    log.info("%s: %s", prepared.reason, prepared.message)
    write_termination(prepared.reason, prepared.message, dataset=prepared.dataset)
    return 0


if __name__ == "__main__":
    sys.exit(main())
