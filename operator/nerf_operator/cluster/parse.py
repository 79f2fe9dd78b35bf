"""From Kubernetes' JSON to the frozen records that the decisions use."""

from datetime import datetime
from typing import Any

from pydantic import ValidationError

from nerf_contract import names
from nerf_contract.containers import ours
from nerf_contract.v1alpha1 import NeRFJobSpec
from nerf_operator.cluster import job_status
from nerf_operator.core.gpus import Node
from nerf_operator.core.observed import Claim, Job, Pod, Service, Termination

Object = dict[str, Any]


def moment(text: str | None) -> datetime | None:
    """A time of Kubernetes (RFC 3339), or None."""
    return datetime.fromisoformat(text) if text else None


def owner_uid(obj: Object) -> str:
    """UID of the controlling NeRFJob, or "" where there is none."""
    for reference in obj["metadata"].get("ownerReferences", ()):
        if reference.get("controller") and reference.get("kind") == names.KIND:
            return str(reference["uid"])
    return ""


#: The rest of the metadata is the API server's own.
_OF_OTHERS = ("generateName", "labels", "annotations", "finalizers", "ownerReferences")


def job(obj: Object, known: Job | None = None) -> Job:
    """A NeRFJob; a spec that the models reject becomes an error, not an exception.

    known: the job as it was; what its generation says to be the same is not read again.
    """
    meta = obj["metadata"]
    if known is not None and (known.uid, known.generation) == (meta["uid"], meta["generation"]):
        spec, error = known.spec, known.error
    else:
        spec, error = _spec(obj.get("spec") or {})
    return Job(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        version=meta["resourceVersion"],
        generation=meta.get("generation", 0),
        deleting="deletionTimestamp" in meta,
        spec=spec,
        error=error,
        status=job_status.known(obj.get("status") or {}),
        unknown_status=job_status.unknown(obj.get("status") or {}),
        metadata={key: meta[key] for key in _OF_OTHERS if key in meta},
    )


def _spec(data: Object) -> tuple[NeRFJobSpec | None, str]:
    try:
        return NeRFJobSpec.model_validate(data), ""
    except ValidationError as error:
        return None, "; ".join(_sentence(part) for part in error.errors()[:5])


def _sentence(error: Any) -> str:
    field = ".".join(str(part) for part in ("spec", *error["loc"]))
    return f"{field}: {error['msg']}"


def service(obj: Object) -> Service:
    """A Service."""
    meta = obj["metadata"]
    return Service(
        name=meta["name"],
        uid=meta["uid"],
        version=meta["resourceVersion"],
        owner=owner_uid(obj),
        selector=dict(obj.get("spec", {}).get("selector") or {}),
        deleting="deletionTimestamp" in meta,
    )


def claim(obj: Object) -> Claim:
    """A PersistentVolumeClaim."""
    meta, spec = obj["metadata"], obj.get("spec", {})
    return Claim(
        name=meta["name"],
        uid=meta["uid"],
        version=meta["resourceVersion"],
        owner=owner_uid(obj),
        phase=obj.get("status", {}).get("phase", "Pending"),
        access_modes=tuple(spec.get("accessModes", ())),
        storage_class=spec.get("storageClassName"),
        deleting="deletionTimestamp" in meta,
    )


