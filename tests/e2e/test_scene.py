"""Bare photos become a scene, with all outputs, though every stage loses its pod once."""

from collections.abc import Iterator
from typing import Any

import pytest
from e2e_support.kube import Job, Namespace, Object, wait_for
from e2e_support.manifests import PHOTOS, nerf_job

from demo.pods import MOUNT, pod_with_claim

pytestmark = pytest.mark.cluster

COUNT = 32
IMAGE = "localhost/nerf-trainer:cpu"


@pytest.fixture(scope="module")
def bare(shared: Namespace) -> Iterator[Namespace]:
    """The shared volume with photos on it of which nobody knows where they were taken."""
    render = ["python3", "-m", "nerf_trainer.scenes.demo", "--out", f"{MOUNT}/bare"]
    size = ["--photos", str(COUNT), "--width", "320", "--truth", f"{MOUNT}/truth.json"]
    shared.apply(pod_with_claim("render-bare", IMAGE, [*render, *size], PHOTOS))
    shared.run("wait", "pod/render-bare", _SUCCEEDED, "--timeout=120s")
    yield shared


_SUCCEEDED = "--for=jsonpath={.status.phase}=Succeeded"


def scene_job(name: str, **sections: Any) -> Object:
    outputs = {
        "video": {"seconds": 1, "framesPerSecond": 4, "width": 64},
        "mesh": {"resolution": 32, "density": 5},
        "report": {},
    }
    return nerf_job(
        name,
        dataset={"claimName": PHOTOS, "path": "bare", "format": "auto", "downscale": 4},
        poses={"maxImageSize": 320},  # As they are: quicker, if less exact, than enlarged.
        workers={"replicas": 1},
        **{"outputs": outputs} | sections,
    )


def test_bare_photos_become_a_scene(bare: Namespace) -> None:
    bare.apply(scene_job("scene"))
    job = bare.job("scene")
    _lose_pod(job, "poses")
    ready = job.wait_condition("PosesReady", deadline_s=120)
    assert ready["reason"] == "PosesFound", ready
    dataset = job.status()["dataset"]
    assert (dataset["format"], dataset["photos"]) == ("photos", COUNT)
    assert dataset["posed"] >= COUNT - 4
    job.wait_condition("Trained", deadline_s=120)
    trained = _uid(job, "worker")
    _lose_pod(job, "export")
    job.wait_condition("Succeeded", deadline_s=120)
    assert job.condition("OutputsReady")["reason"] == "OutputsMade", job.condition("OutputsReady")
    assert set(job.status()["outputs"]) == {"video.mp4", "mesh.glb", "mesh.ply", "report.html"}
    assert _uid(job, "worker") == trained, "the scene was trained twice"
    story = [line.partition(":")[0] for line in bare.events("scene")]
    assert story.count("StageRestarted") == 2, story
    job.delete()


def test_the_same_photos_need_no_second_search(bare: Namespace) -> None:
    bare.apply(scene_job("again", training={"steps": 20, "evalEvery": 20}, outputs={}))
    job = bare.job("again")
    job.wait_condition("PosesReady", deadline_s=60)
    log = bare.run("logs", "again-poses-0")
    assert "has the poses of these photos" in log, log
    job.delete()


def _pod(job: Job, component: str) -> Object | None:
    found = [
        pod
        for pod in job.pods()
        if pod["metadata"]["labels"]["app.kubernetes.io/component"] == component
    ]
    return found[-1] if found else None


def _uid(job: Job, component: str) -> str | None:
    pod = _pod(job, component)
    return pod["metadata"]["uid"] if pod else None


def _lose_pod(job: Job, component: str) -> None:
    """Delete the pod of a stage as soon as it runs, and wait for the next one."""

    def running() -> Object | None:
        pod = _pod(job, component)
        return pod if pod and pod["status"].get("phase") == "Running" else None

    lost = wait_for(f"{component} to run", running, 120)["metadata"]
    job.namespace.run("delete", "pod", lost["name"], "--now")
    wait_for("another pod", lambda: _uid(job, component) not in (None, lost["uid"]), 60)
