"""The pods that are made, to the letter."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from operator_support.builders import IMAGE, job

from nerf_contract import names
from nerf_contract.children import claim_label
from nerf_contract.training import TrainerConfig
from nerf_operator.core import stage_pods
from nerf_operator.core.pod import PodRequest
from nerf_operator.core.training_pods import coordinator, worker

GOLDEN = Path(__file__).parents[1] / "golden"


def rendered(index: int | None, **sections: Any) -> dict[str, Any]:
    if index is None:
        request = PodRequest(IMAGE, attempt=0, component=names.COMPONENT_COORDINATOR)
        return coordinator(job(**sections), request)
    return worker(job(**sections), PodRequest(IMAGE, attempt=0, index=index))


def staged(component: str, **fields: Any) -> PodRequest:
    return PodRequest(IMAGE, attempt=0, component=component, **fields)


#: file -> the pod in it
PODS = {
    "worker-0.json": rendered(0),
    "worker-1-elastic-gpu.json": rendered(
        1,
        workers={
            **{"replicas": 2, "min": 1, "max": 4, "gpusPerWorker": 2},
            "resources": {"requests": {"cpu": "500m"}, "limits": {"memory": "8Gi"}},
            "nodeSelector": {"pool": "gpu"},
        },
        training={"shards": 8},
    ),
    "coordinator.json": rendered(None, workers={"replicas": 1, "min": 1, "max": 2}),
    "download.json": stage_pods.download(job(), staged(names.COMPONENT_DOWNLOAD)),
    "poses.json": stage_pods.poses(job(), staged(names.COMPONENT_POSES)),
    "export-gpu.json": stage_pods.export(
        job(workers={"replicas": 1, "gpusPerWorker": 1}, viewer={"enabled": True}),
        staged(names.COMPONENT_EXPORT),
    ),
    "viewer.json": stage_pods.viewer(
        job(), staged(names.COMPONENT_VIEWER), beside=names.COMPONENT_WORKER
    ),
}


def test_a_worker_without_gpus_may_have_several_processes() -> None:
    found = rendered(0, workers={"replicas": 2, "processesPerWorker": 2})
    assert "--nproc-per-node=2" in found["spec"]["containers"][0]["command"]


@pytest.mark.parametrize("name", PODS)
def test_pods_are_the_golden_ones(name: str) -> None:
    """To accept a change, write `json.dumps(golden(name), indent=2)` there, and read the diff."""
    assert golden(name) == json.loads((GOLDEN / name).read_text())


def golden(name: str) -> dict[str, Any]:
    """The pod without the trainer's config, whose defaults are the contract's affair."""
    pod = copy.deepcopy(PODS[name])
    pod["metadata"].get("annotations", {}).pop(names.ANNOTATION_CONFIG, None)
    return pod


def container(pod: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = pod["spec"]["containers"][0]
    return found


def env(pod: dict[str, Any]) -> dict[str, str]:
    return {e["name"]: e.get("value", "") for e in container(pod)["env"]}


def mounts(pod: dict[str, Any]) -> dict[str, tuple[str, bool]]:
    found = container(pod)["volumeMounts"]
    return {m["mountPath"]: (m["name"], m.get("readOnly", False)) for m in found}


def test_only_the_writer_mounts_the_checkpoints() -> None:
    writer, other = rendered(0), rendered(1)
    assert mounts(writer)["/checkpoint"] == ("checkpoint", False)
    assert "/checkpoint" not in mounts(other)
    assert "checkpoint" not in {v["name"] for v in other["spec"]["volumes"]}
    assert env(writer)["NERF_CHECKPOINT_WRITER"] == "1"
    assert "NERF_CHECKPOINT_WRITER" not in env(other)


def test_one_claim_for_photos_and_checkpoints_is_mounted_once() -> None:
    both = {"volume": {"claimName": "photos"}}
    writer, other = rendered(0, checkpoint=both), rendered(1, checkpoint=both)
    claims = [v for v in writer["spec"]["volumes"] if "persistentVolumeClaim" in v]
    assert [v["persistentVolumeClaim"] for v in claims] == [{"claimName": "photos"}]
    assert mounts(writer)["/checkpoint"] == ("dataset", False)
    assert mounts(writer)["/data"] == mounts(other)["/data"] == ("dataset", True)


def test_the_config_is_the_one_that_the_trainer_reads() -> None:
    made = rendered(0, training={"steps": 7})
    text = made["metadata"]["annotations"]["nerfops.dev/trainer-config"]
    assert TrainerConfig.model_validate_json(text).training.steps == 7


def test_the_coordinator_is_where_the_service_leads() -> None:
    elastic = {"workers": {"replicas": 2, "min": 1, "max": 4}}
    hosts = {
        "fixed 0": rendered(0),
        "fixed 1": rendered(1),
        "elastic 0": rendered(0, **elastic),
        "elastic coordinator": rendered(None, **elastic),
    }
    led = {n for n, p in hosts.items() if "nerfops.dev/coordinator" in p["metadata"]["labels"]}
    assert led == {"fixed 0", "elastic coordinator"}
    assert env(hosts["fixed 0"])["NERF_HOST_COORDINATOR"] == "1"
    assert "NERF_HOST_COORDINATOR" not in env(hosts["elastic 0"])


@pytest.mark.parametrize("name", PODS)
def test_only_members_of_the_group_mount_its_token(name: str) -> None:
    """As a file: what is in argv or the environment is shown with the pod, or its processes."""
    made = PODS[name]
    secrets = [v["secret"] for v in made["spec"].get("volumes", []) if "secret" in v]
    if made["metadata"]["labels"][names.LABEL_COMPONENT] in ("worker", "coordinator"):
        assert secrets == [{"secretName": f"demo-group-{job().uid[:8]}", "defaultMode": 0o440}]
        assert mounts(made)[names.GROUP_TOKEN_MOUNT] == ("group-token", True)
        assert env(made)[names.ENV_GROUP_TOKEN_FILE] == f"{names.GROUP_TOKEN_MOUNT}/token"
    else:
        assert "demo-group" not in str(secrets)
        assert names.ENV_GROUP_TOKEN_FILE not in env(made)


@pytest.mark.parametrize("name", PODS)
def test_pods_are_restricted(name: str) -> None:
    spec = PODS[name]["spec"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert (spec["automountServiceAccountToken"], spec["enableServiceLinks"]) == (False, False)
    assert not {"hostNetwork", "hostPID", "serviceAccountName"} & set(spec)
    assert container(PODS[name])["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_a_read_only_claim_is_mounted_read_only() -> None:
    made = worker(job(), PodRequest(IMAGE, 0, index=1, read_only_claim=True))
    [volume] = [v for v in made["spec"]["volumes"] if v["name"] == "dataset"]
    assert volume["persistentVolumeClaim"] == {"claimName": "photos", "readOnly": True}


def test_holders_of_a_one_node_volume_are_placed_together() -> None:
    pod = worker(job(), PodRequest(IMAGE, 0, index=1, together=True))
    term = pod["spec"]["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    wanted = term[0]["labelSelector"]["matchLabels"]
    assert wanted == {"nerfops.dev/dataset-claim": "photos"}
    # Else the first such pod could never be scheduled.
    assert wanted.items() <= pod["metadata"]["labels"].items()
    assert "affinity" not in rendered(1)["spec"]


@pytest.mark.parametrize("claim", ["photos", "a" * 63, "a" * 64, "b" * 253])
def test_claim_labels_are_valid_and_distinct(claim: str) -> None:
    label = claim_label(claim)
    assert len(label) <= 63
    assert claim_label(f"{claim}x") != label
