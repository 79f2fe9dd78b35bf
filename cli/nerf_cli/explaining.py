"""`kubectl nerf explain`: why a job is as it is, from what it shows to the cause."""

from collections.abc import Sequence

from nerf_cli import telling
from nerf_cli.causes import chain, finding
from nerf_cli.causes.evidence import Evidence, gather, when
from nerf_cli.cluster import Cluster, Object
from nerf_cli.meter import Say

LATEST_EVENTS = 6


def run(cluster: Cluster, name: str, say: Say) -> None:
    """Print it. Raises UserError where there is no such job."""
    for line in lines(gather(cluster, name)):
        say(line)


def lines(seen: Evidence) -> list[str]:
    """All that is said of a job."""
    found = chain.find(seen)
    if not found:
        return [telling.end(seen.job), "Nothing stands in its way."]
    told = [line for one in found for line in finding.lines(one)]
    return [*_head(seen.job), *told, *_hidden(seen), *_latest(seen)]


def _head(job: Object) -> list[str]:
    """How far it is, where it has begun: the rest is in the chain."""
    head = [] if telling.ended(job) or telling.percent(job) is None else [telling.line(job)]
    return [*head, *([telling.dataset(job)] if telling.dataset(job) else [])]


def _hidden(seen: Evidence) -> list[str]:
    return [f"not looked at, as you may not: {', '.join(seen.hidden)}"] if seen.hidden else []


def _latest(seen: Evidence) -> Sequence[str]:
    events = seen.about(seen.job)[-LATEST_EVENTS:]
    return ["latest events:", *map(_event, events)] if events else []


def _event(event: Object) -> str:
    return f"  {when(event)[:19]}  {event.get('reason', '')}: {event.get('message', '')}"
