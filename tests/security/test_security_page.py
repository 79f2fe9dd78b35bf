"""docs/security.md names a test for each line, and there is one."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text()
CITED = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)


def test_every_test_is_there() -> None:
    missing = [
        f"{file}::{name}"
        for file, name in CITED
        if not re.search(rf"^def {name}\(", (ROOT / file).read_text(), re.MULTILINE)
    ]
    assert len(CITED) > 25
    assert missing == []


def test_every_line_that_holds_has_a_test() -> None:
    _, *tables = PAGE.split("| what holds | test |\n| --- | --- |\n")
    rows = [row for table in tables for row in table.split("\n\n")[0].splitlines()]
    assert len(rows) > 20
    assert [row for row in rows if "::test_" not in row] == []
