"""`kubectl nerf explain`: a job's conditions, what they mean, and what happened lately."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from nerf_cli import telling
from nerf_cli.cluster import Cluster, Object
from nerf_cli.meter import Say
from nerf_contract import reasons

LATEST_EVENTS = 10
#: What each condition answers.
QUESTIONS = {
    reasons.SUCCEEDED: "Is everything done?",
    reasons.FAILED: "Has it failed for good?",
    reasons.POSES_READY: "Are the photos there, and their cameras known?",
    reasons.RUNNING: "Do enough workers train?",
    reasons.WORKERS_READY: "Do all wanted workers train?",
    reasons.TRAINED: "Has the training reached its end?",
    reasons.OUTPUTS_READY: "Are video, mesh and the like made?",
    reasons.SUSPENDED: "Is it to have no pods for now?",
    reasons.RECONCILING: "Is the operator at work on it?",
    reasons.STALLED: "Does it wait for a person?",
}


def run(cluster: Cluster, name: str, console: Console, say: Say) -> None:
    """Print it."""
    job = cluster.job(name)
    say(telling.end(job))
    if found := telling.dataset(job):
        say(found)
    console.print(conditions(job))
    say(advice(job))
    latest = events(cluster, job["metadata"]["uid"])
    say("\n".join(["latest events:", *latest] if latest else ["no events lately"]))


def conditions(job: Object) -> Table:
    """The conditions, those of trouble in red."""
    table = Table("Condition", "", "Why")
    for found in telling.status_of(job).get("conditions") or []:
        style = "bold red" if telling.is_trouble(found) else ""
        question = Text(f"\n{QUESTIONS.get(found['type'], '')}", style="dim")
        table.add_row(
            Text(found["type"], style=style) + question,
            Text(found["status"], style=style),
            Text(f"{found.get('reason', '')}: {found.get('message', '')}", style=style),
        )
    return table


def advice(job: Object) -> str:
    """What to do, in a line or two."""
    name = job["metadata"]["name"]
    bad = telling.troubles(job)
    if not telling.status_of(job).get("conditions"):
        return (
            "The operator has not looked at the job yet. Does it run, and serve this namespace? "
            "kubectl get deployments -A -l app.kubernetes.io/name=nerf-operator"
        )
    if not bad:
        return "No condition tells of trouble."
    lines = [f"to mend: {telling.sentence(found)}" for found in bad]
    for found in bad:
        failure = reasons.FAILURES.get(found.get("reason", ""))
        if failure is not None:
            again = "It is tried again" if failure.retryable else "It is not tried again"
            lines.append(f"{found['reason']}: {failure.meaning} {again} by itself.")
    return "\n".join([*lines, f"more: kubectl nerf logs {name}"])


def events(cluster: Cluster, uid: str) -> Sequence[str]:
    """The latest events of the job, oldest first."""
    selector = f"involvedObject.uid={uid}"
    found = cluster.core.list_namespaced_event(cluster.namespace, field_selector=selector).items
    items: list[Object] = cluster.api.sanitize_for_serialization(found)
    items.sort(key=_when)
    return [_event(item) for item in items[-LATEST_EVENTS:]]


def _event(event: Object) -> str:
    return f"{_when(event)[:19]}  {event.get('reason', '')}: {event.get('message', '')}"


def _when(event: Object) -> str:
    times = (event.get(key) for key in ("lastTimestamp", "eventTime", "firstTimestamp"))
    return str(next((t for t in times if t), event["metadata"].get("creationTimestamp", "")))
