"""Whatever happens to its pods, a job comes to the same weights."""

from pathlib import Path

import pytest
from e2e_support.cli import metrics_of
from e2e_support.kube import Job, Namespace, wait_for
from e2e_support.manifests import nerf_job

pytestmark = pytest.mark.cluster
#: Enough for all that is to happen meanwhile.
STEPS = 800


def test_a_job_that_is_scaled_and_loses_a_pod_comes_to_the_same_weights(
    shared: Namespace, tmp_path: Path
) -> None:
    moved = _start(shared, "moved")
    moved.wait_step(20)
    _scale(moved, 2)
    moved.replace_pod(1)
    _await_processes(moved, 4)
    _scale(moved, 1)
    moved.wait_condition("Succeeded", deadline_s=150)
    assert moved.status().get("restarts", 0) == 0
    told = [line for line in shared.events("moved") if line.startswith("Rescaled")]
    assert any("2 workers instead of 1" in line for line in told), told
    still = _start(shared, "still")
    still.wait_condition("Succeeded", deadline_s=150)
    assert _weights(moved, tmp_path) == _weights(still, tmp_path)
    for job in (moved, still):
        job.delete()


def _start(place: Namespace, name: str) -> Job:
    """A pod with two processes, and room for another one."""
    workers = {"replicas": 1, "min": 1, "max": 2, "processesPerWorker": 2}
    place.apply(nerf_job(name, workers=workers, training={"steps": STEPS, "evalEvery": STEPS}))
    return place.job(name)


def _scale(job: Job, pods: int) -> None:
    job.namespace.run("scale", f"nerfjob/{job.name}", f"--replicas={pods}")
    _await_processes(job, 2 * pods)


def _await_processes(job: Job, processes: int) -> None:
    """Until so many have trained together."""
    wait_for(
        f"a group of {processes}",
        lambda: (job.status().get("progress") or {}).get("worldSize") == processes,
        90,
    )
    job.wait_step(job.step() + 1)


def _weights(job: Job, folder: Path) -> str:
    """What the training came to: the digest in its metrics.json."""
    metrics = metrics_of(job, folder)
    assert metrics["step"] == STEPS
    return str(metrics["weightsSha256"])
