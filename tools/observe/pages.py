"""A dashboard as one PNG: each panel's queries asked of a Prometheus, and drawn."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("agg")
import matplotlib.dates as dates
import matplotlib.pyplot as plt
from matplotlib.ticker import MultipleLocator

from observe import board as boards
from observe import units
from observe.board import Board, Panel, answer
from observe.client import Client, Series, Span

#: Inches of a grid column and of a grid row.
COLUMN, ROW = 0.75, 0.42
LEGEND_ROWS = 2
#: Upper ends of axes on which everything is 0.
SMALLEST = {"none": 1.0, "percentunit": 0.1}
MARK, NOTHING = "#8f3bb8", "no data"
_COLOURS = {"green": "#299c46", "yellow": "#d9a400", "red": "#d44a3a"}
_STYLE: dict[Any, Any] = {
    "font.size": 8,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.grid": True,
    "grid.alpha": 0.3,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
Found = list[tuple[str, Series]]


def draw_all(
    client: Client, span: Span, namespace: str, job: str, folder: Path, notes: dict[str, str]
) -> dict[Path, list[str]]:
    """All dashboards, as of one job. Returns the titles of panels without data, by file."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = {}
    for path, board in boards.read_all(client, span, namespace, job):
        file = folder / f"{path.stem}.png"
        drawn[file] = draw(board, client, span, file, f"{namespace}/{job}, {_dated(span)}", notes)
    return drawn


def _dated(span: Span) -> str:
    return datetime.fromtimestamp(span.start).strftime("%Y-%m-%d")


def draw(
    board: Board, client: Client, span: Span, file: Path, subtitle: str, notes: dict[str, str]
) -> list[str]:
    """Draw it, and return the titles of panels without data.

    notes: to be written on panels, by a word that is in one of their expressions.
    """
    height = max(y + h for _, y, _, h in (panel.place for panel in board.panels))
    size = (24 * COLUMN, height * ROW + 0.7)
    marks = client.over(board.marks, span) if board.marks else []
    empty = []
    with plt.rc_context(_STYLE):
        figure = plt.figure(figsize=size, dpi=100)
        figure.text(0.01, 1 - 0.25 / size[1], board.title, fontsize=15, weight="bold", va="top")
        figure.text(0.99, 1 - 0.25 / size[1], subtitle, fontsize=9, ha="right", va="top")
        for panel in board.panels:
            page = _Page(figure, size, marks, notes)
            if panel.kind == "row":
                page.heading(panel)
            elif not page.panel(panel, client, span):
                empty.append(panel.title)
        figure.savefig(file)
        plt.close(figure)
    return empty


class _Page:
    def __init__(
        self, figure: Any, size: tuple[float, float], marks: list[Series], notes: dict[str, str]
    ) -> None:
        self._figure, self._size, self._marks, self._notes = figure, size, marks, notes

    def heading(self, panel: Panel) -> None:
        left, bottom, _, height = self._box(panel)
        self._figure.text(
            left + 0.01, bottom + height / 4, panel.title, fontsize=11, color="#555555"
        )

    def panel(self, panel: Panel, client: Client, span: Span) -> bool:
        """Whether there was anything to draw for each of its queries."""
        answers = [(target, answer(client, target, span)) for target in panel.targets]
        found = [(target.name(one.labels), one) for target, group in answers for one in group]
        axes = self._axes(panel)
        axes.set_title(panel.title)
        if found:
            _DRAWN[panel.kind](axes, panel, found)
        else:
            axes.text(0.5, 0.5, NOTHING, color="red", ha="center", transform=axes.transAxes)
        if panel.kind == "timeseries":
            self._add_time(axes, span)
        self._add_note(axes, panel)
        return all(group for _, group in answers)

    def _box(self, panel: Panel) -> tuple[float, float, float, float]:
        """Left, bottom, width and height as shares of the figure."""
        x, y, w, h = panel.place
        height = self._size[1]
        bottom = 1 - (0.6 + (y + h) * ROW) / height
        return x / 24, bottom, w / 24, h * ROW / height

    def _axes(self, panel: Panel) -> Any:
        left, bottom, width, height = self._box(panel)
        inches = self._size
        sides = 0.95 / inches[0], 0.15 / inches[0]
        low = (0.2 if panel.kind == "stat" else 0.62) / inches[1]
        box = (left + sides[0], bottom + low, width - sum(sides), height - low - 0.3 / inches[1])
        return self._figure.add_axes(box)

    def _add_time(self, axes: Any, span: Span) -> None:
        axes.set_xlim(_moment(span.start), _moment(span.end))
        axes.xaxis.set_major_formatter(dates.DateFormatter("%H:%M"))  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_locator(dates.AutoDateLocator(maxticks=8))  # type: ignore[no-untyped-call]
        moments = {point[1] / 1000 for one in self._marks for point in one.points}
        for moment in moments:
            if span.start <= moment <= span.end:
                axes.axvline(_moment(moment), color=MARK, linewidth=1, linestyle=":")

    def _add_note(self, axes: Any, panel: Panel) -> None:
        asked = " ".join(target.expression for target in panel.targets)
        for word, note in self._notes.items():
            if word in asked:
                axes.text(1, 1.02, note, color="#b05000", ha="right", transform=axes.transAxes)


