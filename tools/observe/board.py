"""A dashboard of Grafana, as far as pictures of it are concerned."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from observe.client import Client, Series, Span

FOLDER = Path(__file__).resolve().parents[2] / "charts/nerf-operator/files/dashboards"


@dataclass(frozen=True)
class Target:
    """A query of a panel. legend: name of a series, with `{{label}}`. ref: its letter."""

    expression: str
    legend: str
    ref: str
    instant: bool

    def name(self, labels: dict[str, str]) -> str:
        """What a series with these labels is called."""
        return re.sub(r"{{\s*(\w+)\s*}}", lambda found: labels.get(found[1], ""), self.legend)


@dataclass(frozen=True)
class Panel:
    """place: x, y, width and height on the grid of 24 columns. spec: Grafana's own words."""

    kind: str
    title: str
    place: tuple[int, int, int, int]
    targets: tuple[Target, ...]
    spec: dict[str, Any]

    @property
    def defaults(self) -> dict[str, Any]:
        """Settings of its values: unit, limits, thresholds."""
        return dict(self.spec.get("fieldConfig", {}).get("defaults", {}))

    @property
    def unit(self) -> str:
        """Grafana's name of its unit."""
        return str(self.defaults.get("unit", ""))


@dataclass(frozen=True)
class Board:
    """A dashboard whose variables have values."""

    title: str
    panels: tuple[Panel, ...]
    marks: str | None

    def asked(self) -> Iterator[tuple[str, str]]:
        """Every expression, with the title of its panel."""
        for panel in self.panels:
            for target in panel.targets:
                yield panel.title, target.expression
        if self.marks:
            yield "marks", self.marks


def read_all(client: Client, span: Span, namespace: str, job: str) -> Iterator[tuple[Path, Board]]:
    """All dashboards as of one job, the one of the operator as of the namespace that it is in."""
    operators = client.over("max by (namespace) (nerf_operator_leader)", span)
    home = operators[0].labels["namespace"] if operators else ""
    window = f"{max(60, int(4 * span.step))}s"
    for path in sorted(FOLDER.glob("*.json")):
        where = home if path.stem == "operator" else namespace
        yield path, read(path, {"namespace": where, "job": job, "__rate_interval": window})


def read(path: Path, values: dict[str, str]) -> Board:
    """The dashboard in a file. values: of its variables, and of Grafana's own."""
    document = json.loads(path.read_text())
    marks = [one for one in document.get("annotations", {}).get("list", ()) if "expr" in one]
    return Board(
        document["title"],
        tuple(_panel(one, values) for one in document["panels"]),
        fill(marks[0]["expr"], values) if marks else None,
    )


def _panel(spec: dict[str, Any], values: dict[str, str]) -> Panel:
    grid = spec["gridPos"]
    place = (grid.get("x", 0), grid.get("y", 0), grid["w"], grid["h"])
    targets = tuple(
        Target(
            fill(one["expr"], values),
            one.get("legendFormat", ""),
            one["refId"],
            bool(one.get("instant")),
        )
        for one in spec.get("targets", ())
    )
    return Panel(spec["type"], spec["title"], place, targets, spec)


def fill(expression: str, values: dict[str, str]) -> str:
    """An expression with values in the place of `$variables`."""
    return re.sub(r"\$(\w+)", lambda found: values[found[1]], expression)


def answer(client: Client, target: Target, span: Span) -> list[Series]:
    """The series of a query, without those that are no number anywhere."""
    if target.instant:
        found = client.at(target.expression, span.end)
    else:
        found = client.over(target.expression, span)
    clean = (
        Series(one.labels, tuple(point for point in one.points if point[1] == point[1]))
        for one in found
    )
    return [one for one in clean if one.points]
