"""Keeping the job's ledger: by the clock, for the board, the metrics, and the next process."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nerf_contract import goodput, names
from nerf_contract import metrics as m
from nerf_contract.progress import GoodputReport
from nerf_trainer.ledger import Account, Ledger
from nerf_trainer.ledger_file import LedgerFile
from nerf_trainer.metrics import TrainerMetrics
from nerf_trainer.process import age_seconds
from nerf_trainer.progress import Board

#: The board and the metrics are told at most so often.
TELL_SECONDS = 1.0


class Accounts:
    """The ledger of the writer. What others do while it is away is estimated, see `Ledger.joined`.

    clock: seconds, monotonic. The process that saves a state before it leaves does so in a thread.
    """

    def __init__(
        self,
        board: Board,
        metrics: TrainerMetrics,
        file: LedgerFile,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._board, self._metrics, self._file, self._clock = board, metrics, file, clock
        self._lock = threading.Lock()
        self._told = Account()
        self._next_tell = clock()
        self._ended = False
        kept, age = file.read(), age_seconds()
        gap = max(0.0, time.time() - age - kept.time) if kept else 0.0
        self._seconds_before = gap + (kept.account.wall_seconds if kept else 0.0)
        wanted = int(os.environ.get(names.ENV_WANTED_PROCESSES, "0"))
        self._ledger = Ledger(clock() - age, wanted, kept.account if kept else None, gap)
        self._begin_counters()

    def charge(self, cause: str) -> None:
        """All since the last charge was spent so."""
        with self._lock:
            self._ledger.charge(cause, self._clock())

    def joined(self, step: int) -> None:
        """A group has formed whose state has this step."""
        with self._lock:
            self._ledger.joined(step)

    def stepped(self, step: int, world_size: int, rays: int) -> None:
        """All since the last charge was spent on this step, of so many rays of all ranks."""
        with self._lock:
            self._ledger.stepped(step, world_size, rays, self._clock())
        if self._clock() >= self._next_tell:
            self.tell()

    def tell(self) -> None:
        """Tell board and metrics where the time went, and keep it."""
        with self._lock:
            account, wanted = self._ledger.account(), self._ledger.wanted
            self._next_tell = self._clock() + TELL_SECONDS
        self._tell_board(account, wanted)
        self._tell_metrics(account, wanted)
        self._file.keep(account)

    def ended(self) -> None:
        """The training is done: the ledger is complete."""
        self._ended = True
        self.tell()

    def close(self) -> None:
        """Keep it for the next process."""
        with self._lock:
            account = self._ledger.account()
        self._file.close(account, self._ended)

    def figures(self) -> dict[str, Any]:
        """What metrics.json tells; see `Report.metrics`."""
        with self._lock:
            account, wanted = self._ledger.account(), self._ledger.wanted
        return {
            "goodput": account.goodput(wanted),
            "wallSeconds": self._seconds_before + age_seconds(),
            "seconds": dict(account.seconds),
            "wantedWorldSize": wanted,
            "raysPerSecondByWorldSize": {str(n): v for n, v in account.speeds.items()},
            "scalingEfficiency": {str(n): v for n, v in account.efficiency().items()},
        }

    def _tell_board(self, account: Account, wanted: int) -> None:
        efficiency = account.efficiency().get(self._board.progress.world_size)
        ratio = account.goodput(wanted)
        report = GoodputReport(
            ratio=None if ratio is None else round(ratio, 4),
            efficiency=None if efficiency is None else round(efficiency, 4),
            wall_seconds=round(account.wall_seconds, 2),
            lost_seconds={cause: round(s, 2) for cause, s in account.lost_seconds.items()},
        )
        self._board.update(goodput=report)

    def _begin_counters(self) -> None:
        """At what was kept, never at 0: who watches them over a restart would count it twice."""
        for cause in goodput.TRAINER_CAUSES:
            self._count(m.LOST_SECONDS, 0.0, cause)
        self._tell_metrics(self._ledger.account(), self._ledger.wanted)

    def _tell_metrics(self, account: Account, wanted: int) -> None:
        before, self._told = self._told, account
        for cause, seconds in account.lost_seconds.items():
            self._count(m.LOST_SECONDS, seconds - before.seconds.get(cause, 0.0), cause)
        self._count(m.WALL_SECONDS, account.wall_seconds - before.wall_seconds)
        for size, rays in account.speeds.items():
            self._metrics.set(m.GROUP_RAYS, rays, str(size))
        for size, efficiency in account.efficiency().items():
            self._metrics.set(m.SCALING_EFFICIENCY, efficiency, str(size))
        ratio = account.goodput(wanted)
        if ratio is not None:
            self._metrics.set(m.GOODPUT, ratio)

    def _count(self, metric: m.Metric, more: float, *labels: str) -> None:
        """Sums of the same seconds may differ by rounding: counters only grow."""
        self._metrics.add(metric, max(0.0, more), *labels)


def open_accounts(board: Board, metrics: TrainerMetrics, folder: Path) -> Accounts:
    """The accounts of the job whose results lie in `folder`."""
    run = os.environ.get(names.ENV_RUN_ID, "")
    return Accounts(board, metrics, LedgerFile(folder / names.LEDGER_FILE, run))
