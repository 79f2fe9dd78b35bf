"""What is read of a job and of what is around it; what may not be read is told."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from kubernetes.client.exceptions import ApiException

from nerf_cli import logs, operator_image
from nerf_cli.causes import places, serving
from nerf_cli.cluster import Cluster, Object
from nerf_cli.errors import missing
from nerf_contract import children

T = TypeVar("T")
#: Last lines of a log that are read.
LOG_LINES = 8
#: Nodes that are looked at; more tell nothing new.
MOST_NODES = 500
_DEPLOYMENT = "the operator's Deployment"


@dataclass(frozen=True)
class Evidence:
    """Objects as the API writes them.

    pods: of the job. events: about the job, and about its pods and claims. claims: by name; None
    where there is none. nodes, operators (Deployments): None where they may not be read.
    leases: of those operators, as `serving.Leases`.
    logs: last lines by the name of the pod. hidden: what the user has no right to read.
    """

    job: Object
    now: datetime
    pods: Sequence[Object] = ()
    events: Sequence[Object] = ()
    claims: Mapping[str, Object | None] = field(default_factory=dict)
    nodes: Sequence[Object] | None = None
    operators: Sequence[Object] | None = None
    leases: serving.Leases = field(default_factory=dict)
    logs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    hidden: tuple[str, ...] = ()

    def about(self, obj: Object) -> list[Object]:
        """Events about an object, oldest first."""
        uid = obj["metadata"].get("uid")
        found = [e for e in self.events if e.get("involvedObject", {}).get("uid") == uid]
        return sorted(found, key=when)


def when(event: Object) -> str:
    """When it happened last."""
    times = (event.get(key) for key in ("lastTimestamp", "eventTime", "firstTimestamp"))
    return str(next((t for t in times if t), event["metadata"].get("creationTimestamp", "")))


def gather(cluster: Cluster, name: str) -> Evidence:
    """All that may be read. Raises UserError where there is no such job."""
    job = cluster.job(name)
    read = _Reader()
    pods = [pod for pod in read.list("pods", lambda: cluster.job_pods(name)) if _owned(pod, job)]
    events = read.list("events", lambda: _events(cluster, job))
    claims = read.one("claims", lambda: _claims(cluster, job)) or {}
    nodes = read.one("nodes", lambda: _nodes(cluster))
    operators = read.one(_DEPLOYMENT, lambda: operator_image.deployments(cluster))
    return Evidence(
        job=job,
        now=datetime.now(UTC),
        pods=pods,
        events=events,
        claims=claims,
        nodes=nodes,
        operators=operators,
        leases=_leases(cluster, operators or ()),
        logs=_logs(cluster, pods),
        hidden=tuple(read.hidden),
    )


class _Reader:
    """Reads, and remembers what it was not allowed to."""

    def __init__(self) -> None:
        self.hidden: list[str] = []

    def one(self, what: str, ask: Callable[[], T]) -> T | None:
        """The answer; None where that is forbidden."""
        try:
            return ask()
        except ApiException as error:
            if error.status != 403:
                raise
            self.hidden.append(what)
            return None

    def list(self, what: str, ask: Callable[[], Sequence[Object]]) -> Sequence[Object]:
        """The answer; () where that is forbidden."""
        return self.one(what, ask) or ()


def _owned(pod: Object, job: Object) -> bool:
    """Not of an earlier job of the name."""
    owners = pod["metadata"].get("ownerReferences", [])
    return any(owner.get("uid") == job["metadata"]["uid"] for owner in owners)


def _events(cluster: Cluster, job: Object) -> list[Object]:
    """Those of the job, those of claims, and what is wrong with pods."""
    wanted = (
        f"involvedObject.uid={job['metadata']['uid']}",
        "involvedObject.kind=PersistentVolumeClaim",
        "involvedObject.kind=Pod,type=Warning",
    )
    ask = cluster.core.list_namespaced_event
    found = [ask(cluster.namespace, field_selector=fields).items for fields in wanted]
    return [event for items in found for event in cluster.plain(items)]


def _claims(cluster: Cluster, job: Object) -> dict[str, Object | None]:
    return {name: _claim(cluster, name) for name in claim_names(job)}


def claim_names(job: Object) -> list[str]:
    """The claims of a job: for its photos, and for its checkpoints."""
    name, spec = job["metadata"]["name"], job["spec"]
    volume = spec.get("checkpoint", {}).get("volume", {})
    photos = spec["dataset"].get("claimName") or children.dataset_claim(name)
    return sorted({photos, volume.get("claimName") or children.checkpoint_claim(name)})


def _claim(cluster: Cluster, name: str) -> Object | None:
    ask = cluster.core.read_namespaced_persistent_volume_claim
    try:
        [claim] = cluster.plain([ask(name, cluster.namespace)])
    except ApiException as error:
        if missing(error):
            return None
        raise
    return claim


def _nodes(cluster: Cluster) -> list[Object]:
    return cluster.plain(cluster.core.list_node(limit=MOST_NODES).items)


def _leases(cluster: Cluster, operators: Sequence[Object]) -> serving.Leases:
    """What may not be read is missing, and not worth a word: few may, and few miss it."""
    found: dict[tuple[str, str], Object | None] = {}
    for where in filter(None, map(serving.lease, operators)):
        namespace, name = where
        try:
            [found[where]] = cluster.plain([cluster.leases.read_namespaced_lease(name, namespace)])
        except ApiException as error:
            if missing(error):
                found[where] = None
            elif error.status != 403:
                raise
    return found


def _logs(cluster: Cluster, pods: Sequence[Object]) -> dict[str, tuple[str, ...]]:
    """What may not be read, or is gone with its node, is missing."""
    asked = {
        p["metadata"]["name"]: logs.tail(cluster, p, LOG_LINES) for p in places.worth_reading(pods)
    }
    return {name: lines for name, lines in asked.items() if lines}
