"""The places of a job's pods: one for each worker and each stage, whatever the attempt."""

from collections.abc import Sequence

from nerf_cli.choosing import component, worker_index
from nerf_cli.cluster import Object
from nerf_contract import names
from nerf_contract.containers import ours

#: Pods that failed whose logs are read.
MOST_LOGS = 3


def newest(pods: Sequence[Object]) -> list[tuple[Object, Object | None]]:
    """The last pod of each place, and the one before it."""
    found: dict[tuple[str, int], list[Object]] = {}
    for pod in sorted(pods, key=attempt):
        index = worker_index(pod)
        found.setdefault((component(pod), -1 if index is None else index), []).append(pod)
    return [(line[-1], line[-2] if len(line) > 1 else None) for _, line in sorted(found.items())]


def attempt(pod: Object) -> int:
    """Which one of its place it is."""
    return int(pod["metadata"].get("labels", {}).get(names.LABEL_ATTEMPT, 0))


def failed(pod: Object) -> bool:
    """Whether it ended badly."""
    return bool(pod["status"].get("phase") == "Failed")


def ready(pod: Object) -> bool:
    """Whether it does its work."""
    found = condition(pod, "Ready").get("status") == "True"
    return found and "deletionTimestamp" not in pod["metadata"]


def fine(pod: Object) -> bool:
    """Whether nothing is to be said of it."""
    return ready(pod) or pod["status"].get("phase") == "Succeeded"


def condition(pod: Object, type_: str) -> dict[str, str]:
    """A condition of the pod; {} where it has none of that type."""
    found = pod["status"].get("conditions") or []
    return next((c for c in found if c["type"] == type_), {})


def container(pod: Object) -> Object:
    """State of its container; {} before there is any."""
    return ours(pod["status"].get("containerStatuses") or [])


def worth_reading(pods: Sequence[Object]) -> list[Object]:
    """Pods whose last words tell why a job is not further: those that failed, and one that runs."""
    both = newest(pods)
    former = [before for last, before in both if before is not None and not fine(last)]
    ended = [pod for pod in [*(last for last, _ in both), *former] if failed(pod)]
    return [*ended[:MOST_LOGS], *[last for last, _ in both if _works(last)][:1]]


def _works(pod: Object) -> bool:
    """A stage that runs, or a worker that should train and does not yet."""
    running = pod["status"].get("phase") == "Running"
    stage = component(pod) in names.STAGE_COMPONENTS
    return bool(running and (stage or not ready(pod)))
