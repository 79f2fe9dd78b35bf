"""What a person can do so that some node takes a pod, by the scheduler's words."""

from nerf_contract import names
from nerf_contract.v1alpha1 import NeRFJobSpec
from nerf_operator.core import claims
from nerf_operator.core.observed import Job, Observed, Pod

_TOO_LARGE = {
    names.COMPONENT_WORKER: "Lower spec.workers.resources.requests or {size}, or add nodes.",
    names.COMPONENT_DOWNLOAD: "Lower spec.poses.resources.requests, or add nodes.",
    names.COMPONENT_POSES: "Lower spec.poses.resources.requests, or add nodes.",
    names.COMPONENT_EXPORT: "Lower spec.workers.resources.requests, or add nodes.",
    names.COMPONENT_COORDINATOR: "Add nodes, or make room: it asks for 50m of CPU and 64Mi.",
}
_OUTSIDE = "volume node affinity conflict"


def find(job: Job, spec: NeRFJobSpec, observed: Observed, pod: Pod) -> list[str]:
    """Sentences; [] where the scheduler's words are all that is known."""
    ways = [*_resources(spec, pod), *_placement(spec, pod)]
    if ways:
        ways.append("The spec of workers can be changed while spec.runPolicy.suspend is true.")
    return [*ways, *_volume(pod), *_one_node(job, spec, observed, pod)]


def _words(pod: Pod) -> str:
    return pod.unschedulable or ""


def _resources(spec: NeRFJobSpec, pod: Pod) -> list[str]:
    words, no_gpu = _words(pod), f"Insufficient {names.GPU}"
    size = "spec.workers.max" if spec.auto else "spec.workers.replicas"
    ways = []
    if no_gpu in words:
        ways.append(
            f"Each worker asks for {spec.workers.gpus_per_worker} {names.GPU}: lower "
            f"spec.workers.gpusPerWorker or {size}, or add nodes with GPUs."
        )
    if "Insufficient" in words.replace(no_gpu, ""):
        way = _TOO_LARGE.get(pod.component, _TOO_LARGE[names.COMPONENT_WORKER])
        ways.append(way.format(size=size))
    return ways


def _placement(spec: NeRFJobSpec, pod: Pod) -> list[str]:
    words, workers = _words(pod), spec.workers
    ways = []
    if workers.node_selector and ("selector" in words or "affinity" in words):
        ways.append("Check spec.workers.nodeSelector against `kubectl get nodes --show-labels`.")
    if "untolerated taint" in words:
        ways.append(
            "Add the taint to spec.workers.tolerations, if the job may use those nodes: `kubectl "
            "describe nodes` lists taints."
        )
    if workers.topology_spread_constraints and "topology spread" in words:
        ways.append("Loosen spec.workers.topologySpreadConstraints.")
    return ways


def _volume(pod: Pod) -> list[str]:
    if _OUTSIDE not in _words(pod):
        return []
    return [
        "One of its volumes can only be used in another zone, or on another node: let the job use "
        "nodes there, or make the claim anew with a storage class that waits for the first pod."
    ]


def _one_node(job: Job, spec: NeRFJobSpec, observed: Observed, pod: Pod) -> list[str]:
    claim = observed.claims.get(claims.dataset_claim(job, spec))
    alone = spec.workers.wanted == 1 or pod.component != names.COMPONENT_WORKER
    if claim is None or not claim.one_node_only or alone:
        return []
    modes = ", ".join(claim.access_modes)
    return [
        f"The dataset's claim {claim.name!r} is {modes}, so all workers must share one node: use "
        "a claim that is ReadOnlyMany or ReadWriteMany, or fewer workers."
    ]
