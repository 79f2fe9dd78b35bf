"""The children of a job as Kubernetes objects, except for pods (see `pod.py`)."""

from nerf_contract import names
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


def worker_selector(job_name: str) -> str:
    """Label selector of the job's worker pods."""
    return f"{names.LABEL_JOB}={job_name},{names.LABEL_COMPONENT}={names.COMPONENT_WORKER}"


def coordinator_address(job: Job) -> str:
    """host:port where every worker finds the job's coordinator."""
    return f"{job.name}.{job.namespace}.svc:{names.COORDINATOR_PORT}"


def coordinator_selector(job: Job) -> dict[str, str]:
    """Labels of the pod that hosts the coordinator."""
    return {names.LABEL_JOB: job.name, names.LABEL_COORDINATOR: "true"}


def service(job: Job) -> Object:
    """The Service that leads to the coordinator, also before its pod is ready."""
    port = {"name": "coordinator", "port": names.COORDINATOR_PORT, "protocol": "TCP"}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(job, job.name),
        "spec": {
            "type": "ClusterIP",
            "publishNotReadyAddresses": True,
            "selector": coordinator_selector(job),
            "ports": [port | {"targetPort": names.COORDINATOR_PORT}],
        },
    }


def checkpoint_claim_name(job_name: str) -> str:
    """Name of the claim that is made for a job without one."""
    return f"{job_name}-checkpoint"


def checkpoint_claim(job: Job) -> Object:
    """The ReadWriteOnce claim for checkpoints: only worker 0 mounts it."""
    assert job.spec is not None
    volume = job.spec.checkpoint.volume
    spec: Object = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": volume.size}},
    }
    if volume.storage_class_name is not None:
        spec["storageClassName"] = volume.storage_class_name
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": metadata(job, checkpoint_claim_name(job.name)),
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
