"""Panels and whole dashboards of Grafana, in the few forms that ours have."""

import itertools
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from grafana_foundation_sdk.builders import bargauge, common, dashboard, stat, timeseries, trend
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as shapes
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

#: A builder of the library; its classes share no base but the generic one.
Panel = Any
TAG = "nerf-operator"
#: Grid columns of a dashboard, and rows of a panel.
WIDTH, HEIGHT, LOW = 24, 8, 4
SOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
GREEN, YELLOW, RED = "green", "yellow", "red"


@dataclass(frozen=True)
class Query:
    """An expression, and what its series are called: `{{label}}` stands for a label's value."""

    expression: str
    legend: str


@dataclass(frozen=True)
class Limits:
    """Colours of values: the first up to the first bound, the next one from there, and so on."""

    colours: tuple[str, ...] = (GREEN,)
    bounds: tuple[float, ...] = ()

    @classmethod
    def at_most(cls, good: float, fair: float) -> "Limits":
        """Green below `good`, red from `fair` on."""
        return cls((GREEN, YELLOW, RED), (good, fair))

    @classmethod
    def at_least(cls, fair: float, good: float) -> "Limits":
        """Red below `fair`, green from `good` on."""
        return cls((RED, YELLOW, GREEN), (fair, good))


ANY = Limits()


def graph(
    title: str,
    about: str,
    unit: str,
    *queries: Query,
    width: int = WIDTH // 2,
    limits: Limits = ANY,
    least: float | None = 0,
    most: float | None = None,
    stacked: bool = False,
    steps: bool = False,
) -> Panel:
    """Values over time. steps: they stay until they change."""
    panel = _common(timeseries.Panel(), title, about, unit, width, HEIGHT, limits)
    panel.legend(_LEGEND).tooltip(_TOOLTIP).line_width(2).fill_opacity(25 if stacked else 5)
    panel.show_points(shapes.VisibilityMode.NEVER)
    if least is not None:
        panel.min(least)
    if most is not None:
        panel.max(most)
    if stacked:
        panel.stacking(common.StackingConfig().mode(shapes.StackingMode.NORMAL).group("A"))
    if steps:
        panel.line_interpolation(shapes.LineInterpolation.STEP_AFTER)
    if limits.bounds:
        style = common.GraphThresholdsStyleConfig().mode(shapes.GraphThresholdsStyleMode.DASHED)
        panel.thresholds_style(style)
    return _asking(panel, queries)


def number(
    title: str, about: str, unit: str, query: Query, width: int = 4, limits: Limits = ANY
) -> Panel:
    """The newest value, large."""
    panel = _common(stat.Panel(), title, about, unit, width, LOW, limits)
    panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    return _asking(panel, [query])


def bars(
    title: str, about: str, unit: str, query: Query, width: int = WIDTH // 2, limits: Limits = ANY
) -> Panel:
    """The newest value of each series, from 0 to 1."""
    panel = _common(bargauge.Panel(), title, about, unit, width, HEIGHT, limits)
    panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    panel.orientation(shapes.VizOrientation.HORIZONTAL).min(0).max(1)
    return _asking(panel, [query])


