"""What the pods of a job have in common, as Kubernetes objects."""

from dataclasses import dataclass

from nerf_contract import children, names
from nerf_contract.pod_security import CONTAINER_SECURITY, POD_SECURITY
from nerf_contract.v1alpha1 import DatasetStatus, NeRFJobSpec
from nerf_operator.core import claims, placement, render
from nerf_operator.core.actions import Object
from nerf_operator.core.observed import Job


@dataclass(frozen=True)
class PodRequest:
    """One pod to make.

    index: of a worker, None for every other component.
    together: all pods of the job must share a node, for a volume that only one node may mount.
    rounds: how often its place had failed in a row, without progress. step: what the training has
    reached, for a pod that trains. avoid: nodes to which others are preferred.
    read_only_claim: the dataset's claim offers nothing but ReadOnlyMany.
    dataset: as it was found, once it is known. archive_networks: see `Situation`.
    """

    image: str
    attempt: int
    component: str = names.COMPONENT_WORKER
    index: int | None = None
    failures: int = 0
    rounds: int = 0
    step: int | None = None
    avoid: tuple[str, ...] = ()
    together: bool = False
    read_only_claim: bool = False
    dataset: DatasetStatus | None = None
    archive_networks: tuple[str, ...] = ()


def name(job_name: str, request: PodRequest) -> str:
    """Name of a pod; the same inputs always give the same name."""
    place = request.component if request.index is None else f"{request.component}-{request.index}"
    return f"{job_name}-{place}-{request.attempt}"


def base(job: Job, request: PodRequest) -> Object:
    """A pod without containers."""
    assert job.spec is not None
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": _metadata(job, job.spec, request),
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": POD_SECURITY,
            **placement.of_every_pod(job.spec),
        },
    }


def _metadata(job: Job, spec: NeRFJobSpec, request: PodRequest) -> Object:
    """What the user adds never replaces what is ours."""
    metadata = render.metadata(job, name(job.name, request))
    labels = render.labels(job, request.component) | {
        names.LABEL_ATTEMPT: str(request.attempt),
        names.LABEL_FAILURES: str(request.failures),
    }
    if request.index is not None:
        labels[names.LABEL_INDEX] = str(request.index)
    notes = {names.ANNOTATION_ROUNDS: str(request.rounds)} if request.rounds else {}
    if request.step is not None:
        notes[names.ANNOTATION_STEP] = str(request.step)
    if request.avoid:
        notes[names.ANNOTATION_AVOIDED] = ",".join(request.avoid)
    metadata["labels"] = spec.workers.labels | labels
    if spec.workers.annotations or notes:
        metadata["annotations"] = spec.workers.annotations | notes
    return metadata


def with_data(job: Job, spec: NeRFJobSpec, request: PodRequest) -> Object:
    """A pod without containers that can mount the photos, where they can be mounted."""
    body = base(job, request)
    config = spec.trainer_config(request.dataset)
    text = config.model_dump_json(by_alias=True)
    body["metadata"].setdefault("annotations", {})[names.ANNOTATION_CONFIG] = text
    placement.beside_the_data(spec, body)
    placement.prefer_other_nodes(request.avoid, body)
    if request.together:
        holders = {names.LABEL_DATASET_CLAIM: children.claim_label(claims.dataset_claim(job, spec))}
        body["metadata"]["labels"] |= holders
        placement.require_node_of(holders, body)
    return body


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
        given["limits"] = {**given["limits"], names.GPU: str(gpus)}
    return {kind: amounts for kind, amounts in given.items() if amounts}
