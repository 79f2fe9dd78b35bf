"""The fault matrix names tests that exist, and its results are kept."""

import ast
import json
from dataclasses import replace
from pathlib import Path

import pytest

from faults import results
from faults.recording import belongs
from faults.results import ROOT, Result
from faults.rows import ROWS, Row

SEEN = Result("node-lost", 1, True, 60.0, "2026-01-01", "abc", "a machine", recovery_s=3.0)


def test_rows_have_names_of_their_own() -> None:
    assert len({row.id for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_a_row_has_tests_that_exist(row: Row) -> None:
    assert row.tests
    for test in row.tests:
        file, _, name = test.partition("::")
        functions = [
            node
            for node in ast.parse((ROOT / file).read_text()).body
            if isinstance(node, ast.FunctionDef)
        ]
        assert name.partition("[")[0] in {function.name for function in functions}


def test_every_test_of_the_folder_is_a_row() -> None:
    files = (ROOT / "tests/e2e/faults").glob("test_*.py")
    there = {
        f"{file.relative_to(ROOT)}::{node.name}"
        for file in files
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }
    assert there <= {test.partition("[")[0] for row in ROWS for test in row.tests}


def test_parameters_belong_to_the_test_unless_one_is_named() -> None:
    [row] = [row for row in ROWS if row.id == "watch-faults"]
    assert belongs(f"{row.tests[0]}[expired]", row)
    [row] = [row for row in ROWS if row.id == "no-gpus"]
    assert belongs(row.tests[0], row)
    assert not belongs(row.tests[0].replace("no-gpus", "no-image"), row)


def test_a_later_result_takes_the_place_of_an_earlier_one(tmp_path: Path) -> None:
    file = tmp_path / "results.jsonl"
    for one in (SEEN, replace(SEEN, seed=2), replace(SEEN, passed=False)):
        results.add(one, file)
    assert results.read(file) == [replace(SEEN, seed=2), replace(SEEN, passed=False)]
    assert results.passed(results.read(file), 2) == {"node-lost"}
    assert results.passed(results.read(file), 1) == set()


def test_what_is_committed_can_be_read() -> None:
    known = {row.id for row in ROWS}
    assert {one.row for one in results.read()} <= known
    for line in results.FILE.read_text().splitlines():
        assert json.loads(line)["date"].startswith("20")
