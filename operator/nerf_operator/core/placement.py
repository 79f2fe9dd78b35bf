"""Where the pods of a job may go, and what they are to the scheduler."""

from collections.abc import Sequence

from nerf_contract import names
from nerf_contract.base import Model
from nerf_contract.v1alpha1 import NeRFJobSpec
from nerf_operator.core import render
from nerf_operator.core.actions import Object
from nerf_operator.core.observed import Job

#: Seconds after which a pod leaves a node that is not ready; Kubernetes' default is 300. A silent
#: node is called so only after 40 s or more: there is little left to wait for.
NODE_LOST_SECONDS = 5
HOSTNAME = "kubernetes.io/hostname"


def of_every_pod(spec: NeRFJobSpec) -> Object:
    """Fields of the spec of every pod, whether it has data or not."""
    workers = spec.workers
    found: Object = {
        "terminationGracePeriodSeconds": workers.grace_seconds,
        "tolerations": [*_NODE_TOLERATIONS, *map(_dump, workers.tolerations)],
    }
    if workers.gpus_per_worker:  # Of all its pods: there may be no other nodes.
        found["tolerations"].append(GPU_TOLERATION)
    if spec.image_pull_secrets:
        found["imagePullSecrets"] = [{"name": name} for name in spec.image_pull_secrets]
    if workers.priority_class_name:
        found["priorityClassName"] = workers.priority_class_name
    if workers.scheduler_name:
        found["schedulerName"] = workers.scheduler_name
    return found


def beside_the_data(spec: NeRFJobSpec, body: Object) -> None:
    """Fields of a pod that has volumes: all such go where those are, so beside the workers."""
    workers, target = spec.workers, body["spec"]
    if workers.node_selector:
        target["nodeSelector"] = dict(workers.node_selector)
    if workers.affinity is not None:
        target["affinity"] = _dump(workers.affinity)
    if workers.runtime_class_name:
        target["runtimeClassName"] = workers.runtime_class_name


def spread(job: Job, spec: NeRFJobSpec, body: Object) -> None:
    """How evenly this worker and the others lie over domains."""
    labels = render.worker_labels(job.name)
    constraints = [
        {**_dump(constraint), "labelSelector": {"matchLabels": labels}}
        for constraint in spec.workers.topology_spread_constraints
    ]
    if constraints:
        body["spec"]["topologySpreadConstraints"] = constraints


def _dump(model: Model) -> Object:
    """As in a pod: what is absent or empty says nothing there."""
    return _filled(model.model_dump(by_alias=True, exclude_none=True))


def _filled(given: Object) -> Object:
    found = {k: _filled(v) if isinstance(v, dict) else v for k, v in given.items()}
    return {key: value for key, value in found.items() if value not in ("", [], {})}


def require_node_of(labels: Object, body: Object) -> None:
    """Place the pod `body` only beside pods of the namespace with these labels, or its own kind."""
    _affinity(body, "required").append(_beside(labels))


def prefer_node_of(labels: Object, body: Object) -> None:
    """Place the pod `body` beside pods with these labels, where that can be."""
    _affinity(body, "preferred").append({"weight": 100, "podAffinityTerm": _beside(labels)})


def prefer_other_nodes(nodes: Sequence[str], body: Object) -> None:
    """Place the pod `body` on none of these nodes, where that can be."""
    if not nodes:
        return
    fields = [{"key": "metadata.name", "operator": "NotIn", "values": [node]} for node in nodes]
    term = {"weight": 100, "preference": {"matchFields": fields}}
    _affinity(body, "preferred", "nodeAffinity").append(term)


def _affinity(body: Object, kind: str, to: str = "podAffinity") -> list[Object]:
    terms: Object = body["spec"].setdefault("affinity", {}).setdefault(to, {})
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
GPU_TOLERATION: Object = {"key": names.GPU, "operator": "Exists", "effect": "NoSchedule"}
