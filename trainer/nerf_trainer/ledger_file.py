"""The ledger on the checkpoint volume: the process in the writer's place goes on with it.

It is written more often than checkpoints, so that steps which are done again are known as such.
"""

import json
import logging
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from nerf_contract.base import MAX_INT
from nerf_trainer.background import BackgroundWriter
from nerf_trainer.files import write_atomically
from nerf_trainer.ledger import Account

log = logging.getLogger(__name__)

INTERVAL_SECONDS = 5.0
#: Sums of these can still be told.
_Seconds = Annotated[float, Field(ge=0, le=1e9)]
_Amount = Annotated[float, Field(ge=0, le=1e18)]
_Count = Annotated[int, Field(ge=0, le=MAX_INT)]


class _Account(BaseModel):
    """An `Account` as the file has it, which anybody who has the volume may have written."""

    model_config = ConfigDict(extra="forbid")

    seconds: dict[str, _Seconds] = Field(max_length=64)
    rays: _Amount
    steps: _Count
    step: _Count
    speeds: dict[PositiveInt, _Amount] = Field(max_length=1024)


class _Document(BaseModel):
    """The file."""

    run: str
    ended: bool
    time: _Amount
    account: _Account


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
            document = _Document.model_validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            log.warning("%s is not readable (%s): the ledger starts anew", self._path, error)
            return None
        if document.run != self._run or document.ended:
            return None
        return Kept(Account(**document.account.model_dump()), document.time)

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
