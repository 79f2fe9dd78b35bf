"""Every knob of the spec, on a real API server: a new one without a row fails here."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from operator_support import knobs
from operator_support.apiserver import ApiServer, wait_until
from operator_support.cluster import Namespace, Object

from generate import reference
from nerf_contract import crd, names

HERE = Path(__file__).parent
BOTH = ("demo-worker-0-0", "demo-worker-1-0")
BASE: Object = {
    "dataset": {"claimName": "photos", "format": "nerfstudio"},
    "workers": {"replicas": 2},
}
ARCHIVE = knobs.nest("dataset.archive", knobs.TRAINER["dataset.archive"])
SPEC = crd.spec_schema()
CLASSES = {
    "/apis/scheduling.k8s.io/v1/priorityclasses": {"value": -10},
    "/apis/node.k8s.io/v1/runtimeclasses": {"handler": "runc"},
}


@pytest.fixture(scope="module")
def classes(server: ApiServer) -> None:
    """Classes to which pods may belong."""
    for path, fields in CLASSES.items():
        server.request("POST", path, {"metadata": {"name": "tests"}} | fields)


def start(lab: Namespace, path: str, value: Any, more: Object | None = None) -> None:
    """A job with this knob turned."""
    lab.job(**knobs.merge(knobs.merge(BASE, more or {}), knobs.nest(path, value)))


# --- The table is whole --------------------------------------------------------------------------


def rows_of(leaf: str) -> list[Any]:
    """Values that the rows of the table have for a leaf of the schema."""
    found = []
    for path, value in knobs.rows():
        rest = leaf.removeprefix(path)
        if leaf.startswith(path) and rest[:1] in ("", ".", "["):
            found += knobs.dig({"row": value}, f"row{rest}")
    return found


@pytest.mark.parametrize(
    ("path", "schema"), [(path, schema) for path, schema, _ in reference.fields(SPEC, "spec")]
)
def test_every_knob_is_turned_away_from_its_default(path: str, schema: Object) -> None:
    values = rows_of(path.removeprefix("spec."))
    assert values, f"{path} has no row in operator_support/knobs.py"
    assert any(value != schema.get("default") for value in values)


@pytest.mark.parametrize("path", knobs.LIFE)
def test_what_does_nothing_to_pods_has_a_test_of_its_own(path: str) -> None:
    file, test = knobs.LIFE[path][1].split("::")
    text = (HERE / file).read_text()
    assert f"def {test}(" in text
    assert path.split(".")[-1] in text


# --- The trainer is told -------------------------------------------------------------------------


@pytest.mark.parametrize("path", knobs.TRAINER)
def test_the_trainer_is_told(lab: Namespace, path: str) -> None:
    wanted = knobs.TRAINER[path]
    start(lab, path, wanted)
    wait_until("a pod", lab.pods, 10)
    pod = min(lab.pods().items())[1]
    config = json.loads(pod["metadata"]["annotations"][names.ANNOTATION_CONFIG])
    [found] = knobs.dig(config, path)
    assert {key: found[key] for key in wanted} == wanted


# --- Workers have it -----------------------------------------------------------------------------


def has(found: Any, wanted: Any) -> bool:
    """Whether it is that, or has that, or all of that, in it."""
    if isinstance(wanted, list):
        return all(has(found, part) for part in wanted)
    if isinstance(found, list):
        return any(has(part, wanted) for part in found)
    if isinstance(found, dict):
        return bool(wanted.items() <= found.items())
    return bool(found == wanted)


@pytest.mark.usefixtures("classes")
@pytest.mark.parametrize("path", knobs.PODS)
def test_workers_have_it(lab: Namespace, path: str) -> None:
    value, field, wanted = knobs.PODS[path]
    start(lab, path, value)
    for pod in lab.await_pods(*BOTH).values():
        [found] = knobs.dig(pod, field)
        assert has(found, wanted), found


# --- It shows elsewhere --------------------------------------------------------------------------


def mounted(pod: Object) -> set[str]:
    """Claims of a pod."""
    volumes = (v.get("persistentVolumeClaim", {}) for v in pod["spec"]["volumes"])
    return {volume["claimName"] for volume in volumes if volume}


def another_dataset(lab: Namespace, value: str) -> None:
    lab.claim(value)
    start(lab, "dataset.claimName", value)
    assert all(value in mounted(pod) for pod in lab.await_pods(*BOTH).values())


def volume_of_an_archive(lab: Namespace, value: Object) -> None:
    dataset = {"format": "nerfstudio", "volume": value, **ARCHIVE["dataset"]}
    lab.job(dataset=dataset)
    wait_until("a claim", lambda: lab.get("persistentvolumeclaims", "demo-dataset"), 10)
    check_claim(lab, "demo-dataset", value)


def check_claim(lab: Namespace, name: str, volume: Object) -> Object:
    claim = lab.get("persistentvolumeclaims", name)
    assert claim is not None
    assert claim["spec"]["resources"]["requests"]["storage"] == volume["size"]
    assert claim["spec"]["storageClassName"] == volume["storageClassName"]
    return claim


def resources_of_poses(lab: Namespace, value: Object) -> None:
    start(lab, "poses.resources", value, {"dataset": {"format": "photos"}})
    [container] = lab.await_pods("demo-poses-0")["demo-poses-0"]["spec"]["containers"]
    assert container["resources"] == value


def more_workers(lab: Namespace, value: int) -> None:
    start(lab, "workers.replicas", value)
    lab.await_pods(*(f"demo-worker-{index}-0" for index in range(value)))


def nodes_of_torchrun(lab: Namespace) -> str:
    pods = lab.await_pods("demo-coordinator-0", *BOTH)
    [told] = [arg for arg in pods[BOTH[0]]["spec"]["containers"][0]["command"] if "nnodes" in arg]
    return str(told)


def elastic_from(lab: Namespace, value: int) -> None:
    start(lab, "workers.min", value)
    assert nodes_of_torchrun(lab) == f"--nnodes={value}:2"


def elastic_to(lab: Namespace, value: int) -> None:
    start(lab, "workers.max", value, {"workers": {"min": 1}})
    assert nodes_of_torchrun(lab) == f"--nnodes=1:{value}"


def volume_of_checkpoints(lab: Namespace, value: Object) -> None:
    start(lab, "checkpoint.volume", value)
    lab.await_pods(*BOTH)
    claim = check_claim(lab, "demo-checkpoint", value)
    assert "ownerReferences" not in claim["metadata"]


def checkpoints_elsewhere(lab: Namespace, value: str) -> None:
    lab.claim(value)
    start(lab, "checkpoint.volume.claimName", value)
    assert value in mounted(lab.await_pods(*BOTH)[BOTH[0]])
    assert lab.get("persistentvolumeclaims", "demo-checkpoint") is None


def a_viewer(lab: Namespace, value: Object) -> None:
    start(lab, "viewer", value, {"checkpoint": {"volume": {"claimName": "photos"}}})
    lab.await_pods(*BOTH)
    lab.run_pod(BOTH[0])
    [container] = lab.await_pods(*BOTH, "demo-viewer-0")["demo-viewer-0"]["spec"]["containers"]
    assert container["resources"] == value["resources"]


EFFECTS: dict[str, Callable[[Namespace, Any], None]] = {
    "dataset.claimName": another_dataset,
    "dataset.volume": volume_of_an_archive,
    "poses.resources": resources_of_poses,
    "workers.replicas": more_workers,
    "workers.min": elastic_from,
    "workers.max": elastic_to,
    "checkpoint.volume": volume_of_checkpoints,
    "checkpoint.volume.claimName": checkpoints_elsewhere,
    "viewer": a_viewer,
}


@pytest.mark.parametrize("path", knobs.ELSEWHERE)
def test_it_shows_elsewhere(lab: Namespace, path: str) -> None:
    EFFECTS[path](lab, knobs.ELSEWHERE[path])
