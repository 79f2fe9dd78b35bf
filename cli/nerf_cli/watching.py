"""Showing a job while it goes on: redrawn on a terminal, lines elsewhere."""

import time
from collections.abc import Callable, Iterable

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from nerf_cli import telling
from nerf_cli.cluster import Object
from nerf_cli.meter import Say

LINE_EVERY_S = 5.0


def show(jobs: Iterable[Object], console: Console, say: Say) -> Object | None:
    """Show each version of a job until it has ended; the last one, or None if there is none."""
    if not console.is_terminal:
        return show_lines(jobs, say)
    last = None
    with Live(console=console, auto_refresh=False) as live:
        for last in jobs:
            live.update(picture(last), refresh=True)
            if telling.ended(last):
                break
    return last


def show_lines(
    jobs: Iterable[Object], say: Say, clock: Callable[[], float] = time.monotonic
) -> Object | None:
    """A line now and then where something changed, and one for each trouble at once."""
    last, told, told_at = None, "", -LINE_EVERY_S
    troubles: list[str] = []
    for last in jobs:
        now_wrong = [telling.sentence(c) for c in telling.troubles(last)]
        for words in now_wrong:
            if words not in troubles:
                say(words)
        troubles = now_wrong
        text = telling.line(last)
        if telling.ended(last):
            break
        if text != told and clock() - told_at >= LINE_EVERY_S:
            say(text)
            told, told_at = text, clock()
    return last


def picture(job: Object) -> RenderableType:
    """The job on a terminal."""
    row = Table.grid(padding=(0, 2))
    bar = ProgressBar(total=100, completed=telling.percent(job) or 0, width=telling.WIDTH)
    row.add_row(Text(telling.phase(job), style="bold"), bar, Text(telling.words(job)))
    found = telling.dataset(job)
    troubles = [Text(telling.sentence(c), style="red") for c in telling.troubles(job)]
    return Group(row, *([Text(found, style="dim")] if found else []), *troubles)
