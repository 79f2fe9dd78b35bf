"""What the tests of the operator build their tables from."""

from datetime import UTC, datetime, timedelta
from typing import Any

from nerf_contract import names, reasons
from nerf_contract.progress import DatasetReport, Progress, TerminationMessage
from nerf_contract.v1alpha1 import NeRFJobSpec, NeRFJobStatus
from nerf_operator.core.observed import Claim, Job, Observed, Pod, Service, Termination
from nerf_operator.core.plan import Defaults

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
UID = "11111111-2222-3333-4444-555555555555"
IMAGE = "localhost/nerf-trainer:cpu"
PINNED = "localhost/nerf-trainer@sha256:" + "a" * 64
POSES = "0123456789abcdef"
DEFAULTS = Defaults(IMAGE)


def at(seconds: float) -> datetime:
    """A moment relative to NOW."""
    return NOW + timedelta(seconds=seconds)


def spec(**sections: Any) -> NeRFJobSpec:
    """A spec for two workers and photos with poses; keyword arguments replace sections."""
    dataset = {"claimName": "photos", "format": "nerfstudio"}
    data: dict[str, Any] = {"dataset": dataset, "workers": {"replicas": 2}}
    return NeRFJobSpec.model_validate(data | sections)


def job(status: NeRFJobStatus | None = None, deleting: bool = False, **sections: Any) -> Job:
    """A job named demo."""
    return Job(
        namespace="lab",
        name="demo",
        uid=UID,
        version="1",
        generation=1,
        deleting=deleting,
        spec=spec(**sections),
        error="",
        status=status or NeRFJobStatus(),
    )


def pod(index: int | None = 0, attempt: int = 0, **fields: Any) -> Pod:
    """A pod of the job, pending and unscheduled unless told otherwise.

    index: of a worker; None for any other component, which is the coordinator unless told.
    """
    component = fields.get("component", "coordinator" if index is None else "worker")
    who = component if index is None else f"{component}-{index}"
    defaults: dict[str, Any] = {
        "name": f"demo-{who}-{attempt}",
        "uid": f"{who}-{attempt}",
        "version": "1",
        "owner": UID,
        "index": index,
        "attempt": attempt,
        "failures": 0,
        "created": NOW,
        "component": component,
        "image": IMAGE,
    }
    return Pod(**defaults | fields)


def running(index: int | None = 0, attempt: int = 0, **fields: Any) -> Pod:
    """A pod that runs and is ready."""
    defaults: dict[str, Any] = {
        "phase": "Running",
        "ready": True,
        "ip": f"10.0.0.{(index or 0) + 1}",
        "node": "node-1",
        "scheduled_at": NOW,
    }
    return pod(index, attempt, **defaults | fields)


def ended(
    index: int | None = 0,
    attempt: int = 0,
    *,
    reason: str = "",
    exit_code: int = 1,
    message: str = "",
    when: datetime = NOW,
    **fields: Any,
) -> Pod:
    """A pod whose container ended; phase Failed unless told otherwise."""
    end = Termination(exit_code, reason, message, when)
    return pod(index, attempt, **{"phase": "Failed", "termination": end} | fields)


def word(reason: str, message: str = "why", **more: Any) -> str:
    """A termination message; more: its other fields."""
    return TerminationMessage(reason=reason, message=message, **more).model_dump_json(by_alias=True)


def found_dataset(**fields: Any) -> DatasetReport:
    """What the poses stage found."""
    defaults: dict[str, Any] = {"format": "photos", "photos": 20, "posed": 19, "poses": POSES}
    return DatasetReport(**defaults | fields)


def succeeded(index: int = 0, attempt: int = 0, **fields: Any) -> Pod:
    """A pod whose training has finished."""
    message = word(
        reasons.TRAINING_COMPLETED, "200 steps.", progress=progress(step=200, phase="done")
    )
    return ended(index, attempt, exit_code=0, message=message, **{"phase": "Succeeded"} | fields)


def progress(**fields: Any) -> Progress:
    """An answer of a worker's /status."""
    defaults: dict[str, Any] = {
        "phase": "training",
        "step": 50,
        "total_steps": 200,
        "world_size": 2,
        "generation": 1,
        "rays_per_second": 1234.5,
        "eta_seconds": 90.0,
    }
    return Progress(**defaults | fields)


def claim(name: str = "photos", *modes: str, phase: str = "Bound", **fields: Any) -> Claim:
    """A claim; ReadWriteMany unless told otherwise."""
    defaults: dict[str, Any] = {
        "name": name,
        "uid": f"claim-{name}",
        "version": "1",
        "owner": "",
        "phase": phase,
        "access_modes": modes or ("ReadWriteMany",),
        "storage_class": "shared",
    }
    return Claim(**defaults | fields)


def service(**fields: Any) -> Service:
    """The job's Service as the operator makes it."""
    selector = {names.LABEL_JOB: "demo", names.LABEL_COORDINATOR: "true"}
    defaults: dict[str, Any] = {
        "name": "demo",
        "uid": "service",
        "version": "1",
        "owner": UID,
        "selector": selector,
    }
    return Service(**defaults | fields)


def observed(*pods: Pod, **fields: Any) -> Observed:
    """A snapshot in which all children but the pods are there."""
    claims = {c.name: c for c in (claim(), claim("demo-checkpoint", "ReadWriteOnce"))}
    return Observed(pods=pods, **{"service": service(), "claims": claims} | fields)
