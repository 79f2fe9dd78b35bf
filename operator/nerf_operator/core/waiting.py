"""Why pods do not run yet, said so that a person knows what to do."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from nerf_contract import names, reasons
from nerf_contract.v1alpha1 import NeRFJobSpec
from nerf_operator.core import claims
from nerf_operator.core.observed import Claim, Job, Observed, Pod

#: Starting a pod may take this long before its volumes are suspected.
PATIENCE = timedelta(seconds=20)
_PULL_ERRORS = frozenset(
    {
        *("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"),
        *("ImageInspectError", "RegistryUnavailable"),
    }
)
_CONFIG_ERRORS = frozenset(
    {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}
)


@dataclass(frozen=True)
class Waiting:
    """What must be done by a person before the job can go on."""

    reason: str
    message: str


@dataclass(frozen=True)
class _Case:
    """A pod of a job, and what is known around it."""

    job: Job
    spec: NeRFJobSpec
    observed: Observed
    pod: Pod
    now: datetime


Rule = Callable[[_Case], Waiting | None]


def explain(
    job: Job, spec: NeRFJobSpec, observed: Observed, pods: Sequence[Pod], now: datetime
) -> Waiting | None:
    """The gravest obstacle of the pods that are meant to run, if there is one."""
    for rule in _RULES:
        for pod in pods:
            found = rule(_Case(job, spec, observed, pod, now))
            if found is not None:
                return found
    return None


def recheck_seconds(pods: Sequence[Pod], now: datetime) -> float | None:
    """Seconds until patience ends with one of the pods that have not started."""
    ends = [since(pod) + PATIENCE for pod in pods if pod.phase == "Pending"]
    left = [(end - now).total_seconds() for end in ends if end > now]
    return min(left, default=None)


def since(pod: Pod) -> datetime:
    """Since when its node, or else the scheduler, has been busy with it."""
    return pod.scheduled_at or pod.created


def _image(case: _Case) -> Waiting | None:
    pod = case.pod
    if pod.waiting_reason not in _PULL_ERRORS:
        return None
    return Waiting(
        reasons.IMAGE_PULL_FAILED,
        f"The image {pod.image!r} cannot be pulled ({_pull_cause(pod)}). Check the name in "
        "spec.image (or the operator's trainerImage), that the registry can be reached from the "
        "nodes, or load the image onto them; Kubernetes keeps trying.",
    )


def _pull_cause(pod: Pod) -> str:
    text = pod.waiting_message.lower()
    for sign, cause in _PULL_CAUSES:
        if sign in text:
            return cause
    return "InvalidImageName" if pod.waiting_reason == "InvalidImageName" else "ErrImagePull"


_PULL_CAUSES = (
    ("not found", "not found"),
    ("unauthorized", "not authorized"),
    ("denied", "access denied"),
    ("no such host", "the registry's host name is unknown"),
    ("connection refused", "the registry refuses the connection"),
    ("timeout", "the registry does not answer"),
    ("not present with pull policy of never", "not on the node"),
)


def _config(case: _Case) -> Waiting | None:
    pod = case.pod
    if pod.waiting_reason not in _CONFIG_ERRORS:
        return None
    return Waiting(
        reasons.CONTAINER_CONFIG_ERROR,
        f"The container of {pod.name} cannot be created: {pod.waiting_message}",
    )


def _unbound(case: _Case) -> Waiting | None:
    """Not scheduled since a claim is not bound, be it at once or on first use."""
    pod = case.pod
    if pod.scheduled_at is not None or case.now - pod.created < PATIENCE:
        return None
    words = pod.unschedulable
    if words is not None and "unbound immediate" not in words:
        return None
    pending = [claim for claim in case.observed.claims.values() if claim.phase != "Bound"]
    return Waiting(reasons.CLAIM_PENDING, _unbound_message(pending[0])) if pending else None


def _unbound_message(claim: Claim) -> str:
    if claim.phase == "Lost":
        return f"The volume behind the PersistentVolumeClaim {claim.name!r} no longer exists."
    source = f"storage class {claim.storage_class!r}" if claim.storage_class else "no storage class"
    return (
        f"The PersistentVolumeClaim {claim.name!r} ({source}) is still {claim.phase}: no volume "
        "was made for it. See `kubectl describe pvc`; the class must exist and its provisioner run."
    )


def _unschedulable(case: _Case) -> Waiting | None:
    pod = case.pod
    if pod.unschedulable is None:
        return None
    message = f"No node takes {pod.name}. The scheduler says: {pod.unschedulable}"
    return Waiting(reasons.UNSCHEDULABLE, " ".join([message, *_ways_out(case)]))


def _ways_out(case: _Case) -> list[str]:
    spec, pod, words = case.spec, case.pod, case.pod.unschedulable or ""
    gpus = 0 if pod.component == names.COMPONENT_POSES else spec.workers.gpus_per_worker
    ways = []
    if gpus:
        size = "spec.workers.max" if spec.auto else "spec.workers.replicas"
        ways.append(
            f"Each worker asks for {gpus} nvidia.com/gpu: lower spec.workers.gpusPerWorker or "
            f"{size}, or add nodes with GPUs."
        )
    elif "Insufficient" in words:
        ways.append(_TOO_LARGE.get(pod.component, _TOO_LARGE[names.COMPONENT_WORKER]))
    if spec.workers.node_selector and ("selector" in words or "affinity" in words):
        ways.append("Check spec.workers.nodeSelector against `kubectl get nodes --show-labels`.")
    if ways:
        ways.append("The spec of workers can be changed while spec.runPolicy.suspend is true.")
    return [*ways, *_one_node(case)]


_TOO_LARGE = {
    names.COMPONENT_WORKER: "Lower spec.workers.resources.requests or spec.workers.replicas, or "
    "add nodes.",
    names.COMPONENT_POSES: "Lower spec.poses.resources.requests, or add nodes.",
    names.COMPONENT_EXPORT: "Lower spec.workers.resources.requests, or add nodes.",
}


def _one_node(case: _Case) -> list[str]:
    claim = case.observed.claims.get(claims.dataset_claim(case.job, case.spec))
    alone = case.spec.workers.wanted == 1 or case.pod.component != names.COMPONENT_WORKER
    if claim is None or not claim.one_node_only or alone:
        return []
    modes = ", ".join(claim.access_modes)
    return [
        f"The dataset's claim {claim.name!r} is {modes}, so all workers must share one node: use "
        "a claim that is ReadOnlyMany or ReadWriteMany, or fewer workers."
    ]


def _volumes(case: _Case) -> Waiting | None:
    pod = case.pod
    if pod.sandboxed is not False or pod.phase != "Pending" or case.now - since(pod) < PATIENCE:
        return None
    mounted = ", ".join(
        f"{claim.name!r} ({', '.join(claim.access_modes)})"
        for claim in sorted(case.observed.claims.values(), key=lambda claim: claim.name)
    )
    return Waiting(
        reasons.VOLUME_NOT_MOUNTED,
        f"The volumes of {pod.name} are not mounted on node {pod.node!r}; its claims: {mounted}. A "
        "ReadWriteOnce volume can be mounted on one node only, and another pod may hold it "
        "elsewhere: wait until that pod is gone, or use a ReadWriteMany claim. "
        f"{_holder(case)}`kubectl describe pod {pod.name}` tells more.",
    )


def _holder(case: _Case) -> str:
    """The pod that this one replaces, where its node does not let it go. It is never deleted by
    force: while nobody knows that the node is off, there could be two who write."""
    place, here = (case.pod.component, case.pod.index), case.pod.node
    for pod in case.observed.pods:
        if pod.deleting and pod.node not in (None, here) and (pod.component, pod.index) == place:
            return (
                f"{pod.name} still ends on node {pod.node!r}. If that node is off for good, delete "
                f"it, or let go of its volumes at once: `kubectl taint nodes {pod.node} "
                "node.kubernetes.io/out-of-service=nodeshutdown:NoExecute`. "
            )
    return ""


_RULES: tuple[Rule, ...] = (_image, _config, _unbound, _unschedulable, _volumes)
