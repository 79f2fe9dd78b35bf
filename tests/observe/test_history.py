"""Everything that is asked has an answer, from a real Prometheus that has all metrics."""

from pathlib import Path

import pytest
from PIL import Image

from generate.monitoring import alerts, recorded
from nerf_contract import metrics as m
from observe import board, made_up, pages
from observe.asked import selectors
from observe.client import Client, Span

Hour = tuple[Client, Span]


def test_every_metric_is_told_by_the_programs(hour: Hour) -> None:
    client, span = hour
    for metric in (*m.TRAINER_METRICS, *m.OPERATOR_METRICS):
        name = f"{metric.name}_count" if metric.kind == "histogram" else metric.name
        assert client.over(name, span), metric.name


@pytest.mark.parametrize("rule", recorded.ALL, ids=lambda rule: rule.name)
def test_every_rule_records_series_with_its_labels(hour: Hour, rule: recorded.Recorded) -> None:
    client, span = hour
    found = client.over(rule.name, span)
    assert found
    assert all(set(one.labels) - {"__name__"} == set(rule.labels) for one in found)


@pytest.mark.parametrize("alert", alerts.ALL, ids=lambda alert: alert.name)
def test_every_series_that_alerts_watch_is_there(hour: Hour, alert: alerts.Alert) -> None:
    client, span = hour
    for selector in selectors(alert.expression):
        assert client.over(selector.prettify(), span)


def test_every_query_of_every_panel_has_an_answer(hour: Hour) -> None:
    client, span = hour
    found = board.read_all(client, span, made_up.NAMESPACE, made_up.JOB)
    empty = [
        (path.stem, panel.title, target.expression)
        for path, dashboard in found
        for panel in dashboard.panels
        for target in panel.targets
        if not board.answer(client, target, span)
    ]
    assert empty == []


def test_efficiency_is_that_of_the_group_as_it_is(hour: Hour) -> None:
    """Whichever sizes the job had before."""
    client, span = hour
    for second, size in made_up.SIZES[1:]:
        moment = span.start + second + 4 * made_up.TICK
        [found] = client.at(recorded.EFFICIENCY.name, moment)
        assert found.last == pytest.approx(made_up.speed(size) / (size * made_up.ALONE))


def test_speed_is_that_of_all_processes_together(hour: Hour) -> None:
    client, span = hour
    [found] = client.at(recorded.RAYS.name, span.start + 2400)
    assert found.last == pytest.approx(made_up.speed(4), rel=0.05)


def test_a_page_is_drawn(hour: Hour, tmp_path: Path) -> None:
    client, span = hour
    values = {"namespace": made_up.NAMESPACE, "job": made_up.JOB, "__rate_interval": "1m"}
    page = board.read(board.FOLDER / "scaling-efficiency.json", values)
    assert pages.draw(page, client, span, tmp_path / "page.png", "", {}) == []
    with Image.open(tmp_path / "page.png") as picture:
        assert picture.width == 1800


def test_a_panel_without_data_says_so(hour: Hour, tmp_path: Path) -> None:
    client, span = hour
    values = {"namespace": "elsewhere", "job": made_up.JOB, "__rate_interval": "1m"}
    page = board.read(board.FOLDER / "scaling-efficiency.json", values)
    empty = pages.draw(page, client, span, tmp_path / "page.png", "", {})
    assert len(empty) == sum(panel.kind != "row" for panel in page.panels)
