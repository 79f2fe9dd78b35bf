"""Worker and coordinator pods as Kubernetes objects."""

import hashlib
from dataclasses import dataclass

from nerf_contract import names
from nerf_contract.v1alpha1 import NeRFJobSpec
from nerf_operator.core import render
from nerf_operator.core.actions import Object
from nerf_operator.core.observed import Job

#: Seconds after which a pod leaves a node that went silent; Kubernetes' default is 300.
NODE_LOST_SECONDS = 30
GRACE_SECONDS = 30
SHARED_MEMORY = "1Gi"
GPU = "nvidia.com/gpu"


@dataclass(frozen=True)
class PodRequest:
    """One pod to make.

    index: of the worker, or None for the coordinator.
    together: all pods of the job must share a node, for a volume that only one node may mount.
    read_only_claim: the dataset's claim offers nothing but ReadOnlyMany.
    """

    image: str
    index: int | None
    attempt: int
    failures: int = 0
    together: bool = False
    read_only_claim: bool = False


def pod_name(job_name: str, index: int | None, attempt: int) -> str:
    """Name of a pod; the same inputs always give the same name."""
    if index is None:
        return f"{job_name}-coordinator-{attempt}"
    return f"{job_name}-worker-{index}-{attempt}"


def worker(job: Job, request: PodRequest) -> Object:
    """A worker pod: torchrun, which runs one trainer process for each GPU."""
    assert job.spec is not None and request.index is not None
    spec = job.spec
    body = _pod(job, request, names.COMPONENT_WORKER)
    body["metadata"]["annotations"] = {
        names.ANNOTATION_CONFIG: spec.trainer_config().model_dump_json(by_alias=True)
    }
    if _hosts_coordinator(spec, request.index):
        body["metadata"]["labels"][names.LABEL_COORDINATOR] = "true"
    body["spec"] |= {
        "containers": [_trainer(job, spec, request)],
        "volumes": _volumes(job, spec, request),
        "tolerations": _tolerations(spec),
    }
    if spec.workers.node_selector:
        body["spec"]["nodeSelector"] = dict(spec.workers.node_selector)
    if request.together:
        holders = {names.LABEL_DATASET_CLAIM: claim_label(spec.dataset.claim_name)}
        body["metadata"]["labels"] |= holders
        body["spec"]["affinity"] = _same_node(holders)
    return body


def claim_label(claim: str) -> str:
    """The claim's name as a label value, which may be 63 characters long."""
    if len(claim) <= 63:
        return claim
    return f"{claim[:46]}-{hashlib.sha256(claim.encode()).hexdigest()[:16]}"


def coordinator(job: Job, request: PodRequest) -> Object:
    """The pod that tells the workers of an elastic job who is in the group."""
    assert job.spec is not None
    body = _pod(job, request, names.COMPONENT_COORDINATOR)
    body["metadata"]["labels"][names.LABEL_COORDINATOR] = "true"
    container = {
        "name": names.COMPONENT_COORDINATOR,
        "image": request.image,
        "command": ["python3", "-m", "nerf_trainer.coordinator"],
        "env": _common_env(job, job.spec),
        "ports": [{"name": "coordinator", "containerPort": names.COORDINATOR_PORT}],
        "resources": {
            "requests": {"cpu": "50m", "memory": "64Mi"},
            "limits": {"memory": "256Mi"},
        },
        "securityContext": _CONTAINER_SECURITY,
    }
    body["spec"] |= {"containers": [container], "tolerations": list(_NODE_TOLERATIONS)}
    return body


def _pod(job: Job, request: PodRequest, component: str) -> Object:
    """What worker and coordinator pods have in common."""
    metadata = render.metadata(job, pod_name(job.name, request.index, request.attempt))
    metadata["labels"] = render.labels(job, component) | {
        names.LABEL_ATTEMPT: str(request.attempt),
        names.LABEL_FAILURES: str(request.failures),
    }
    if request.index is not None:
        metadata["labels"][names.LABEL_INDEX] = str(request.index)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": GRACE_SECONDS,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": _POD_SECURITY,
        },
    }


_POD_SECURITY: Object = {
    "runAsNonRoot": True,
    "runAsUser": names.TRAINER_UID,
    "runAsGroup": names.TRAINER_UID,
    "fsGroup": names.TRAINER_UID,
    # Changing the owner of a large dataset file by file would delay every start.
    "fsGroupChangePolicy": "OnRootMismatch",
    "seccompProfile": {"type": "RuntimeDefault"},
}
_CONTAINER_SECURITY: Object = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


def _hosts_coordinator(spec: NeRFJobSpec, index: int) -> bool:
    return index == 0 and not spec.workers.elastic


