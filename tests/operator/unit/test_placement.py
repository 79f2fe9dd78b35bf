"""What a job may say of where its pods go, and what it may not."""

from typing import Any

import pytest
from operator_support.builders import IMAGE, job, spec
from pydantic import ValidationError

from nerf_contract import names
from nerf_operator.core import placement, stage_pods
from nerf_operator.core.pod import PodRequest
from nerf_operator.core.training_pods import coordinator, worker

ELASTIC = {"replicas": 2, "min": 1}


def pods(workers: dict[str, Any], **sections: Any) -> dict[str, dict[str, Any]]:
    """One pod of each component of a job of two workers."""
    subject = job(workers=ELASTIC | workers, training={"shards": 16}, **sections)
    return {
        "worker": worker(subject, PodRequest(IMAGE, 0, index=1, together=True)),
        "coordinator": coordinator(subject, PodRequest(IMAGE, 0, names.COMPONENT_COORDINATOR)),
        "download": stage_pods.download(subject, PodRequest(IMAGE, 0, names.COMPONENT_DOWNLOAD)),
        "poses": stage_pods.poses(subject, PodRequest(IMAGE, 0, names.COMPONENT_POSES)),
        "export": stage_pods.export(subject, PodRequest(IMAGE, 0, names.COMPONENT_EXPORT)),
        "viewer": stage_pods.viewer(subject, PodRequest(IMAGE, 0, names.COMPONENT_VIEWER), None),
    }


STAGES = ["download", "poses", "export", "viewer"]
ALL = ["worker", "coordinator", *STAGES]
WITH_DATA = ["worker", *STAGES]
NODES = {
    "nodeSelectorTerms": [
        {"matchExpressions": [{"key": "gpu", "operator": "In", "values": ["a100"]}]}
    ]
}
AFFINITY = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": NODES}}

#: name -> (workers, components that get it, field of the pod's spec, value)
FIELDS: dict[str, tuple[dict[str, Any], list[str], str, Any]] = {
    "priority": ({"priorityClassName": "low"}, ALL, "priorityClassName", "low"),
    "scheduler": ({"schedulerName": "volcano"}, ALL, "schedulerName", "volcano"),
    "grace": ({"terminationGracePeriodSeconds": 90}, ALL, "terminationGracePeriodSeconds", 90),
    "grace of GPUs": ({"gpusPerWorker": 2}, ALL, "terminationGracePeriodSeconds", 60),
    "grace without GPUs": ({}, ALL, "terminationGracePeriodSeconds", 30),
    "runtime": ({"runtimeClassName": "nvidia"}, WITH_DATA, "runtimeClassName", "nvidia"),
    "nodes": ({"nodeSelector": {"a": "b"}}, WITH_DATA, "nodeSelector", {"a": "b"}),
    "affinity": ({"affinity": AFFINITY}, STAGES, "affinity", AFFINITY),
    "spread": (
        {"topologySpreadConstraints": [{"topologyKey": "zone"}]},
        ["worker"],
        "topologySpreadConstraints",
        [
            {
                **{"topologyKey": "zone", "maxSkew": 1, "whenUnsatisfiable": "ScheduleAnyway"},
                "labelSelector": {
                    "matchLabels": {
                        "nerfops.dev/job": "demo",
                        "app.kubernetes.io/component": "worker",
                    }
                },
            }
        ],
    ),
}


@pytest.mark.parametrize("name", FIELDS)
def test_fields_of_pods(name: str) -> None:
    workers, components, field, value = FIELDS[name]
    made = pods(workers)
    assert {c: made[c]["spec"].get(field) for c in components} == dict.fromkeys(components, value)
    others = {c: pod["spec"].get(field) for c, pod in made.items() if c not in components}
    assert value not in others.values()


def test_affinity_of_the_user_and_ours_go_together() -> None:
    found = pods({"affinity": AFFINITY})["worker"]["spec"]["affinity"]
    assert found["nodeAffinity"] == AFFINITY["nodeAffinity"]
    assert found["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]


PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def test_nodes_are_avoided_beside_what_the_user_prefers() -> None:
    wish = {"weight": 5, "preference": NODES["nodeSelectorTerms"][0]}
    mine = {"affinity": {"nodeAffinity": {PREFERRED: [wish]}}}
    subject = job(workers={"replicas": 2} | mine)
    for request in (PodRequest(IMAGE, 1, index=0, avoid=("a", "b")), PodRequest(IMAGE, 1, index=0)):
        made = worker(subject, request)
        ours = [
            {"key": "metadata.name", "operator": "NotIn", "values": [node]}
            for node in request.avoid
        ]
        added = [{"weight": 100, "preference": {"matchFields": ours}}] if ours else []
        assert made["spec"]["affinity"]["nodeAffinity"][PREFERRED] == [wish, *added]
    assert subject.spec is not None and subject.spec.workers.affinity is not None


def test_tolerations_are_added_to_ours() -> None:
    mine = {"key": "spot", "operator": "Exists", "effect": "NoSchedule"}
    found = pods({"tolerations": [mine], "gpusPerWorker": 1})
    for component in ALL:
        assert mine in found[component]["spec"]["tolerations"]
        assert placement.GPU_TOLERATION in found[component]["spec"]["tolerations"]
    keys = [t["key"] for t in found["worker"]["spec"]["tolerations"]]
    assert keys == [
        *("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"),
        *("spot", "nvidia.com/gpu"),
    ]


@pytest.mark.parametrize(
    ("workers", "size"),
    [({}, "1Gi"), ({"gpusPerWorker": 4}, "5Gi"), ({"sharedMemory": "3Gi"}, "3Gi")],
)
def test_shared_memory(workers: dict[str, Any], size: str) -> None:
    volumes = pods(workers)["worker"]["spec"]["volumes"]
    [shm] = [v["emptyDir"] for v in volumes if v["name"] == "shm"]
    assert shm == {"medium": "Memory", "sizeLimit": size}


def test_pull_secrets_are_for_every_pod() -> None:
    for made in pods({}, imagePullSecrets=["registry"]).values():
        assert made["spec"]["imagePullSecrets"] == [{"name": "registry"}]


def test_labels_and_annotations_stand_beside_ours() -> None:
    extra = {"labels": {"team": "maps"}, "annotations": {"cost-centre": "42 b"}}
    for component, made in pods(extra).items():
        meta = made["metadata"]
        assert meta["labels"]["team"] == "maps"
        assert meta["labels"]["app.kubernetes.io/component"] == component
        assert meta["annotations"]["cost-centre"] == "42 b"


REFUSED: dict[str, dict[str, Any]] = {
    "a label of ours": {"labels": {"nerfops.dev/job": "other"}},
    "a name of ours": {"labels": {"app.kubernetes.io/component": "viewer"}},
    "a way around security": {
        "annotations": {"container.apparmor.security.beta.kubernetes.io/trainer": "unconfined"}
    },
    "a priority of the system": {"priorityClassName": "system-node-critical"},
    "a volume of the host": {"volumes": [{"name": "x", "hostPath": {"path": "/"}}]},
    "an account": {"serviceAccountName": "admin"},
    "a security context": {"securityContext": {"privileged": True}},
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_a_job_may_not_say(what: str) -> None:
    with pytest.raises(ValidationError):
        spec(workers={"replicas": 1} | REFUSED[what])
