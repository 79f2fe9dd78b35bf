"""Which pod of a job is meant: plain functions of its pods."""

from collections.abc import Callable, Sequence
from typing import Literal

from nerf_cli.cluster import Object
from nerf_cli.errors import UserError
from nerf_contract import names

Stage = Literal["download", "poses", "train", "export", "viewer"]
_COMPONENTS = {
    "download": names.COMPONENT_DOWNLOAD,
    "poses": names.COMPONENT_POSES,
    "train": names.COMPONENT_WORKER,
    "export": names.COMPONENT_EXPORT,
    "viewer": names.COMPONENT_VIEWER,
}


def component(pod: Object) -> str:
    """What the pod is for."""
    return str(pod["metadata"].get("labels", {}).get(names.LABEL_COMPONENT, ""))


def worker_index(pod: Object) -> int | None:
    """Index of a worker pod."""
    text = pod["metadata"].get("labels", {}).get(names.LABEL_INDEX)
    return int(text) if text is not None else None


def to_read(pods: Sequence[Object], stage: Stage | None, worker: int | None) -> Object:
    """The pod whose log is wanted. Raises UserError where there is none.

    Without a stage: what runs now, else what ran last; of several workers the first.
    """
    rules: list[Callable[[Object], bool]] = [_has_log]
    if stage is not None:
        rules.append(lambda pod: component(pod) == _COMPONENTS[stage])
    if worker is not None:
        rules.append(lambda pod: worker_index(pod) == worker)
    found = [pod for pod in pods if all(rule(pod) for rule in rules)]
    if stage is None:
        found = [pod for pod in found if component(pod) in _OWN] or found
    if not found:
        raise UserError(_none(pods, stage, worker))
    return max(found, key=_preference)


#: Stages whose log tells how the job goes; the viewer and the coordinator run beside it.
_OWN = (
    *(names.COMPONENT_DOWNLOAD, names.COMPONENT_POSES),
    *(names.COMPONENT_WORKER, names.COMPONENT_EXPORT),
)


def _preference(pod: Object) -> tuple[bool, int, str, int]:
    running, index = pod["status"].get("phase") == "Running", worker_index(pod) or 0
    return running, -index if running else 0, pod["metadata"]["creationTimestamp"], -index


def _has_log(pod: Object) -> bool:
    return pod["status"].get("phase") in ("Running", "Succeeded", "Failed")


def _none(pods: Sequence[Object], stage: Stage | None, worker: int | None) -> str:
    wanted = " ".join(
        [
            f"stage {stage}" if stage else "the job",
            *([f"worker {worker}"] if worker is not None else []),
        ]
    )
    there = ", ".join(sorted(pod["metadata"]["name"] for pod in pods if _has_log(pod)))
    return f"No pod of {wanted} has a log yet. Pods that have one: {there or 'none'}."


def failed(pods: Sequence[Object]) -> Object | None:
    """The pod that failed last."""
    ended = [pod for pod in pods if pod["status"].get("phase") == "Failed"]
    return max(ended, key=_ended_at, default=None)


def _ended_at(pod: Object) -> str:
    statuses = pod["status"].get("containerStatuses", [])
    ends = [s.get("state", {}).get("terminated", {}).get("finishedAt", "") for s in statuses]
    return max(ends, default="") or str(pod["metadata"]["creationTimestamp"])