def _trainer(job: Job, spec: NeRFJobSpec, request: PodRequest) -> Object:
    assert request.index is not None
    ports = [{"name": "http", "containerPort": names.TRAINER_HTTP_PORT}]
    if _hosts_coordinator(spec, request.index):
        ports.append({"name": "coordinator", "containerPort": names.COORDINATOR_PORT})
    return {
        "name": names.CONTAINER_TRAINER,
        "image": request.image,
        "command": torchrun(job, spec),
        "env": _worker_env(job, spec, request.index),
        "ports": ports,
        "resources": _resources(spec),
        "readinessProbe": {
            "httpGet": {"path": "/healthz", "port": names.TRAINER_HTTP_PORT},
            "periodSeconds": 2,
            "timeoutSeconds": 2,
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": _CONTAINER_SECURITY,
        "volumeMounts": _mounts(spec, request.index),
    }


def torchrun(job: Job, spec: NeRFJobSpec) -> list[str]:
    """argv of a worker: torchrun supervises the processes of its own pod."""
    return [
        "torchrun",
        f"--nnodes={spec.workers.fewest}:{spec.workers.most}",
        f"--nproc-per-node={spec.workers.processes}",
        f"--rdzv-backend={names.RENDEZVOUS_BACKEND}",
        f"--rdzv-endpoint={render.coordinator_address(job)}",
        f"--rdzv-id={job.uid}",
        "--max-restarts=10",
        *("-m", "nerf_trainer.train"),
        *("--config", f"{names.CONFIG_DIR}/{names.CONFIG_FILE}"),
    ]


def _common_env(job: Job, spec: NeRFJobSpec) -> list[Object]:
    return [
        _value(names.ENV_JOB_NAME, job.name),
        _field(names.ENV_POD_NAME, "metadata.name"),
        _field(names.ENV_POD_IP, "status.podIP"),
        _value(names.ENV_COORDINATOR, render.coordinator_address(job)),
        _value(names.ENV_MIN_WORKERS, str(spec.workers.fewest)),
    ]


def _worker_env(job: Job, spec: NeRFJobSpec, index: int) -> list[Object]:
    env = [
        *_common_env(job, spec),
        _value(names.ENV_WORKER_INDEX, str(index)),
        _value(names.ENV_DATASET_ROOT, names.DATASET_MOUNT),
        _value(names.ENV_OUTPUT_ROOT, names.CHECKPOINT_MOUNT),
    ]
    if index == 0:
        env.append(_value(names.ENV_CHECKPOINT_WRITER, "1"))
    if _hosts_coordinator(spec, index):
        env.append(_value(names.ENV_HOST_COORDINATOR, "1"))
    return env


def _value(name: str, value: str) -> Object:
    return {"name": name, "value": value}


def _field(name: str, path: str) -> Object:
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def _resources(spec: NeRFJobSpec) -> Object:
    given = spec.workers.resources.model_dump(by_alias=True, exclude_none=True)
    gpus = spec.workers.gpus_per_worker
    if gpus:
        given["limits"] = {**given["limits"], GPU: str(gpus)}
    return {kind: amounts for kind, amounts in given.items() if amounts}


def _mounts(spec: NeRFJobSpec, index: int) -> list[Object]:
    mounts: list[Object] = [
        {"name": "dataset", "mountPath": names.DATASET_MOUNT, "readOnly": True},
        {"name": "config", "mountPath": names.CONFIG_DIR, "readOnly": True},
        {"name": "tmp", "mountPath": "/tmp"},
        {"name": "shm", "mountPath": "/dev/shm"},
    ]
    if index == 0:
        volume = "dataset" if _one_claim_for_both(spec) else "checkpoint"
        mounts.append({"name": volume, "mountPath": names.CHECKPOINT_MOUNT})
    return mounts


def _volumes(job: Job, spec: NeRFJobSpec, request: PodRequest) -> list[Object]:
    volumes: list[Object] = [
        _claim_volume("dataset", spec.dataset.claim_name, request.read_only_claim),
        _config_volume(),
        {"name": "tmp", "emptyDir": {}},
        {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": SHARED_MEMORY}},
    ]
    if request.index == 0 and not _one_claim_for_both(spec):
        volumes.append(_claim_volume("checkpoint", checkpoint_claim(job, spec)))
    return volumes


def checkpoint_claim(job: Job, spec: NeRFJobSpec) -> str:
    """Name of the claim that the checkpoints go to."""
    return spec.checkpoint.volume.claim_name or render.checkpoint_claim_name(job.name)


def _one_claim_for_both(spec: NeRFJobSpec) -> bool:
    return spec.checkpoint.volume.claim_name == spec.dataset.claim_name


def _claim_volume(name: str, claim: str, read_only: bool = False) -> Object:
    source: Object = {"claimName": claim}
    if read_only:
        source["readOnly"] = True
    return {"name": name, "persistentVolumeClaim": source}


def _config_volume() -> Object:
    field = {"fieldPath": f"metadata.annotations['{names.ANNOTATION_CONFIG}']"}
    item = {"path": names.CONFIG_FILE, "fieldRef": field}
    return {"name": "config", "downwardAPI": {"items": [item]}}


_NODE_TOLERATIONS: tuple[Object, ...] = tuple(
    {
        "key": f"node.kubernetes.io/{taint}",
        "operator": "Exists",
        "effect": "NoExecute",
        "tolerationSeconds": NODE_LOST_SECONDS,
    }
    for taint in ("not-ready", "unreachable")
)


def _tolerations(spec: NeRFJobSpec) -> list[Object]:
    gpu_nodes: Object = {"key": GPU, "operator": "Exists", "effect": "NoSchedule"}
    return [*_NODE_TOLERATIONS, *([gpu_nodes] if spec.workers.gpus_per_worker else [])]


def _same_node(labels: Object) -> Object:
    """Beside every pod of the namespace with these labels, and so beside its own kind."""
    term = {
        "labelSelector": {"matchLabels": labels},
        "topologyKey": "kubernetes.io/hostname",
    }
    return {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
