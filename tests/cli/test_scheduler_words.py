"""The scheduler's words, taken from Kubernetes 1.30 to 1.35, in plain ones."""

from typing import Any

import pytest

from nerf_cli.causes import scheduler
from nerf_cli.cluster import Object
from nerf_contract import names


def pod(gpus: int = 0, component: str = names.COMPONENT_WORKER, **spec: Any) -> Object:
    resources = {"limits": {"nvidia.com/gpu": str(gpus)}} if gpus else {}
    return {
        "metadata": {"name": "w", "labels": {names.LABEL_COMPONENT: component}},
        "spec": {"containers": [{"name": "trainer", "resources": resources}], **spec},
        "status": {},
    }


def node(gpus: int = 0, labels: Object | None = None, taints: list[Object] | None = None) -> Object:
    return {
        "metadata": {"name": "n", "labels": labels or {}},
        "spec": {"taints": taints or []},
        "status": {"allocatable": {"nvidia.com/gpu": str(gpus)} if gpus else {}},
    }


PREEMPTION = " preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling."
#: the scheduler's words after "0/3 nodes are available: " -> words of each finding
WORDS: dict[str, list[tuple[str, str]]] = {
    "3 Insufficient cpu.": [("on 3 of 3 nodes: too little cpu", "spec.workers.resources.requests")],
    "1 Insufficient memory, 2 node(s) had untolerated taint {gpu: true}.": [
        ("on 1 of 3 nodes: too little memory", "add nodes"),
        ("on 2 of 3 nodes: the taint gpu=true, which", "spec.workers.tolerations"),
    ],
    "3 node(s) had untolerated taint {dedicated: }.": [
        ("the taint dedicated, which the pod does not tolerate", "spec.workers.tolerations"),
    ],
    "3 node(s) had untolerated taint(s).": [("a taint that the pod does not", "tolerations")],
    "1 node(s) had untolerated taint {node.kubernetes.io/not-ready: }, 2 node(s) were "
    "unschedulable.": [
        ("on 1 of 3 nodes: the node is not ready", "kubectl get nodes"),
        ("on 2 of 3 nodes: the node is closed", "kubectl uncordon"),
    ],
    "3 node(s) had untolerated taint {node.kubernetes.io/disk-pressure: }.": [
        ("the node is short of disk", "Free some"),
    ],
    "3 node(s) didn't match Pod's node affinity/selector.": [
        ("not among the nodes that the job asks for", "spec.workers.nodeSelector"),
    ],
    "3 node(s) had volume node affinity conflict.": [
        ("a volume of the pod can only be used in another zone", "WaitForFirstConsumer"),
    ],
    "3 node(s) didn't match pod affinity rules.": [("beside others that are not", "ReadWriteMany")],
    "3 node(s) didn't match pod anti-affinity rules.": [("must not be beside", "affinity")],
    "3 node(s) didn't match pod topology spread constraints.": [
        ("would lie too unevenly", "topologySpreadConstraints"),
    ],
    "3 Too many pods.": [("as many pods as it may", "Add nodes")],
    "pod has unbound immediate PersistentVolumeClaims.": [("a claim of the pod has no volume", "")],
    'persistentvolumeclaim "photos" not found.': [("the claim photos does not exist", "Create")],
    "3 node(s) had a bad day.": [("on 3 of 3 nodes: node(s) had a bad day", "")],
}


@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize("tail", ["", PREEMPTION])
def test_plain_words(words: str, tail: str) -> None:
    found = scheduler.causes(f"0/3 nodes are available: {words}{tail}", pod(), None)
    assert len(found) == len(WORDS[words])
    for finding, (what, todo) in zip(found, WORDS[words], strict=True):
        assert what in finding.what
        assert todo in finding.todo
        assert "{" not in finding.what + finding.todo


def test_a_cluster_without_nodes() -> None:
    [found] = scheduler.causes("no nodes available to schedule pods", pod(), ())
    assert found.what == "the cluster has no nodes that take pods"


#: what the nodes offer (None: not known) -> what to do
GPUS: list[tuple[list[int] | None, str]] = [
    (None, "Lower spec.workers.gpusPerWorker, ask for fewer workers"),
    ([0, 0], "No node offers nvidia.com/gpu: NVIDIA's device plugin must run"),
    ([2, 0], "The largest node has 2: lower spec.workers.gpusPerWorker"),
    ([4, 2], "Others use them: wait"),
]


@pytest.mark.parametrize(("offered", "todo"), GPUS)
def test_gpus_that_are_missing_are_counted(offered: list[int] | None, todo: str) -> None:
    nodes = None if offered is None else [node(gpus) for gpus in offered]
    words = "0/2 nodes are available: 2 Insufficient nvidia.com/gpu."
    [found] = scheduler.causes(words, pod(gpus=4), nodes)
    assert found.what == "on 2 of 2 nodes: too few GPUs are free; the pod asks for 4"
    assert found.todo.startswith(todo)


def test_what_the_nodes_lack_and_have_is_named() -> None:
    nodes = [node(labels={"pool": "cpu"}, taints=[{"key": "gpu", "effect": "NoSchedule"}])]
    asked = pod(nodeSelector={"pool": "gpu", "zone": "a"})
    words = "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."
    [found] = scheduler.causes(words, asked, nodes)
    assert found.what.endswith("; no node has the label pool=gpu, zone=a")
    [found] = scheduler.causes(
        "0/1 nodes are available: 1 node(s) had untolerated taint(s).", asked, nodes
    )
    assert found.what.endswith("; taints of the nodes: gpu")


def test_each_stage_has_its_own_requests() -> None:
    poses = pod(component=names.COMPONENT_POSES)
    [found] = scheduler.causes("0/1 nodes are available: 1 Insufficient cpu.", poses, None)
    assert "spec.poses.resources.requests" in found.todo