def _moment(seconds: float) -> Any:
    return datetime.fromtimestamp(seconds)


def _graph(axes: Any, panel: Panel, found: Found) -> None:
    custom = panel.defaults.get("custom", {})
    stacked = custom.get("stacking", {}).get("mode") == "normal"
    step = custom.get("lineInterpolation") == "stepAfter"
    if stacked:
        _stack(axes, found, step)
    else:
        for name, one in found:
            times = [_moment(moment) for moment, _ in one.points]
            values = [value for _, value in one.points]
            style = {"drawstyle": "steps-post"} if step else {}
            axes.plot(times, values, label=name, marker="." if len(times) == 1 else "", **style)
    high = _limit(axes, panel)
    _measure(axes, panel, most=high)
    shown = [name for name, _ in found][: LEGEND_ROWS * _legend_columns(found)]
    axes.legend(
        *(axes.get_legend_handles_labels()[0][: len(shown)], shown),
        loc="upper left",
        bbox_to_anchor=(0, -0.12),
        ncols=_legend_columns(found),
        frameon=False,
        fontsize=7,
        borderaxespad=0,
        columnspacing=1,
    )


def _legend_columns(found: Found) -> int:
    """As many as fit below a panel of half the page."""
    return max(1, 110 // (max(len(name) for name, _ in found) + 7))


def _measure(axes: Any, panel: Panel, most: float) -> None:
    """Ticks at round numbers of the unit."""
    step = units.step(most - axes.get_ylim()[0], most, panel.unit)
    axes.yaxis.set_major_locator(MultipleLocator(step))
    axes.yaxis.set_major_formatter(lambda value, _: units.write(value, panel.unit))


def _stack(axes: Any, found: Found, step: bool) -> None:
    times = sorted({moment for _, one in found for moment, _ in one.points})
    known = [dict(one.points) for _, one in found]
    values = [[points.get(moment, 0.0) for moment in times] for points in known]
    axes.stackplot(
        [_moment(moment) for moment in times],
        *values,
        labels=[name for name, _ in found],
        step="post" if step else None,
        alpha=0.75,
    )


def _limit(axes: Any, panel: Panel) -> float:
    """The panel's own ends of the axis, and thresholds that are in sight. Returns the upper end."""
    least, most = panel.defaults.get("min"), panel.defaults.get("max")
    axes.margins(y=0.08)
    low, high = axes.get_ylim()
    if least is not None:
        low, high = least, 1.1 * axes.dataLim.y1 or SMALLEST.get(panel.unit, 1e-3)
    high = high if most is None else most
    axes.set_ylim(low, high)
    style = panel.defaults.get("custom", {}).get("thresholdsStyle", {})
    for step in panel.defaults.get("thresholds", {}).get("steps", []) if style else []:
        if step.get("value") is not None and low < step["value"] < high:
            colour = _COLOURS.get(step["color"], "grey")
            axes.axhline(step["value"], color=colour, linestyle="--", linewidth=0.8)
    return float(high)


def _number(axes: Any, panel: Panel, found: Found) -> None:
    axes.axis("off")
    [(_, one), *_] = found
    text = units.write(one.last, panel.unit)
    axes.text(0, 0.35, text, fontsize=17, color=_colour(panel, one.last), weight="bold")


def _bars(axes: Any, panel: Panel, found: Found) -> None:
    names, values = [name for name, _ in found], [one.last for _, one in found]
    colours = [_colour(panel, value) for value in values]
    drawn = axes.barh(range(len(names)), values, height=0.55, color=colours)
    axes.bar_label(drawn, [units.write(value, panel.unit) for value in values], padding=3)
    axes.set_yticks([])
    for row, name in enumerate(names):
        axes.text(0, row + 0.32, name, va="bottom", fontsize=8)
    axes.set_xlim(0, 1.12)
    axes.set_ylim(-0.6, max(len(names), 2) + 0.2)
    axes.xaxis.set_major_formatter(lambda value, _: units.write(value, panel.unit))


def _by_size(axes: Any, panel: Panel, found: Found) -> None:
    lines: dict[str, list[tuple[float, float]]] = {}
    for name, one in found:
        lines.setdefault(name, []).append((float(one.labels["world_size"]), one.last))
    for name, points in lines.items():
        style = "--" if name == "ideal" else "-"
        axes.plot(*zip(*sorted(points), strict=True), style, marker="o", markersize=4, label=name)
    axes.set_xticks(sorted({size for points in lines.values() for size, _ in points}))
    axes.set_xlabel("processes", labelpad=1)
    high = 1.08 * max(y for points in lines.values() for _, y in points)
    axes.set_ylim(0, high)
    axes.set_xlim(left=0)
    _measure(axes, panel, most=high)
    axes.legend(loc="upper left", frameon=False)


def _colour(panel: Panel, value: float) -> str:
    """The colour that the thresholds give a value."""
    steps: Sequence[dict[str, Any]] = panel.defaults.get("thresholds", {}).get("steps", [])
    name = "green"
    for step in steps:
        if step.get("value") is None or value >= step["value"]:
            name = step["color"]
    return _COLOURS.get(name, "grey")


_DRAWN = {"timeseries": _graph, "stat": _number, "bargauge": _bars, "trend": _by_size}
