"""Each claim of docs/capabilities.md links to a test that exists."""

import ast
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "capabilities.md"
ROWS = [
    line
    for line in PAGE.read_text().splitlines()
    if line.startswith("| ") and not line.startswith(("| claim |", "| --- |"))
]
LINK = re.compile(r"\[`(test_\w+)`\]\((\S+?)\)")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip())
def test_a_claim_has_a_test_that_exists(row: str) -> None:
    [(test, path)] = LINK.findall(row)
    module = ast.parse((PAGE.parent / path).read_text())
    functions = {node.name for node in module.body if isinstance(node, ast.FunctionDef)}
    assert test in functions


def test_no_test_stands_for_two_claims() -> None:
    tests = [found for row in ROWS for found in LINK.findall(row)]
    assert len(tests) == len(set(tests))
