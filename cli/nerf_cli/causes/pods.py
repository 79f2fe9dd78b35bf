"""Pods that do not do their work, and why: one finding for those that have it from one cause."""

from collections.abc import Callable
from datetime import datetime, timedelta

from nerf_cli.causes import containers, endings, places, scheduler
from nerf_cli.causes.evidence import MOST_NODES, Evidence
from nerf_cli.causes.finding import Finding, because
from nerf_cli.cluster import Object

#: A pod that ends takes this much longer than its grace period before something is wrong.
_LEAVE = timedelta(seconds=15)

Trouble = list[Finding]
Rule = Callable[[Evidence, Object], Trouble]


def causes(seen: Evidence) -> list[Finding]:
    """What is wrong with the pods, the same trouble of several told once."""
    told: dict[tuple[Finding, ...], list[str]] = {}
    for pod, trouble in _troubles(seen):
        told.setdefault(tuple(trouble), []).append(pod["metadata"]["name"])
    return [finding for trouble, pods in told.items() for finding in _named(trouble, pods)]


def _named(trouble: tuple[Finding, ...], pods: list[str]) -> list[Finding]:
    first, *rest = trouble
    more = f" and {len(pods) - 1} more" if len(pods) > 1 else ""
    what = f"{pods[0]}{more}: {first.what}"
    return [Finding(what, first.todo, first.quotes), *rest]


def _troubles(seen: Evidence) -> list[tuple[Object, Trouble]]:
    found = []
    for last, former in places.newest(seen.pods):
        if places.fine(last):
            continue
        found.append((last, _trouble(seen, last)))
        if former is not None and places.failed(former) and not places.failed(last):
            found.append((former, endings.trouble(former, _log(seen, former))))
    return [(pod, trouble) for pod, trouble in found if trouble]


def _log(seen: Evidence, pod: Object) -> tuple[str, ...]:
    return seen.logs.get(pod["metadata"]["name"], ())


def _trouble(seen: Evidence, pod: Object) -> Trouble:
    """The effect, and what it comes from."""
    if places.failed(pod):
        return endings.trouble(pod, _log(seen, pod))
    if "deletionTimestamp" in pod["metadata"]:
        return _leaving(seen, pod)
    for rule in _RULES:
        if found := rule(seen, pod):
            return found
    return []


def _leaving(seen: Evidence, pod: Object) -> Trouble:
    """It should be gone by its deletionTimestamp, which has its grace period in it."""
    due = datetime.fromisoformat(pod["metadata"]["deletionTimestamp"])
    if seen.now < due + _LEAVE:
        return []
    name, node = pod["metadata"]["name"], pod["spec"].get("nodeName")
    away = _away(seen, node)
    if not away:
        todo = f"`kubectl describe pod {name}` tells more."
        return [Finding("it should be gone, and still ends", todo)]
    return [Finding("it should be gone, and still ends"), *because([away[0]])]


def _away(seen: Evidence, node: str | None) -> list[Finding]:
    """What is said of a node that is not there to do anything."""
    if not node or seen.nodes is None:
        return []
    known = {n["metadata"]["name"]: n for n in seen.nodes}
    if node not in known and len(known) < MOST_NODES:
        return [Finding(f"its node {node} no longer exists", "The pod goes within minutes.")]
    ready = places.condition(known.get(node, {"status": {}}), "Ready")
    if ready.get("status", "True") == "True":
        return []
    return [
        Finding(
            f"its node {node} is not ready: {ready.get('reason', '')}",
            f"Start the node. If it is off for good, delete it, or let go of its pods: `kubectl "
            f"taint nodes {node} node.kubernetes.io/out-of-service=nodeshutdown:NoExecute`.",
        )
    ]


def _node(seen: Evidence, pod: Object) -> Trouble:
    away = _away(seen, pod["spec"].get("nodeName"))
    return [Finding("nothing is heard of it"), *because(away)] if away else []


def _gated(seen: Evidence, pod: Object) -> Trouble:
    gates = [gate["name"] for gate in pod["spec"].get("schedulingGates") or []]
    if not gates:
        return []
    return [Finding(f"it is held back by {', '.join(gates)}", "Whoever set that must let it go.")]


def _unscheduled(seen: Evidence, pod: Object) -> Trouble:
    if pod["spec"].get("nodeName"):
        return []
    found = places.condition(pod, "PodScheduled")
    if found.get("status") == "False":
        told = scheduler.causes(found.get("message", ""), pod, seen.nodes)
        return [Finding("no node takes it"), *because(told)]
    name = pod["spec"].get("schedulerName", "default-scheduler")
    return [
        Finding(
            "no scheduler has looked at it yet",
            f"Where that lasts: the scheduler {name} must run.",
        )
    ]


def _held(seen: Evidence, pod: Object) -> Trouble:
    return containers.held(pod, seen.about(pod))


def _crashed(seen: Evidence, pod: Object) -> Trouble:
    """The cluster starts it again in its place, as it does with viewers."""
    ended = places.container(pod).get("lastState", {}).get("terminated")
    return endings.trouble(pod, _log(seen, pod)) if ended else []


def _begins(seen: Evidence, pod: Object) -> Trouble:
    """Nothing is wrong: it only needs time."""
    if pod["status"].get("phase") == "Running":
        what = "it runs, and is not ready yet: it reads the photos and warms up"
        return [Finding(what, "", _log(seen, pod))]
    return [Finding("it starts: its volumes are mounted, and its image is pulled")]


_RULES: tuple[Rule, ...] = (_node, _gated, _unscheduled, _held, _crashed, _begins)
