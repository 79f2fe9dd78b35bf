"""docs/reliability.md: the fault matrix, and what its last runs have shown."""

from collections.abc import Iterable, Sequence

from faults import results
from faults.results import Result
from faults.rows import GROUPS, MEANINGS, Layer, Row
from generate.reference import page, table

COLUMNS = (
    *("Fault", "Brought about by", "What must hold", "Shown on", "Last run"),
    *("Longest time without a new step", "All as before after", "Steps lost; done twice"),
)
_NEVER = "**never run**"


def reliability() -> str:
    """docs/reliability.md"""
    found = results.read()
    return page(
        "Reliability",
        *_head(found),
        *(part for name, rows in GROUPS.items() for part in (f"## {name}", _table(rows, found))),
        "## How it is measured",
        _HOW,
        "## Machines",
        _machines(found),
    )


def _head(found: Sequence[Result]) -> Iterable[str]:
    rows = [row for group in GROUPS.values() for row in group]
    last = {row.id: latest(row, found) for row in rows}
    good = sum(1 for one in last.values() if one and one.passed)
    layers = "; ".join(f"*{layer}*: {MEANINGS[layer]}" for layer in Layer)
    yield _INTRO
    yield f"**{good} of {len(rows)} rows passed when they were last run.** {_passes(rows, found)}"
    yield f"Where a row is shown: {layers}."


def _passes(rows: Sequence[Row], found: Sequence[Result]) -> str:
    whole = [
        seed
        for seed in sorted({one.seed for one in found})
        if {row.id for row in rows} <= results.passed(found, seed)
    ]
    if not whole:
        return "There is no seed yet with which all have passed."
    seeds = "seed" if len(whole) == 1 else "seeds"
    return f"All have passed with {seeds} {', '.join(map(str, whole))}."


def latest(row: Row, found: Iterable[Result]) -> Result | None:
    """The last result of a row, whatever its seed."""
    return next((one for one in reversed(list(found)) if one.row == row.id), None)


def _table(rows: Iterable[Row], found: Sequence[Result]) -> str:
    return table(COLUMNS, (_row(row, found) for row in rows))


def _row(row: Row, found: Sequence[Result]) -> tuple[str, ...]:
    last = latest(row, found)
    seeds = len({one.seed for one in found if one.row == row.id and one.passed})
    told = _told(last, seeds) if last else _NEVER
    shown = f"[{row.layer.value}](../{row.tests[0].partition('::')[0]})"
    return (row.fault, row.how, row.holds, shown, told, *_figures(last))


def _told(last: Result, seeds: int) -> str:
    if not last.passed:
        return f"**failed** {last.date} (seed {last.seed}): {last.note or 'see the test'}"
    more = f", {seeds} seeds" if seeds > 1 else ""
    return f"passed {last.date}{more}"


def _figures(last: Result | None) -> tuple[str, str, str]:
    if last is None or not last.passed:
        return "", "", ""
    lost = "" if last.steps_lost is None else f"{last.steps_lost}; {last.steps_repeated}"
    return _seconds(last.recovery_s), _seconds(last.whole_s), lost


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:g} s"


def _machines(found: Sequence[Result]) -> str:
    machines = sorted({(one.machine, one.date) for one in found})
    rows = [(machine, date, _commits(found, machine, date)) for machine, date in machines]
    return table(("Machine", "Date", "Commits"), rows) if rows else "None yet."


def _commits(found: Sequence[Result], machine: str, date: str) -> str:
    there = [one.commit for one in found if (one.machine, one.date) == (machine, date)]
    return ", ".join(f"`{commit}`" for commit in dict.fromkeys(there))


_INTRO = """\
Each row is a fault, and a test that brings it about. `make test-faults` goes through them, with
`SEED=` another one for other moments and victims, or `ROW=` for one of them. Interrupted, it later
goes on with what has not passed yet. This page is made from the last results, failures too."""
_HOW = """\
On the cluster each job has two small workers and a checkpoint every 5 seconds. Each worker is asked
for its progress at its own address ten times a second, and logs of the pods tell from which step
each group began. So lost steps are counted exactly where a worker survives; where none does, up to
a tenth of a second of them may be missing. In each of these rows no rank may be held by two workers
at once, no two groups may train at once, and nothing that the job owned may be left after it.

Times are those of two cores, on which both nodes, the control plane, the tests and often other work
run: until all is as before most of the time goes by until Python and torch have started in the new
pod. A node that is silent counts as lost after 16 s there; a cluster's default is 40 to 50 s."""
