"""Every alert has a runbook, and every runbook says the same kinds of things."""

from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "runbooks"
INDEX = FOLDER / "index.md"
RULES = ROOT / "charts" / "nerf-operator" / "files" / "rules.yaml"
PAGES = {path.stem: path for path in FOLDER.glob("*.md") if path != INDEX}


def test_every_alert_has_a_runbook() -> None:
    rules = [
        rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]
    ]
    addresses = {
        rule["alert"]: rule["annotations"]["runbook_url"] for rule in rules if "alert" in rule
    }
    assert set(addresses) == set(PAGES)
    for alert, address in addresses.items():
        assert address == f"https://nerfops.dev/docs/runbooks/{alert}/"


@pytest.mark.parametrize("alert", sorted(PAGES))
def test_a_runbook_says_what_it_means_costs_and_takes(alert: str) -> None:
    lines = PAGES[alert].read_text().splitlines()
    headings = [line for line in lines if line.startswith("#")]
    sections = ["## Meaning", "## Impact", "## How to look", "## What to do"]
    assert headings == [f"# {alert}", *sections]
    assert f"[{alert}]({alert}.md)" in INDEX.read_text()
