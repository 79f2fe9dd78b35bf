"""How the pods of a job mount the photos, the checkpoints, tokens, their config and scratch."""

from dataclasses import dataclass

from nerf_contract import names
from nerf_contract.v1alpha1 import NeRFJobSpec
from nerf_operator.core import claims
from nerf_operator.core.actions import Object
from nerf_operator.core.observed import Job
from nerf_operator.core.pod import PodRequest


@dataclass(frozen=True)
class Mounts:
    """How a pod mounts the photos and the checkpoints: to write, to read, or not at all (None)."""

    dataset_writable: bool | None = False
    checkpoint_writable: bool | None = None


def volumes(job: Job, spec: NeRFJobSpec, request: PodRequest, mounts: Mounts) -> list[Object]:
    """Photos, config and scratch, and the checkpoints where they are mounted."""
    photos = _claim_volume("dataset", claims.dataset_claim(job, spec), request.read_only_claim)
    results = _claim_volume("checkpoint", claims.checkpoint_claim(job, spec))
    scratch: list[Object] = [
        _config_volume(),
        {"name": "tmp", "emptyDir": {}},
        {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": spec.workers.shm}},
    ]
    if mounts.checkpoint_writable is None or _one_volume(job, spec, mounts):
        return [photos, *scratch]
    return [*([] if mounts.dataset_writable is None else [photos]), *scratch, results]


def _one_volume(job: Job, spec: NeRFJobSpec, mounts: Mounts) -> bool:
    """Whether photos and checkpoints lie on one volume, which is then mounted twice."""
    return mounts.dataset_writable is not None and claims.shared(job, spec)


def volume_mounts(job: Job, spec: NeRFJobSpec, mounts: Mounts) -> list[Object]:
    """Where they are in the container."""
    found: list[Object] = [
        {"name": "config", "mountPath": names.CONFIG_DIR, "readOnly": True},
        {"name": "tmp", "mountPath": "/tmp"},
        {"name": "shm", "mountPath": "/dev/shm"},
    ]
    if mounts.dataset_writable is not None:
        found.insert(0, _mount("dataset", names.DATASET_MOUNT, mounts.dataset_writable))
    if mounts.checkpoint_writable is not None:
        volume = "dataset" if _one_volume(job, spec, mounts) else "checkpoint"
        found.append(_mount(volume, names.CHECKPOINT_MOUNT, mounts.checkpoint_writable))
    return found


def token_volume(name: str, secret: str) -> Object:
    """A Secret with a token, as a file: argv and environment are shown to whoever may look at the
    pod's processes, and do not change with the Secret."""
    return {"name": name, "secret": {"secretName": secret, "defaultMode": 0o440}}


def token_mount(name: str, path: str) -> Object:
    """Where the file with the token is."""
    return _mount(name, path, writable=False)


def _mount(volume: str, path: str, writable: bool) -> Object:
    mount = {"name": volume, "mountPath": path}
    return mount if writable else mount | {"readOnly": True}


def _claim_volume(name: str, claim: str, read_only: bool = False) -> Object:
    source: Object = {"claimName": claim}
    if read_only:
        source["readOnly"] = True
    return {"name": name, "persistentVolumeClaim": source}


def _config_volume() -> Object:
    field = {"fieldPath": f"metadata.annotations['{names.ANNOTATION_CONFIG}']"}
    item = {"path": names.CONFIG_FILE, "fieldRef": field}
    return {"name": "config", "downwardAPI": {"items": [item]}}
