"""What dashboards, rules and alerts ask for exists, under that name and with those labels."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from generate.monitoring import alerts, recorded
from nerf_contract import metrics as m
from observe import board
from observe.asked import selectors

SCRAPED = {"namespace", "job", "pod", "le"}
METRICS = {metric.name: metric for metric in (*m.TRAINER_METRICS, *m.OPERATOR_METRICS)}
RECORDED = {rule.name: rule for rule in recorded.ALL}
VALUES = {"namespace": "lab", "job": "demo", "__rate_interval": "1m"}
DASHBOARDS = sorted(board.FOLDER.glob("*.json"))


def expressions() -> Iterator[tuple[str, str]]:
    """Every expression, by what it is for."""
    for rule in recorded.ALL:
        yield rule.name, rule.expression
    for number, alert in enumerate(alerts.ALL):
        yield f"{alert.name}-{number}", alert.expression
    for path in DASHBOARDS:
        for title, expression in board.read(path, VALUES).asked():
            yield f"{path.stem}: {title}", expression


ALL = list(expressions())


def labels(name: str) -> set[str]:
    """Labels of a known series. Raises KeyError for one that nobody exports or records."""
    if name in RECORDED:
        return set(RECORDED[name].labels)
    family = re.sub("_(bucket|sum|count)$", "", name)
    if family in METRICS and METRICS[family].kind == "histogram":
        return SCRAPED | set(METRICS[family].labels)
    return SCRAPED | set(METRICS[name].labels)


@pytest.mark.parametrize(("what", "expression"), ALL, ids=[what for what, _ in ALL])
def test_every_series_is_known_and_has_the_labels(what: str, expression: str) -> None:
    found = selectors(expression)
    assert found
    for selector in found:
        matched = {matcher.name for matcher in selector.matchers.matchers}
        assert matched <= labels(selector.name)


@pytest.mark.parametrize(("what", "expression"), ALL, ids=[what for what, _ in ALL])
def test_labels_that_are_grouped_by_exist(what: str, expression: str) -> None:
    grouped = re.findall(r"\b(?:by|on|ignoring) \(([^)]*)\)", expression)
    named = {label.strip() for group in grouped for label in group.split(",") if label.strip()}
    assert named <= set().union(*(labels(one.name) for one in selectors(expression)))


def panels() -> list[tuple[str, dict[str, Any]]]:
    found = [(path.stem, json.loads(path.read_text())["panels"]) for path in DASHBOARDS]
    return [(f"{name}: {one['title']}", one) for name, all_ in found for one in all_]


PANELS = [(name, panel) for name, panel in panels() if panel["type"] != "row"]


@pytest.mark.parametrize(("name", "panel"), PANELS, ids=[name for name, _ in PANELS])
def test_a_panel_says_what_it_shows_and_in_which_unit(name: str, panel: dict[str, Any]) -> None:
    assert panel["description"].endswith(".")
    defaults = panel["fieldConfig"]["defaults"]
    assert defaults["unit"]
    assert defaults["thresholds"]["steps"]
    assert panel["datasource"]["uid"] == "${datasource}"
    assert all(target["legendFormat"] for target in panel["targets"])


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_is_found_by_its_address_and_its_tag(path: Path) -> None:
    document = json.loads(path.read_text())
    assert document["uid"] == f"nerf-{path.stem}"
    assert document["tags"] == ["nerf-operator"]
    names = [variable["name"] for variable in document["templating"]["list"]]
    assert names[:2] == ["datasource", "namespace"]
    assert names[2:] in ([], ["job"])
    ids = [panel["id"] for panel in document["panels"]]
    assert len(ids) == len(set(ids))


def test_the_dashboards_are_those_that_the_chart_installs() -> None:
    assert {path.stem for path in DASHBOARDS} == {"scaling-efficiency", "job", "fleet", "operator"}


@pytest.mark.parametrize("name", ["scaling-efficiency", "job"])
def test_rescales_are_marked_at_their_own_moment(name: str) -> None:
    document = json.loads((board.FOLDER / f"{name}.json").read_text())
    [marks] = document["annotations"]["list"]
    assert m.REGROUP_TIMESTAMP.name in marks["expr"]
    assert marks["useValueForTime"] is True and marks["enable"] is True
