"""The rules, by promtool: they are valid, and fire when they should and not before."""

import subprocess
from pathlib import Path

import pytest
import yaml

from generate.monitoring import alerts
from observe.prometheus import RULES

UNIT_TESTS = Path(__file__).parent / "rules.test.yaml"


def promtool(*words: str | Path) -> None:
    done = subprocess.run(["promtool", *words], text=True, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_rules_are_valid() -> None:
    promtool("check", "rules", RULES)


def test_they_do_as_their_unit_tests_say() -> None:
    promtool("test", "rules", UNIT_TESTS)


@pytest.mark.parametrize("alert", alerts.ALL, ids=lambda alert: alert.name)
def test_every_alert_is_seen_to_fire(alert: alerts.Alert) -> None:
    document = yaml.safe_load(UNIT_TESTS.read_text())
    checks = [check for test in document["tests"] for check in test.get("alert_rule_test", ())]
    fired = [check for check in checks if check["alertname"] == alert.name and check["exp_alerts"]]
    assert fired, "add it to rules.test.yaml"


@pytest.mark.parametrize("alert", alerts.ALL, ids=lambda alert: alert.name)
def test_every_alert_says_what_to_do(alert: alerts.Alert) -> None:
    assert alert.severity in ("warning", "critical")
    assert alert.runbook == f"https://nerfops.dev/docs/runbooks/{alert.name}/"
    assert alert.summary.endswith(".") and alert.description.endswith(".")
