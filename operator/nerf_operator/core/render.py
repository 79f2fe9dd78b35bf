"""The children of a job as Kubernetes objects, except for pods (see `pod.py`)."""

from nerf_contract import children, names
from nerf_operator.core.actions import Object
from nerf_operator.core.observed import Job


def owner_reference(job: Job) -> Object:
    """The reference by which Kubernetes removes a child together with its job."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "name": job.name,
        "uid": job.uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }


def labels(job: Job, component: str | None = None) -> dict[str, str]:
    """Labels of every child."""
    found = {
        names.LABEL_APP: names.APP_TRAINER,
        "app.kubernetes.io/instance": job.name,
        names.LABEL_MANAGED_BY: names.FIELD_MANAGER,
        names.LABEL_JOB: job.name,
    }
    return found | ({names.LABEL_COMPONENT: component} if component else {})


def worker_labels(job_name: str) -> dict[str, str]:
    """Labels by which the job's worker pods are selected."""
    return {names.LABEL_JOB: job_name, names.LABEL_COMPONENT: names.COMPONENT_WORKER}


def worker_selector(job_name: str) -> str:
    """Label selector of the job's worker pods."""
    return ",".join(f"{key}={value}" for key, value in worker_labels(job_name).items())


def coordinator_address(job: Job) -> str:
    """host:port where every worker finds the job's coordinator."""
    return f"{job.name}.{job.namespace}.svc:{names.COORDINATOR_PORT}"


def coordinator_selector(job: Job, attempt: int = 0) -> dict[str, str]:
    """Labels of the pod that hosts the coordinator, in its place since that attempt.

    A pod of a lost node stays for as long as that is away: half of all calls would go to it.
    """
    later = {names.LABEL_ATTEMPT: str(attempt)} if attempt else {}
    return {names.LABEL_JOB: job.name, names.LABEL_COORDINATOR: "true"} | later


def service(job: Job, attempt: int = 0) -> Object:
    """The Service that leads to the coordinator of that attempt, also before its pod is ready."""
    port = {"name": "coordinator", "port": names.COORDINATOR_PORT, "protocol": "TCP"}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(job, job.name),
        "spec": {
            "type": "ClusterIP",
            "publishNotReadyAddresses": True,
            "selector": coordinator_selector(job, attempt),
            "ports": [port | {"targetPort": names.COORDINATOR_PORT}],
        },
    }


def viewer_service(job: Job) -> Object:
    """The Service that leads to the viewer, inside the cluster only."""
    port = {"name": "http", "port": names.VIEWER_PORT, "protocol": "TCP"}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(job, children.viewer(job.name)),
        "spec": {
            "type": "ClusterIP",
            "selector": viewer_selector(job),
            "ports": [port | {"targetPort": names.VIEWER_PORT}],
        },
    }


def viewer_selector(job: Job) -> dict[str, str]:
    """Labels of the viewer's pod."""
    return {names.LABEL_JOB: job.name, names.LABEL_COMPONENT: names.COMPONENT_VIEWER}


def holder_selector(job: Job, component: str) -> dict[str, str]:
    """Labels of the pod of a component that mounts the checkpoints; of the workers, the first."""
    found = {names.LABEL_JOB: job.name, names.LABEL_COMPONENT: component}
    worker = component == names.COMPONENT_WORKER
    return found | ({names.LABEL_INDEX: "0"} if worker else {})


def token_secret(job: Job, name: str) -> Object:
    """A Secret for a token, which is drawn when it is created."""
    return {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": metadata(job, name)}


def checkpoint_claim(job: Job) -> Object:
    """The claim for checkpoints: only one worker mounts it."""
    assert job.spec is not None
    volume = job.spec.checkpoint.volume
    name = children.checkpoint_claim(job.name)
    claim = _claim(job, name, volume.size, volume.storage_class_name)
    if volume.retention_policy == "Retain":
        del claim["metadata"]["ownerReferences"]
    return claim


def dataset_claim(job: Job) -> Object:
    """The claim that an archive is unpacked to."""
    assert job.spec is not None
    volume = job.spec.dataset.volume
    name = children.dataset_claim(job.name)
    return _claim(job, name, volume.size, volume.storage_class_name)


def _claim(job: Job, name: str, size: str, storage_class: str | None) -> Object:
    """A ReadWriteOnce claim, which every cluster can serve."""
    spec: Object = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": size}},
    }
    if storage_class is not None:
        spec["storageClassName"] = storage_class
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": metadata(job, name),
        "spec": spec,
    }


def metadata(job: Job, name: str) -> Object:
    """Metadata of a child."""
    return {
        "name": name,
        "namespace": job.namespace,
        "labels": labels(job),
        "ownerReferences": [owner_reference(job)],
    }