def by_size(title: str, about: str, unit: str, *queries: Query, width: int = WIDTH // 2) -> Panel:
    """The newest values against the label `world_size`: each query has one series for each."""
    panel = _common(trend.Panel(), title, about, unit, width, HEIGHT, ANY)
    panel.legend(_LEGEND).tooltip(_TOOLTIP).x_field("world_size").line_width(2).min(0)
    panel.show_points(shapes.VisibilityMode.ALWAYS)
    names = {f"Value #{ref}": query.legend for ref, query in _lettered(queries)}
    for step, options in (
        ("merge", {}),
        ("convertFieldType", {"conversions": [_NUMBER]}),
        ("sortBy", {"sort": [{"field": "world_size"}]}),
        ("organize", {"excludeByName": {"Time": True}, "renameByName": names}),
    ):
        panel.with_transformation(models.DataTransformerConfig(id_val=step, options=options))
    for ref, query in _lettered(queries):
        panel.with_target(_target(ref, query).instant().format(PromQueryFormat.TABLE))
    return panel


_NUMBER = {"targetField": "world_size", "destinationType": "number"}
_LEGEND = (
    common.VizLegendOptions()
    .display_mode(shapes.LegendDisplayMode.LIST)
    .placement(shapes.LegendPlacement.BOTTOM)
    .show_legend(True)
)
_TOOLTIP = common.VizTooltipOptions().mode(shapes.TooltipDisplayMode.MULTI)


def _common(
    panel: Panel, title: str, about: str, unit: str, width: int, height: int, limits: Limits
) -> Panel:
    bounds: tuple[float | None, ...] = (None, *limits.bounds)
    colours = zip(bounds, limits.colours, strict=True)
    steps = [models.Threshold(value=value, color=colour) for value, colour in colours]
    thresholds = dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps)
    panel.title(title).description(about).unit(unit).datasource(SOURCE)
    return panel.span(width).height(height).thresholds(thresholds)


def _asking(panel: Panel, queries: Sequence[Query]) -> Panel:
    for ref, query in _lettered(queries):
        panel.with_target(_target(ref, query).range())
    return panel


def _lettered(queries: Sequence[Query]) -> Iterable[tuple[str, Query]]:
    return zip("ABCDEFGH", queries, strict=False)


def _target(ref: str, query: Query) -> Dataquery:
    return Dataquery().ref_id(ref).expr(query.expression).legend_format(query.legend)


# --- Dashboards ----------------------------------------------------------------------------------


def choice(name: str, label: str, metric: str, several: bool = False) -> Any:
    """A variable with the values that a label has: of the same name, among series of `metric`."""
    variable = dashboard.QueryVariable(name).label(label).datasource(SOURCE)
    variable.query(f"label_values({metric}, {name})")
    variable.refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
    variable.sort(models.VariableSort.ALPHABETICAL_ASC)
    return variable.multi(True).include_all(True).all_value(".*") if several else variable


def board(
    uid: str,
    title: str,
    about: str,
    variables: Sequence[Any],
    rows: dict[str, Sequence[Panel]],
    marks: Query | None = None,
) -> str:
    """A dashboard as JSON. rows: by title. marks: moments, in Unix time, to show in all graphs."""
    page = dashboard.Dashboard(title).uid(uid).description(about).tags([TAG]).timezone("browser")
    page.time("now-1h", "now").refresh("30s").editable().tooltip(
        models.DashboardCursorSync.CROSSHAIR
    )
    links = dashboard.DashboardLink("NeRF dashboards").type(models.DashboardLinkType.DASHBOARDS)
    page.link(links.tags([TAG]).as_dropdown(True).include_vars(True).keep_time(True))
    page.with_variable(
        dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus")
    )
    for variable in variables:
        page.with_variable(variable)
    if marks is not None:
        page.annotation(_annotation(marks))
    numbers = itertools.count(1)
    for name, panels in rows.items():
        page.with_row(dashboard.Row(name).id(next(numbers)))
        for panel in panels:
            page.with_panel(panel.id(next(numbers)))
    return _encoded(page)


def _annotation(marks: Query) -> dashboard.AnnotationQuery:
    found = dashboard.AnnotationQuery().name(marks.legend).datasource(SOURCE).enable(True)
    return found.icon_color("purple").expr(f"1000 * {marks.expression}")


def _encoded(page: dashboard.Dashboard) -> str:
    """With what the library does not know of annotations: a value is a moment, in milliseconds."""
    document = json.loads(JSONEncoder().encode(page.build()))
    for one in document.get("annotations", {}).get("list", ()):
        one |= {"useValueForTime": True, "titleFormat": one["name"]}
    return json.dumps(document, sort_keys=True, indent=2) + "\n"
