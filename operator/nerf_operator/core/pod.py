"""What the pods of a job have in common, as Kubernetes objects."""

from dataclasses import dataclass

from nerf_contract import children, names
from nerf_contract.pod_security import CONTAINER_SECURITY, POD_SECURITY
from nerf_contract.v1alpha1 import DatasetStatus, NeRFJobSpec
from nerf_operator.core import claims, render
from nerf_operator.core.actions import Object
from nerf_operator.core.observed import Job

#: Seconds after which a pod leaves a node that is not ready; Kubernetes' default is 300. A silent
#: node is called so only after 40 s or more: there is little left to wait for.
NODE_LOST_SECONDS = 5
GRACE_SECONDS = 30
SHARED_MEMORY = "1Gi"
GPU = "nvidia.com/gpu"
HOSTNAME = "kubernetes.io/hostname"


@dataclass(frozen=True)
class PodRequest:
    """One pod to make.

    index: of a worker, None for every other component.
    together: all pods of the job must share a node, for a volume that only one node may mount.
    read_only_claim: the dataset's claim offers nothing but ReadOnlyMany.
    dataset: as it was found, once it is known.
    """

    image: str
    attempt: int
    component: str = names.COMPONENT_WORKER
    index: int | None = None
    failures: int = 0
    together: bool = False
    read_only_claim: bool = False
    dataset: DatasetStatus | None = None


def name(job_name: str, request: PodRequest) -> str:
    """Name of a pod; the same inputs always give the same name."""
    place = request.component if request.index is None else f"{request.component}-{request.index}"
    return f"{job_name}-{place}-{request.attempt}"


def base(job: Job, request: PodRequest) -> Object:
    """A pod without containers."""
    metadata = render.metadata(job, name(job.name, request))
    metadata["labels"] = render.labels(job, request.component) | {
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
            "securityContext": POD_SECURITY,
            "tolerations": list(_NODE_TOLERATIONS),
        },
    }


def with_data(job: Job, spec: NeRFJobSpec, request: PodRequest) -> Object:
    """A pod without containers that can mount the photos, where they can be mounted."""
    body = base(job, request)
    config = spec.trainer_config(request.dataset)
    body["metadata"]["annotations"] = {
        names.ANNOTATION_CONFIG: config.model_dump_json(by_alias=True)
    }
    if spec.workers.gpus_per_worker:  # All go where the volumes are, and so beside the workers.
        body["spec"]["tolerations"].append(GPU_TOLERATION)
    if spec.workers.node_selector:
        body["spec"]["nodeSelector"] = dict(spec.workers.node_selector)
    if request.together:
        holders = {names.LABEL_DATASET_CLAIM: children.claim_label(claims.dataset_claim(job, spec))}
        body["metadata"]["labels"] |= holders
        require_node_of(holders, body)
    return body


def require_node_of(labels: Object, body: Object) -> None:
    """Place the pod `body` only beside pods of the namespace with these labels, or its own kind."""
    _affinity(body, "required").append(_beside(labels))


def prefer_node_of(labels: Object, body: Object) -> None:
    """Place the pod `body` beside pods with these labels, where that can be."""
    _affinity(body, "preferred").append({"weight": 100, "podAffinityTerm": _beside(labels)})


def _affinity(body: Object, kind: str) -> list[Object]:
    terms: Object = body["spec"].setdefault("affinity", {}).setdefault("podAffinity", {})
    found: list[Object] = terms.setdefault(f"{kind}DuringSchedulingIgnoredDuringExecution", [])
    return found


def _beside(labels: Object) -> Object:
    return {"labelSelector": {"matchLabels": labels}, "topologyKey": HOSTNAME}


_NODE_TOLERATIONS: tuple[Object, ...] = tuple(
    {
        "key": f"node.kubernetes.io/{taint}",
        "operator": "Exists",
        "effect": "NoExecute",
        "tolerationSeconds": NODE_LOST_SECONDS,
    }
    for taint in ("not-ready", "unreachable")
)
GPU_TOLERATION: Object = {"key": GPU, "operator": "Exists", "effect": "NoSchedule"}


# --- Containers ----------------------------------------------------------------------------------


def container(request: PodRequest, command: list[str], env: list[Object]) -> Object:
    """A container of the trainer's image whose last words are kept."""
    return {
        "name": names.CONTAINER_TRAINER,
        "image": request.image,
        "command": command,
        "env": env,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": CONTAINER_SECURITY,
    }


CONFIG_FLAG = ("--config", f"{names.CONFIG_DIR}/{names.CONFIG_FILE}")


def readiness(path: str, port: int) -> Object:
    """A probe by HTTP, every other second."""
    return {"httpGet": {"path": path, "port": port}, "periodSeconds": 2, "timeoutSeconds": 2}


def liveness(path: str, port: int) -> Object:
    """A probe by HTTP that only ends what has not answered for an hour: a process may be busy."""
    probe = {"httpGet": {"path": path, "port": port}, "periodSeconds": 60, "timeoutSeconds": 10}
    return probe | {"failureThreshold": 60}


def identity_env(job: Job) -> list[Object]:
    """Who the pod is."""
    return [
        value(names.ENV_JOB_NAME, job.name),
        field(names.ENV_POD_NAME, "metadata.name"),
        field(names.ENV_POD_IP, "status.podIP"),
    ]


def data_env() -> list[Object]:
    """Where photos and results are."""
    return [
        value(names.ENV_DATASET_ROOT, names.DATASET_MOUNT),
        value(names.ENV_OUTPUT_ROOT, names.CHECKPOINT_MOUNT),
    ]


def value(name: str, value: str) -> Object:
    """An environment variable."""
    return {"name": name, "value": value}


def field(name: str, path: str) -> Object:
    """An environment variable with a field of the pod."""
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def gpu_resources(spec: NeRFJobSpec) -> Object:
    """Requests and limits of a pod that trains or renders on the workers' GPUs."""
    given = spec.workers.resources.model_dump(by_alias=True, exclude_none=True)
    gpus = spec.workers.gpus_per_worker
    if gpus:
        given["limits"] = {**given["limits"], GPU: str(gpus)}
    return {kind: amounts for kind, amounts in given.items() if amounts}


# --- Volumes -------------------------------------------------------------------------------------


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
        {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": SHARED_MEMORY}},
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
