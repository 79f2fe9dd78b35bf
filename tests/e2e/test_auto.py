"""GPUs are shared: a job grows into what one leaves, shrinks for one that comes, loses no step."""

from pathlib import Path

import pytest
from e2e_support.cli import metrics_of
from e2e_support.kube import Job, Namespace, wait_for
from e2e_support.manifests import nerf_job

pytestmark = pytest.mark.cluster
#: The cluster's GPUs, which are only advertised: the jobs train on CPUs.
GPUS = 4


def test_three_jobs_share_four_gpus(shared: Namespace, tmp_path: Path) -> None:
    """Whatever two cores give to workers: nothing is known against two workers before long has had
    them, and late needs one of them."""
    steps = {"early": 100, "long": 2000, "late": 300}
    early, long, late = (shared.job(name) for name in steps)
    _start(shared, "early", fewest=3, most=3, steps=steps["early"])
    wait_for("early starts", lambda: _size(early) == 3, 60)
    _start(shared, "long", fewest=1, most=2, steps=steps["long"])
    wait_for("all GPUs are given away", lambda: _size(early) + _size(long) == GPUS, 60)
    early.wait_condition("Succeeded", deadline_s=240)
    wait_for("long grows", lambda: _size(long) == 2, 60)
    long.wait_condition("WorkersReady", deadline_s=120)
    _start(shared, "late", fewest=3, most=3, steps=steps["late"])
    wait_for("long makes room", lambda: (_size(long), _size(late)) == (1, 3), 60)
    for job in (late, long):
        job.wait_condition("Succeeded", deadline_s=400)
    for job in (early, long, late):
        _assert_no_step_was_lost(job, steps[job.name], tmp_path)
        assert "Admitted" in _reasons(job)
    assert {"Grown", "Shrunk", "Rescaled"} <= _reasons(long)
    for job in (early, long, late):
        job.delete()


def _start(place: Namespace, name: str, fewest: int, most: int, steps: int) -> None:
    """Auto jobs of one GPU a worker."""
    workers = {"min": fewest, "max": most, "gpusPerWorker": 1}
    training = {"steps": steps, "evalEvery": steps}
    job = nerf_job(name, workers=workers, training=training, scaling={"policy": "Auto"})
    del job["spec"]["workers"]["replicas"]
    place.apply(job)


def _size(job: Job) -> int:
    """Workers that the operator gave to the job."""
    return int((job.status().get("allocation") or {}).get("workers", 0))


def _reasons(job: Job) -> set[str]:
    """Of the events about the job."""
    return {line.split(":", 1)[0] for line in job.namespace.events(job.name)}


def _assert_no_step_was_lost(job: Job, steps: int, folder: Path) -> None:
    """None was done twice, and no process had to be started again."""
    assert job.status().get("restarts", 0) == 0
    metrics = metrics_of(job, folder)
    assert metrics["step"] == steps
    assert metrics["ledger"]["seconds"].get("replay", 0) == 0, metrics["ledger"]