def pod(obj: Object) -> Pod:
    """A pod of a job, of any phase."""
    meta, status = obj["metadata"], obj.get("status", {})
    labels, notes = meta.get("labels", {}), meta.get("annotations", {})
    failures = _number(labels.get(names.LABEL_FAILURES)) or 0
    rounds = _number(notes.get(names.ANNOTATION_ROUNDS))
    conditions = {c["type"]: c for c in status.get("conditions", ())}
    container = ours(status.get("containerStatuses", ()))
    state = container.get("state", {})
    waiting = state.get("waiting", {})
    return Pod(
        name=meta["name"],
        uid=meta["uid"],
        version=meta["resourceVersion"],
        owner=owner_uid(obj),
        index=_number(labels.get(names.LABEL_INDEX)),
        attempt=_number(labels.get(names.LABEL_ATTEMPT)) or 0,
        failures=failures,
        rounds=failures if rounds is None else rounds,
        first_step=_number(notes.get(names.ANNOTATION_STEP)),
        avoided=tuple(filter(None, notes.get(names.ANNOTATION_AVOIDED, "").split(","))),
        created=datetime.fromisoformat(meta["creationTimestamp"]),
        component=labels.get(names.LABEL_COMPONENT, ""),
        phase=status.get("phase", "Pending"),
        deleting="deletionTimestamp" in meta,
        ready=_is_true(conditions, "Ready"),
        ip=status.get("podIP"),
        node=obj["spec"].get("nodeName"),
        disruption=_disruption(conditions),
        reason=status.get("reason", ""),
        message=status.get("message", ""),
        unschedulable=_unschedulable(conditions),
        scheduled_at=_scheduled_at(conditions),
        started_at=_started_at(state),
        sandboxed=_sandboxed(conditions),
        waiting_reason=waiting.get("reason", ""),
        waiting_message=waiting.get("message", ""),
        image=ours(obj["spec"]["containers"]).get("image", ""),
        gpus=gpus(obj),
        image_id=container.get("imageID", ""),
        termination=_termination(state.get("terminated")),
    )


def node(obj: Object) -> Node:
    """A node; one without GPUs is kept as well, as it may get some."""
    meta, status = obj["metadata"], obj.get("status", {})
    conditions = {c["type"]: c for c in status.get("conditions", ())}
    cordoned = bool(obj.get("spec", {}).get("unschedulable"))
    return Node(
        name=meta["name"],
        uid=meta["uid"],
        version=meta["resourceVersion"],
        gpus=_number((status.get("allocatable") or {}).get(names.GPU)) or 0,
        usable=_is_true(conditions, "Ready") and not cordoned,
    )


def gpus(pod: Object) -> int:
    """GPUs that the containers of a pod ask for, those of its start left aside."""
    resources = (c.get("resources") or {} for c in pod["spec"]["containers"])
    limits = ((found.get("limits") or {}).get(names.GPU) for found in resources)
    return sum(_number(limit) or 0 for limit in limits)


def _number(text: str | None) -> int | None:
    """A number of up to ten digits; annotations may hold any text."""
    if text is None or len(text) > 10 or not (text.isascii() and text.isdigit()):
        return None
    return int(text)


def _is_true(conditions: Object, type_: str) -> bool:
    return bool(conditions.get(type_, {}).get("status") == "True")


def _disruption(conditions: Object) -> str:
    found = conditions.get("DisruptionTarget", {})
    return str(found.get("reason") or "Unknown") if found.get("status") == "True" else ""


def _unschedulable(conditions: Object) -> str | None:
    found = conditions.get("PodScheduled", {})
    if found.get("status") == "False" and found.get("reason") == "Unschedulable":
        return str(found.get("message", ""))
    return None


def _scheduled_at(conditions: Object) -> datetime | None:
    found = conditions.get("PodScheduled", {})
    return moment(found.get("lastTransitionTime")) if found.get("status") == "True" else None


def _started_at(state: Object) -> datetime | None:
    running: Object = state.get("running") or state.get("terminated") or {}
    return moment(running.get("startedAt"))


def _sandboxed(conditions: Object) -> bool | None:
    found = conditions.get("PodReadyToStartContainers")
    return None if found is None else bool(found["status"] == "True")


def _termination(state: Object | None) -> Termination | None:
    if state is None:
        return None
    return Termination(
        exit_code=state.get("exitCode", 0),
        reason=state.get("reason", ""),
        message=state.get("message", ""),
        at=moment(state.get("finishedAt")),
    )
