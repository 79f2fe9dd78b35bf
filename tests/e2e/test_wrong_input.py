"""What a user can get wrong ends in a rejected apply, or in a condition that says what to do."""

import io
import json
from typing import Any

import pytest
from e2e_support.kube import KubectlError, Namespace, wait_for
from e2e_support.manifests import PHOTOS, nerf_job
from PIL import Image

from demo.pods import MOUNT, pod_with_claim

pytestmark = pytest.mark.cluster

#: name of the job -> (its sections, condition, reason, words of the message)
LATER = {
    "no-claim": ({"claim": "nowhere"}, "Stalled", "ClaimNotFound", ["nowhere", "claimName"]),
    "no-image": (
        {"image": "localhost/no-such-image:1"},
        *("Stalled", "ImagePullFailed", ["localhost/no-such-image:1"]),
    ),
    "no-gpus": (
        {"workers": {"gpusPerWorker": 8, "replicas": 1}, "training": {"shards": 8}},
        *("Stalled", "Unschedulable", ["nvidia.com/gpu", "gpusPerWorker"]),
    ),
    "no-cuda": (
        {"training": {"device": "cuda"}},
        *("Failed", "CudaUnavailable", ["torch"]),
    ),
    "empty": ({"path": "bad/empty"}, "Failed", "DatasetInvalid", ["bad/empty", "empty"]),
    "missing-image": ({"path": "bad/missing"}, "Failed", "DatasetInvalid", ["gone.jpg"]),
    "broken-json": ({"path": "bad/json"}, "Failed", "DatasetInvalid", ["transforms.json", "line"]),
    "not-an-image": ({"path": "bad/text"}, "Failed", "DatasetInvalid", ["text.jpg"]),
    "two-photos": (
        {"dataset": {"path": "bad/two", "format": "auto"}},
        *("Failed", "PosesFailed", ["holds 2 photos", "take more"]),
    ),
    "copies": (
        {"dataset": {"path": "bad/copies", "format": "auto"}},
        *("Failed", "PosesFailed", ["4 photos are copies of 1", "walking around"]),
    ),
    "text-among-photos": (
        {"dataset": {"path": "bad/mixed", "format": "auto"}},
        *("Failed", "DatasetInvalid", ["notes.jpg is not an image", "remove it"]),
    ),
    "inner-address": (
        {
            "dataset": {
                "path": "bad/archive",
                "archive": {"url": "https://169.254.169.254/a.zip", "sha256": "0" * 64},
            }
        },
        *("Failed", "ArchiveInvalid", ["not a public address", "dataset.claimName"]),
    ),
}

#: what is wrong -> (sections of the job, words of kubectl's answer)
AT_ONCE: dict[str, tuple[dict[str, Any], list[str]]] = {
    "min over max": ({"workers": {"min": 3, "max": 2}}, ["workers.min"]),
    "min over replicas": ({"workers": {"min": 3}}, ["workers.min", "replicas"]),
    "negative steps": ({"training": {"steps": -5}}, ["spec.training.steps"]),
    "unknown field": ({"training": {"stepz": 5}}, ["unknown field", "stepz"]),
    "path that climbs": ({"path": "../other"}, ["dataset.path"]),
    "wrong type": ({"training": {"steps": "many"}}, ["spec.training.steps", "integer"]),
    "unknown format": ({"dataset": {"format": "mp4"}}, ["spec.dataset.format"]),
    "uneven shards": ({"training": {"raysPerBatch": 102}}, ["raysPerBatch", "shards"]),
}


@pytest.mark.parametrize("what", AT_ONCE)
def test_rejected_by_the_api_server(shared: Namespace, what: str) -> None:
    sections, words = AT_ONCE[what]
    with pytest.raises(KubectlError) as refused:
        shared.apply(nerf_job("wrong", **sections))
    for word in words:
        assert word in str(refused.value)


@pytest.fixture(scope="module")
def bad(shared: Namespace) -> Namespace:
    """The shared volume with broken datasets on it."""
    command = ["python3", "-c", _write_bad_datasets()]
    shared.apply(pod_with_claim("break", "localhost/nerf-trainer:cpu", command, PHOTOS))
    shared.run("wait", "pod/break", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=60s")
    return shared


@pytest.mark.parametrize("name", LATER)
def test_explained_by_a_condition(bad: Namespace, name: str) -> None:
    sections, type_, reason, words = LATER[name]
    bad.apply(nerf_job(name, **sections))
    condition = bad.job(name).wait_condition(type_, deadline_s=30)
    assert condition["reason"] == reason, condition
    for word in words:
        assert word in condition["message"], condition
    assert "Traceback" not in condition["message"]
    bad.job(name).delete()


def test_job_heals_when_the_missing_claim_appears(shared: Namespace) -> None:
    shared.apply(nerf_job("heals", claim="late"))
    job = shared.job("heals")
    job.wait_condition("Stalled", deadline_s=30)
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "late"},
        "spec": {
            "accessModes": ["ReadWriteMany"],
            "storageClassName": "shared",
            "resources": {"requests": {"storage": "64Mi"}},
        },
    }
    shared.apply(claim)
    wait_for("worker pods", job.pods, 30)
    job.delete()


def _write_bad_datasets() -> str:
    pose = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 3], [0, 0, 0, 1]]

    def transforms(file: str) -> str:
        frames = [{"file_path": f, "transform_matrix": pose} for f in (file, file)]
        return json.dumps({"camera_angle_x": 0.7, "frames": frames})

    texts = {
        "missing/transforms.json": transforms("gone.jpg"),
        "json/transforms.json": '{"frames": [\n  {"file_path": ',
        "text/transforms.json": transforms("text.jpg"),
        "text/text.jpg": "this is not a picture",
        "mixed/notes.jpg": "this is not a picture",
    }
    photo = _photo()
    folders = {"two": 2, "copies": 4, "mixed": 3}
    photos = {f"{name}/{i}.png": photo for name, count in folders.items() for i in range(count)}
    files = {name: text.encode() for name, text in texts.items()} | photos
    return (
        "from pathlib import Path\n"
        f"root = Path('{MOUNT}/bad'); (root / 'empty').mkdir(parents=True, exist_ok=True)\n"
        f"for name, content in {files!r}.items():\n"
        "    (root / name).parent.mkdir(exist_ok=True); (root / name).write_bytes(content)\n"
    )


def _photo() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 48), "grey").save(file, "PNG")
    return file.getvalue()
