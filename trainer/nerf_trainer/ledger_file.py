"""The ledger on the checkpoint volume: the process in the writer's place goes on with it.

It is written more often than checkpoints, so that steps which are done again are known as such.
"""

import json
import logging
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from nerf_trainer.background import BackgroundWriter
from nerf_trainer.files import write_atomically
from nerf_trainer.ledger import Account

log = logging.getLogger(__name__)

INTERVAL_SECONDS = 5.0


@dataclass(frozen=True)
class Kept:
    """A ledger that was found. time: when it was written, in seconds of the wall clock's epoch."""

    account: Account
    time: float


class LedgerFile:
    """One file of one run: a ledger of another run, or of one that has ended, is not taken over.

    run: what tells runs apart that use one folder. A file that cannot be written or read costs the
    figures, never the training.
    """

    def __init__(self, path: Path, run: str) -> None:
        self._path = path
        self._run = run
        self._writer = BackgroundWriter(INTERVAL_SECONDS)

    def read(self) -> Kept | None:
        """The ledger of this run, if there is one."""
        try:
            document = json.loads(self._path.read_text())
            if document["run"] != self._run or document["ended"]:
                return None
            told = document["account"]
            speeds = {int(size): float(speed) for size, speed in told.pop("speeds").items()}
            return Kept(Account(**told, speeds=speeds), float(document["time"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            log.warning("%s is not readable (%s): the ledger starts anew", self._path, error)
            return None

    def keep(self, account: Account) -> None:
        """Write it in the background, unless that was done just before."""
        if self._writer.due():
            self._writer.start(lambda: self._write(account, ended=False))

    def close(self, account: Account, ended: bool) -> None:
        """Write the last one. ended: the training is done."""
        self._writer.wait()
        self._write(account, ended)

    def _write(self, account: Account, ended: bool) -> None:
        document = {
            "run": self._run,
            "ended": ended,
            "time": time.time(),
            "account": asdict(account),
        }
        try:
            write_atomically(self._path, json.dumps(document, indent=1).encode())
        except OSError as error:
            log.debug("%s was not written: %s", self._path, error)
