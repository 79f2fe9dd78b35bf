"""The pods that train: workers, and the coordinator of an elastic job."""

from nerf_contract import children, names
from nerf_contract.pod_security import CONTAINER_SECURITY
from nerf_contract.v1alpha1 import NeRFJobSpec
from nerf_operator.core import mounts, placement, pod, render
from nerf_operator.core.actions import Object
from nerf_operator.core.mounts import Mounts
from nerf_operator.core.observed import Job
from nerf_operator.core.pod import PodRequest


def worker(job: Job, request: PodRequest) -> Object:
    """A worker pod: torchrun, which runs one trainer process for each GPU."""
    assert job.spec is not None and request.index is not None
    spec = job.spec
    mounted = Mounts(checkpoint_writable=True) if request.index == 0 else Mounts()
    body = pod.with_data(job, spec, request)
    if _hosts_coordinator(spec, request.index):
        body["metadata"]["labels"][names.LABEL_COORDINATOR] = "true"
    body["spec"] |= {
        "containers": [_trainer(job, spec, request, mounted)],
        "volumes": [*mounts.volumes(job, spec, request, mounted), _token_volume(job)],
    }
    placement.spread(job, spec, body)
    if request.index == 0 and spec.viewer.enabled:
        placement.prefer_node_of(render.viewer_selector(job), body)
    return body


def coordinator(job: Job, request: PodRequest) -> Object:
    """The pod that tells the workers of an elastic job who is in the group."""
    assert job.spec is not None
    body = pod.base(job, request)
    placement.prefer_other_nodes(request.avoid, body)
    body["metadata"]["labels"][names.LABEL_COORDINATOR] = "true"
    body["spec"]["volumes"] = [_token_volume(job)]
    body["spec"]["containers"] = [
        {
            "name": names.COMPONENT_COORDINATOR,
            "image": request.image,
            "command": ["python3", "-m", "nerf_trainer.coordinator"],
            "env": _group_env(job, job.spec),
            "ports": [{"name": "coordinator", "containerPort": names.COORDINATOR_PORT}],
            "resources": {
                "requests": {"cpu": "50m", "memory": "64Mi"},
                "limits": {"memory": "256Mi"},
            },
            "securityContext": CONTAINER_SECURITY,
            "volumeMounts": [_TOKEN_MOUNT],
        }
    ]
    return body


def _hosts_coordinator(spec: NeRFJobSpec, index: int) -> bool:
    return index == 0 and not spec.workers.elastic


def _trainer(job: Job, spec: NeRFJobSpec, request: PodRequest, mounted: Mounts) -> Object:
    assert request.index is not None
    ports = _http_ports(spec.workers.processes)
    if _hosts_coordinator(spec, request.index):
        ports.append({"name": "coordinator", "containerPort": names.COORDINATOR_PORT})
    env = _worker_env(job, spec, request.index)
    return pod.container(request, torchrun(job, spec), env) | {
        "ports": ports,
        "resources": pod.gpu_resources(spec),
        "readinessProbe": pod.readiness("/healthz", names.TRAINER_HTTP_PORT),
        "volumeMounts": [*mounts.volume_mounts(job, spec, mounted), _TOKEN_MOUNT],
    }


def _http_ports(processes: int) -> list[Object]:
    """Every process tells of itself: who scrapes pods finds all of them by their declared ports."""
    return [
        {
            "name": f"http-{rank}" if rank else "http",
            "containerPort": names.TRAINER_HTTP_PORT + rank,
        }
        for rank in range(processes)
    ]


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
        *_program(spec),
        *pod.CONFIG_FLAG,
    ]


def _program(spec: NeRFJobSpec) -> tuple[str, ...]:
    """A process that is forked has torch from torchrun. With GPUs none is: who forks must not have
    touched CUDA, and nothing here can show that libraries have not."""
    if spec.workers.gpus_per_worker:
        return ("-m", "nerf_trainer.train")
    return ("--run-path", "--start-method=fork", names.WORKER_SCRIPT)


def _group_env(job: Job, spec: NeRFJobSpec) -> list[Object]:
    return [
        *pod.identity_env(job),
        pod.value(names.ENV_COORDINATOR, render.coordinator_address(job)),
        pod.value(names.ENV_GROUP_TOKEN_FILE, f"{names.GROUP_TOKEN_MOUNT}/{names.TOKEN_KEY}"),
        pod.value(names.ENV_MIN_WORKERS, str(spec.workers.fewest)),
    ]


_TOKEN_MOUNT = mounts.token_mount("group-token", names.GROUP_TOKEN_MOUNT)


def _token_volume(job: Job) -> Object:
    return mounts.token_volume("group-token", children.group_token(job.name, job.uid))


def _worker_env(job: Job, spec: NeRFJobSpec, index: int) -> list[Object]:
    env = [
        *_group_env(job, spec),
        pod.value(names.ENV_WORKER_INDEX, str(index)),
        pod.value(names.ENV_WANTED_PROCESSES, str(spec.workers.wanted * spec.workers.processes)),
        *pod.data_env(),
    ]
    if index == 0:
        env.append(pod.value(names.ENV_CHECKPOINT_WRITER, "1"))
    if _hosts_coordinator(spec, index):
        env.append(pod.value(names.ENV_HOST_COORDINATOR, "1"))
    return env
