"""The volume that photos are uploaded to."""

import math
from typing import Any

from kubernetes.client.exceptions import ApiException

from nerf_cli.cluster import Cluster, Object
from nerf_cli.errors import UserError, missing

GIB = 2**30
SMALLEST_GIB = 10


def ensure(
    cluster: Cluster, name: str, size: str, storage_class: str | None, shared: bool
) -> tuple[Object, bool]:
    """The claim, and whether it was made now."""
    found = find(cluster, name)
    if found is not None:
        return _usable(found), False
    body = claim(name, size, storage_class, shared)
    made = cluster.core.create_namespaced_persistent_volume_claim(cluster.namespace, body)
    return _plain(cluster, made), True


def find(cluster: Cluster, name: str) -> Object | None:
    """The claim, or None where there is none of that name."""
    read = cluster.core.read_namespaced_persistent_volume_claim
    try:
        return _plain(cluster, read(name, cluster.namespace))
    except ApiException as error:
        if missing(error):
            return None
        raise


def claim(name: str, size: str, storage_class: str | None, shared: bool) -> Object:
    """A PersistentVolumeClaim. shared: for workers on several nodes."""
    spec: Object = {
        "accessModes": ["ReadWriteMany" if shared else "ReadWriteOnce"],
        "resources": {"requests": {"storage": size}},
    }
    if storage_class is not None:
        spec["storageClassName"] = storage_class
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name},
        "spec": spec,
    }


def size_for(photos: int) -> str:
    """Size of a new claim for so many bytes: room for as much again, and at least 10Gi."""
    return f"{max(SMALLEST_GIB, math.ceil(2 * photos / GIB))}Gi"


def one_node_only(claim: Object) -> bool:
    """Whether pods on two nodes cannot mount it at the same time."""
    return not {"ReadOnlyMany", "ReadWriteMany"} & set(claim["spec"]["accessModes"])


def _usable(claim: Object) -> Object:
    name = claim["metadata"]["name"]
    if claim["metadata"].get("deletionTimestamp"):
        raise UserError(f"The claim {name!r} is being deleted. Wait, or name another by --claim.")
    if claim["spec"]["accessModes"] == ["ReadOnlyMany"]:
        raise UserError(f"The claim {name!r} can only be read. Name another one by --claim.")
    return claim


def _plain(cluster: Cluster, found: Any) -> Object:
    plain: Object = cluster.api.sanitize_for_serialization(found)
    return plain
