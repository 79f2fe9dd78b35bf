"""What came of the rows: one JSON object a line, the last of each row and seed."""

import json
import subprocess
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
#: Committed, as docs/reliability.md is made from it.
FILE: Final = ROOT / "tools" / "faults" / "results.jsonl"
#: What a run changes itself.
MADE: Final = ("tools/faults/results.jsonl", "docs/reliability.md")


@dataclass(frozen=True)
class Result:
    """A row that was run. seconds: the whole test.

    recovery_s: the longest time without a new step. whole_s: until all was as before the fault.
    steps_lost: the most that one change of the group took back; steps_repeated: of all.
    None where a row does not measure it.
    """

    row: str
    seed: int
    passed: bool
    seconds: float
    date: str
    commit: str
    machine: str
    recovery_s: float | None = None
    whole_s: float | None = None
    steps_lost: int | None = None
    steps_repeated: int | None = None
    note: str = ""


FIGURES: Final = ("recovery_s", "whole_s", "steps_lost", "steps_repeated")


def read(path: Path = FILE) -> list[Result]:
    """All results, oldest first."""
    lines = path.read_text().splitlines() if path.exists() else []
    return [Result(**json.loads(line)) for line in lines if line]


def add(result: Result, path: Path = FILE) -> None:
    """Write a result in the place of an earlier one of its row and seed."""
    others = [one for one in read(path) if (one.row, one.seed) != (result.row, result.seed)]
    text = "".join(json.dumps(asdict(one)) + "\n" for one in [*others, result])
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(path)


def passed(results: Iterable[Result], seed: int) -> set[str]:
    """Rows that have passed with this seed."""
    return {one.row for one in results if one.passed and one.seed == seed}


def today() -> str:
    """The date of a result."""
    return time.strftime("%Y-%m-%d")


def commit() -> str:
    """The commit that is tested, with a + where the tree differs by more than results."""
    changed = _git("status", "--porcelain", "--", ":/", *(f":(exclude,top){name}" for name in MADE))
    return _git("rev-parse", "--short=8", "HEAD") + ("+" if changed else "")


def _git(*args: str) -> str:
    return subprocess.run(["git", *args], cwd=ROOT, text=True, capture_output=True).stdout.strip()
