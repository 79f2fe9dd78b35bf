"""The pods of the stages before and after the training, and the viewer's."""

from nerf_contract import children, names
from nerf_contract.v1alpha1 import NeRFJobSpec, ResourceSpec
from nerf_operator.core import mounts, placement, pod, render
from nerf_operator.core.actions import Object
from nerf_operator.core.mounts import Mounts
from nerf_operator.core.observed import Job
from nerf_operator.core.pod import PodRequest


def download(job: Job, request: PodRequest) -> Object:
    """The pod that fetches the archive with the photos: the only one that leaves the cluster."""
    container = _stage(job, request, "nerf_trainer.download")
    if request.archive_networks:
        networks = pod.value(names.ENV_ARCHIVE_NETWORKS, ",".join(request.archive_networks))
        container["env"].append(networks)
    return _before_training(job, request, container)


def poses(job: Job, request: PodRequest) -> Object:
    """The pod that finds the cameras of the photos, on CPUs."""
    return _before_training(job, request, _stage(job, request, "nerf_trainer.prepare"))


def _before_training(job: Job, request: PodRequest, container: Object) -> Object:
    assert job.spec is not None
    mounted = Mounts(dataset_writable=not request.read_only_claim)
    body = pod.with_data(job, job.spec, request)
    container["resources"] = _resources(job.spec.poses.resources)
    return _filled(body, job, job.spec, request, container, mounted)


def export(job: Job, request: PodRequest) -> Object:
    """The pod that makes the outputs, on a node like the workers'."""
    assert job.spec is not None
    body = pod.with_data(job, job.spec, request)
    container = _stage(job, request, "nerf_trainer.export")
    container["resources"] = pod.gpu_resources(job.spec)
    if job.spec.viewer.enabled:
        placement.prefer_node_of(render.viewer_selector(job), body)
    return _filled(body, job, job.spec, request, container, Mounts(checkpoint_writable=True))


def viewer(job: Job, request: PodRequest, beside: str | None) -> Object:
    """The pod that shows the scene: it can change nothing. The cluster restarts it.

    beside: the component that holds the checkpoint volume, where only one node can mount that.
    """
    assert job.spec is not None
    body = pod.with_data(job, job.spec, request)
    body["spec"]["restartPolicy"] = "Always"
    if beside is not None:
        placement.require_node_of(render.holder_selector(job, beside), body)
    container = pod.container(request, _command("nerf_trainer.viewer"), _viewer_env(job))
    container |= {
        "ports": [{"name": "http", "containerPort": names.VIEWER_PORT}],
        "readinessProbe": pod.readiness("/healthz", names.VIEWER_PORT),
        "resources": _resources(job.spec.viewer.resources),
    }
    made = _filled(body, job, job.spec, request, container, _VIEWED)
    volume = "viewer-token"
    container["volumeMounts"].append(mounts.token_mount(volume, names.VIEWER_TOKEN_MOUNT))
    made["spec"]["volumes"].append(mounts.token_volume(volume, children.viewer(job.name)))
    return made


#: Photos are not for the viewer: it would keep their volume, and so every later job, on its node.
_VIEWED = Mounts(dataset_writable=None, checkpoint_writable=False)


def _command(module: str) -> list[str]:
    return ["python3", "-m", module, *pod.CONFIG_FLAG]


def _stage(job: Job, request: PodRequest, module: str) -> Object:
    env = [*pod.identity_env(job), *pod.data_env()]
    return pod.container(request, _command(module), env) | {
        "ports": [{"name": "http", "containerPort": names.TRAINER_HTTP_PORT}],
        "readinessProbe": pod.readiness("/healthz", names.TRAINER_HTTP_PORT),
        "livenessProbe": pod.liveness("/healthz", names.TRAINER_HTTP_PORT),
    }


def _viewer_env(job: Job) -> list[Object]:
    file = f"{names.VIEWER_TOKEN_MOUNT}/{names.TOKEN_KEY}"
    token = pod.value(names.ENV_VIEWER_TOKEN_FILE, file)
    return [*pod.identity_env(job), *pod.data_env(), token]


def _resources(spec: ResourceSpec) -> Object:
    given = spec.model_dump(by_alias=True, exclude_none=True)
    return {kind: amounts for kind, amounts in given.items() if amounts}


def _filled(
    body: Object,
    job: Job,
    spec: NeRFJobSpec,
    request: PodRequest,
    container: Object,
    mounted: Mounts,
) -> Object:
    container["volumeMounts"] = mounts.volume_mounts(job, spec, mounted)
    body["spec"] |= {
        "containers": [container],
        "volumes": mounts.volumes(job, spec, request, mounted),
    }
    return body
