"""docs/reliability.md tells what was run, what failed, and what was never tried."""

from dataclasses import replace

from faults.results import Result
from faults.rows import ROWS
from generate import reliability

ROW = ROWS[0]
SEEN = Result(
    *(ROW.id, 1, True, 60.0, "2026-01-01", "abc", "a machine"),
    **{"recovery_s": 3.0, "whole_s": 12.5, "steps_lost": 1, "steps_repeated": 2},
)


def line(*found: Result) -> str:
    text = reliability._table([ROW], found)
    return text.splitlines()[-1]


def test_a_row_that_was_never_run_says_so() -> None:
    assert "**never run**" in line(replace(SEEN, row="another"))


def test_a_row_that_passed_tells_when_and_its_figures() -> None:
    told = line(SEEN)
    assert told.endswith("| passed 2026-01-01 | 3 s | 12.5 s | 1; 2 |")
    assert f"[{ROW.layer.value}](../{ROW.tests[0].partition('::')[0]})" in told


def test_seeds_with_which_it_passed_are_counted() -> None:
    assert "passed 2026-01-02, 2 seeds" in line(SEEN, replace(SEEN, seed=2, date="2026-01-02"))


def test_a_row_that_failed_last_has_no_figures() -> None:
    told = line(SEEN, replace(SEEN, passed=False, seed=2, note="not within 30 s"))
    assert "**failed** 2026-01-01 (seed 2): not within 30 s |  |  |  |" in told


def test_all_rows_have_passed_only_with_a_seed_of_which_none_is_missing() -> None:
    every = [replace(SEEN, row=row.id) for row in ROWS]
    assert "with seed 1." in reliability._passes(ROWS, every)
    assert "no seed yet" in reliability._passes(ROWS, every[1:])
    assert "no seed yet" in reliability._passes(ROWS, [*every[1:], replace(every[0], seed=2)])
