"""A plugin of pytest: writes down what came of each row as soon as its last test is over."""

import os
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import pytest
from machine import machine

from faults import results
from faults.rows import ROWS, Row


@dataclass
class _Tally:
    """What is known of a row while its tests run."""

    left: set[str] = field(default_factory=set)
    failed: list[str] = field(default_factory=list)
    seconds: float = 0.0
    figures: dict[str, Any] = field(default_factory=dict)


class Recorder:
    """Counts the tests of each row, and takes the figures that they tell by `record_property`."""

    def __init__(self, rows: tuple[Row, ...], seed: int) -> None:
        self._rows, self._seed = rows, seed
        self._tallies: dict[str, _Tally] = defaultdict(_Tally)
        self._of: dict[str, list[str]] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Which tests belong to which rows."""
        for item in items:
            self._of[item.nodeid] = [row.id for row in self._rows if belongs(item.nodeid, row)]
            for row in self._of[item.nodeid]:
                self._tallies[row].left.add(item.nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A part of a test is over: its set-up, itself, or its tear-down."""
        for row in self._of.get(report.nodeid, ()):
            tally = self._tallies[row]
            tally.seconds += report.duration
            if not report.passed:
                tally.failed.append(_reason(report))
            if report.when == "teardown":
                figures = dict(report.user_properties)
                tally.figures |= {k: v for k, v in figures.items() if k in results.FIGURES}
                tally.left.discard(report.nodeid)
                if not tally.left:
                    self._write(row, tally)

    def _write(self, row: str, tally: _Tally) -> None:
        found = results.Result(
            row=row,
            seed=self._seed,
            passed=not tally.failed,
            seconds=round(tally.seconds, 1),
            date=results.today(),
            commit=results.commit(),
            machine=machine(),
            note="; ".join(tally.failed)[:300],
            **tally.figures,
        )
        results.add(found)


def belongs(nodeid: str, row: Row) -> bool:
    """Whether a test is one of a row's, with any parameters where the row names none."""
    return any(nodeid == test or nodeid.startswith(f"{test}[") for test in row.tests)


def _reason(report: pytest.TestReport) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    return (crash.message if crash else str(report.longrepr)).partition("\n")[0]


def pytest_configure(config: pytest.Config) -> None:
    """Record with the seed of the environment."""
    config.pluginmanager.register(Recorder(ROWS, int(os.environ.get("SEED", "0"))))
