"""The scheduler's words in plain ones."""

import re
from collections.abc import Sequence

from nerf_cli.causes.finding import Finding
from nerf_cli.choosing import component
from nerf_cli.cluster import Object
from nerf_contract import names

#: What is found where the claims tell the rest.
UNBOUND = "a claim of the pod has no volume yet"
_PARTS = re.compile(r"(?:[^,{}]|\{[^}]*\})+")
_COUNT = re.compile(r"(\d+) (.+)")
_NODES = "See `kubectl get nodes`."
_TAINT = r"taints? \{"

#: What the scheduler says -> what that means, and what to do. `{name}`: of a group, or of `_facts`.
_RULES: tuple[tuple[str, str, str], ...] = (
    (
        r"Insufficient nvidia\.com/gpu",
        "too few GPUs are free; the pod asks for {gpus}",
        "{gpu_way}",
    ),
    (
        r"Insufficient (?P<what>\S+)",
        "too little {what} is free for what the pod asks for",
        "Ask for less in {requests}, or add nodes.",
    ),
    (
        rf"{_TAINT}node\.kubernetes\.io/(not-ready|unreachable)",
        "the node is not ready",
        f"{_NODES} Pods go there once it is.",
    ),
    (
        rf"{_TAINT}node\.kubernetes\.io/unschedulable|were unschedulable",
        "the node is closed to new pods (cordoned)",
        "`kubectl uncordon NODE` opens it again.",
    ),
    (
        rf"{_TAINT}node\.kubernetes\.io/(?P<what>[\w-]+)-pressure",
        "the node is short of {what}",
        "Free some, or add nodes.",
    ),
    (
        r"taints? \{(?P<key>[^:}]+): ?(?P<value>[^}]*)\}",
        "the taint {key}={value}, which the pod does not tolerate",
        "Add it to spec.workers.tolerations if the job may use such nodes.",
    ),
    (
        r"untolerated taint",
        "a taint that the pod does not tolerate{taints}",
        "Add it to spec.workers.tolerations if the job may use such nodes.",
    ),
    (
        r"didn't match Pod's node affinity/selector",
        "not among the nodes that the job asks for{labels}",
        "Correct spec.workers.nodeSelector and affinity, or label a node.",
    ),
    (
        r"volume node affinity conflict",
        "a volume of the pod can only be used in another zone, or on another node",
        "Let the job use nodes there, or make the claim anew with a storage class whose "
        "volumeBindingMode is WaitForFirstConsumer.",
    ),
    (
        r"(didn't match pod affinity rules)",
        "the pod must be beside others that are not on this node, as for a volume that only one "
        "node may mount",
        "Make room on their node, use a ReadWriteMany claim, or correct spec.workers.affinity.",
    ),
    (
        r"anti-affinity",
        "the pod must not be beside others that are on this node",
        "Correct spec.workers.affinity, or add nodes.",
    ),
    (
        r"topology spread",
        "the workers would lie too unevenly",
        "Correct spec.workers.topologySpreadConstraints, or add nodes.",
    ),
    (r"Too many pods", "the node has as many pods as it may", "Add nodes."),
    (r"max volume count", "the node has as many volumes as it may", "Add nodes."),
    (
        r"didn't find available persistent volumes to bind",
        "no volume can be made for the pod's claim there",
        "See `kubectl describe pvc`, and the topologies that its storage class allows.",
    ),
    (r"unbound immediate PersistentVolumeClaims", UNBOUND, ""),
    (
        r'persistentvolumeclaim "(?P<claim>[^"]+)" not found',
        "the claim {claim} does not exist",
        "Create it.",
    ),
    (
        r'persistentvolumeclaim "(?P<claim>[^"]+)" is being deleted',
        "the claim {claim} is being deleted",
        "Create it anew once it is gone.",
    ),
    (r"no nodes available", "the cluster has no nodes that take pods", _NODES),
)


def causes(words: str, pod: Object, nodes: Sequence[Object] | None) -> list[Finding]:
    """Why no node takes the pod, a finding for each thing that the scheduler says."""
    text = words.split("preemption:")[0]
    head, there, rest = text.partition(" nodes are available: ")
    total = head.rpartition("/")[2] if there else ""
    parts = _PARTS.findall(rest) if there else [text]
    facts = _facts(pod, nodes or ())
    return [_cause(part.strip(" ."), total, facts) for part in parts if part.strip(" .")]


def _cause(part: str, total: str, facts: dict[str, str]) -> Finding:
    counted = _COUNT.fullmatch(part)
    where = f"on {counted[1]} of {total} nodes: " if counted else ""
    words = counted[2] if counted else part
    for pattern, what, todo in _RULES:
        if found := re.search(pattern, words):
            known = facts | found.groupdict()
            return Finding(where + what.format(**known).replace("=,", ","), todo.format(**known))
    return Finding(where + words)


def _facts(pod: Object, nodes: Sequence[Object]) -> dict[str, str]:
    """What the findings tell of the pod and the nodes. nodes: () where they are not known."""
    asked = _gpus(pod)
    return {
        "gpus": str(asked),
        "gpu_way": _gpu_way(asked, nodes),
        "requests": _REQUESTS.get(component(pod), "spec.workers.resources.requests"),
        "labels": _lacking(pod["spec"].get("nodeSelector") or {}, nodes),
        "taints": _taints(nodes),
    }


_REQUESTS = {
    names.COMPONENT_DOWNLOAD: "spec.poses.resources.requests",
    names.COMPONENT_POSES: "spec.poses.resources.requests",
    names.COMPONENT_VIEWER: "spec.viewer.resources.requests",
}


def _gpus(pod: Object) -> int:
    amounts = (c.get("resources", {}).get("limits") or {} for c in pod["spec"]["containers"])
    return sum(int(found.get(names.GPU, 0)) for found in amounts)


def _gpu_way(asked: int, nodes: Sequence[Object]) -> str:
    offered = [int((node["status"].get("allocatable") or {}).get(names.GPU, 0)) for node in nodes]
    most = max(offered, default=None)
    if most is None:
        return "Lower spec.workers.gpusPerWorker, ask for fewer workers, or add nodes with GPUs."
    if most == 0:
        return (
            f"No node offers {names.GPU}: NVIDIA's device plugin must run on those with GPUs; "
            "without GPUs, set spec.workers.gpusPerWorker to 0."
        )
    if most < asked:
        return (
            f"The largest node has {most}: lower spec.workers.gpusPerWorker, or add a larger one."
        )
    return "Others use them: wait, ask for fewer workers, or add nodes with GPUs."


def _lacking(selector: dict[str, str], nodes: Sequence[Object]) -> str:
    there = [node["metadata"].get("labels") or {} for node in nodes]
    lacking = [f"{k}={v}" for k, v in selector.items() if all(n.get(k) != v for n in there)]
    return f"; no node has the label {', '.join(lacking)}" if nodes and lacking else ""


def _taints(nodes: Sequence[Object]) -> str:
    found = [t for node in nodes for t in node["spec"].get("taints") or []]
    told = {f"{t['key']}={t.get('value', '')}".rstrip("=") for t in found if _keeps_out(t)}
    return f"; taints of the nodes: {', '.join(sorted(told))}" if told else ""


def _keeps_out(taint: Object) -> bool:
    return bool(taint.get("effect") != "PreferNoSchedule")
