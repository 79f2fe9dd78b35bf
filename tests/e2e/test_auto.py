"""GPUs are shared: a job that comes takes from those above their min, and no step is lost."""

from pathlib import Path

import pytest
from e2e_support.cli import metrics_of
from e2e_support.kube import Job, Namespace, wait_for
from e2e_support.manifests import nerf_job

pytestmark = pytest.mark.cluster
#: The cluster's GPUs, which are only advertised: the jobs train on CPUs.
GPUS = 4


def test_three_jobs_share_four_gpus(shared: Namespace, tmp_path: Path) -> None:
    steps = {"long": 2500, "short": 1200, "late": 500}
    long, short, late = (shared.job(name) for name in steps)
    _start(shared, "long", most=4, steps=steps["long"])
    _start(shared, "short", most=2, steps=steps["short"])
    wait_for("all GPUs are given away", lambda: _size(long) + _size(short) == GPUS, 60)
    for job in (long, short):
        job.wait_step(10)
    _start(shared, "late", most=1, steps=steps["late"])
    wait_for("the late one gets its GPU", lambda: _size(late) == 1, 60)
    assert min(_size(long), _size(short)) >= 1
    assert _size(long) + _size(short) + _size(late) <= GPUS
    late.wait_step(1)
    late.wait_condition("Succeeded", deadline_s=240)
    # Who grows by its GPU depends on what two cores gave two workers: see tests/operator/api.
    for job in (short, long):
        job.wait_condition("Succeeded", deadline_s=400)
    for job in (long, short, late):
        _assert_no_step_was_lost(job, steps[job.name], tmp_path)
        assert "Admitted" in _reasons(job)
    assert {"Shrunk", "Rescaled"} <= _reasons(long, short)
    for job in (long, short, late):
        job.delete()


def _start(place: Namespace, name: str, most: int, steps: int) -> None:
    """Auto jobs of one GPU a worker."""
    workers = {"min": 1, "max": most, "gpusPerWorker": 1}
    training = {"steps": steps, "evalEvery": steps}
    job = nerf_job(name, workers=workers, training=training, scaling={"policy": "Auto"})
    del job["spec"]["workers"]["replicas"]
    place.apply(job)


def _size(job: Job) -> int:
    """Workers that the operator gave to the job."""
    return int((job.status().get("allocation") or {}).get("workers", 0))


def _reasons(*jobs: Job) -> set[str]:
    """Of the events about these jobs."""
    lines = [line for job in jobs for line in job.namespace.events(job.name)]
    return {line.split(":", 1)[0] for line in lines}


def _assert_no_step_was_lost(job: Job, steps: int, folder: Path) -> None:
    """None was done twice, and no process had to be started again."""
    assert job.status().get("restarts", 0) == 0
    metrics = metrics_of(job, folder)
    assert metrics["step"] == steps
    assert metrics["ledger"]["seconds"].get("replay", 0) == 0, metrics["ledger"]
