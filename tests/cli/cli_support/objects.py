"""What `kubectl nerf explain` reads, as the API writes it."""

import json
from datetime import UTC, datetime
from typing import Any

from nerf_cli.causes import chain, finding
from nerf_cli.causes.evidence import Evidence
from nerf_cli.cluster import Object
from nerf_contract import names, reasons

#: Of what is being deleted, and should be gone.
AWAY = {"deletionTimestamp": "2026-01-01T11:59:00Z"}
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def condition(type_: str, reason: str, message: str = "So.", status: str = "True") -> Object:
    return {"type": type_, "status": status, "reason": reason, "message": message}


TRAINS = condition(reasons.RUNNING, reasons.TRAINING, "2 of 2 workers are training.")
COMPLETE = condition(reasons.WORKERS_READY, reasons.ALL_READY)


def waits(reason: str, message: str = "So.") -> Object:
    return condition(reasons.RUNNING, reason, message, "False")


def job(*conditions: Object, generation: int = 1, seen: int = 1, **more: Any) -> Object:
    status = {"conditions": list(conditions), "observedGeneration": seen} if conditions else {}
    return {
        "metadata": {"name": "demo", "namespace": "lab", "uid": "job", "generation": generation}
        | more.pop("metadata", {}),
        "spec": {"dataset": {"claimName": "photos"}, **more.pop("spec", {})},
        "status": status | more,
    }


def auto_job(why: Object) -> Object:
    """A job with scaling.policy Auto that has no workers."""
    told = {"workers": 0, "reason": why["reason"], "message": why["message"]}
    return job(why, allocation=told, spec={"scaling": {"policy": "Auto"}})


def pod(who: str = "worker-0", attempt: int = 0, *conditions: Object, **fields: Any) -> Object:
    """who: component and index. fields: spec, meta and container are added, others are status."""
    component, _, index = who.partition("-")
    labels = {names.LABEL_COMPONENT: component, names.LABEL_ATTEMPT: str(attempt)}
    name = f"demo-{who}-{attempt}"
    container = {"name": "trainer", "image": "registry/trainer:1", **fields.pop("container", {})}
    return {
        "metadata": {
            **{"name": name, "uid": name, "creationTimestamp": "2026-01-01T11:00:00Z"},
            "labels": labels | ({names.LABEL_INDEX: index} if index else {}),
            **fields.pop("meta", {}),
        },
        "spec": {"containers": [container], **fields.pop("spec", {})},
        "status": {"phase": "Pending", "conditions": list(conditions), **fields},
    }


def ready(who: str = "worker-0", attempt: int = 0) -> Object:
    spec = {"nodeName": "n1"}
    return pod(who, attempt, condition("Ready", ""), phase="Running", spec=spec)


def homeless(who: str, words: str) -> Object:
    return pod(who, 0, condition("PodScheduled", "Unschedulable", words, "False"))


def waiting(reason: str, message: str = "") -> Object:
    state = {"waiting": {"reason": reason, "message": message}}
    return pod(spec={"nodeName": "n1"}, containerStatuses=[{"state": state}])


def ended(who: str, attempt: int = 0, code: int = 1, message: str = "", **more: Any) -> Object:
    end = {"exitCode": code, "message": message, "reason": more.pop("reason", "Error")}
    states = [{"state": {"terminated": end}}]
    return pod(who, attempt, phase="Failed", containerStatuses=states, **more)


def word(reason: str, message: str) -> str:
    return json.dumps({"reason": reason, "message": message})


def event(about: str, reason: str, message: str, type_: str = "Warning") -> Object:
    return {
        "metadata": {"creationTimestamp": "2026-01-01T11:59:00Z"},
        "involvedObject": {"uid": about},
        **{"reason": reason, "message": message, "type": type_},
    }


def claim(phase: str, storage_class: str | None = "fast", **meta: Any) -> Object:
    spec = {"storageClassName": storage_class} if storage_class else {}
    metadata = {"name": "photos", "uid": "claim", **meta}
    return {"metadata": metadata, "spec": spec, "status": {"phase": phase}}


def node(name: str, ready: str = "True", gpus: int = 0) -> Object:
    found = condition("Ready", "NodeStatusUnknown", status=ready)
    offered = {"allocatable": {names.GPU: str(gpus)}} if gpus else {}
    return {"metadata": {"name": name}, "spec": {}, "status": {"conditions": [found], **offered}}


def operator(
    available: int = 1, replicas: int = 1, namespaces: str = "", lease: str = ""
) -> Object:
    env = [{"name": names.ENV_WATCH_NAMESPACES, "value": namespaces}]
    env += [{"name": names.ENV_LEASE, "value": lease}] if lease else []
    template = {"spec": {"containers": [{"image": "operator:1", "env": env}]}}
    return {
        "metadata": {"name": "nerf-nerf-operator", "namespace": "nerf-system"},
        "spec": {"replicas": replicas, "template": template},
        "status": {"availableReplicas": available},
    }


def lease(renewed: str) -> dict[tuple[str, str], Object]:
    """The Lease of `operator(lease="nerf")`, renewed at that time of NOW's day."""
    spec = {"holderIdentity": "one", "renewTime": f"2026-01-01T{renewed}.000000Z"}
    return {("nerf-system", "nerf"): {"spec": spec}}


def evidence(given: Object, *pods: Object, **more: Any) -> Evidence:
    return Evidence(**{"job": given, "now": NOW, "pods": pods, "operators": [operator()]} | more)


def stalled(reason: str, message: str = "So.") -> Object:
    return job(condition(reasons.STALLED, reason, message), waits(reason))


def check(seen: Evidence, wanted: list[str]) -> None:
    """That the chain has lines that begin so, in this order."""
    found = [line for one in chain.find(seen) for line in finding.lines(one)]
    lines = iter(found)
    for begin in wanted:
        assert any(line.startswith(begin) for line in lines), (begin, found)
