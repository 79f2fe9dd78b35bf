"""Which jobs wait, since when and why; and what is told of them and of GPUs."""

from dataclasses import replace

import pytest
from operator_support.builders import at, job, pod

from nerf_contract import reasons
from nerf_contract.v1alpha1 import Condition, NeRFJobStatus
from nerf_contract.v1alpha1.status import Phase
from nerf_operator import metrics
from nerf_operator.cluster import gauges
from nerf_operator.cluster.cache import Cache, Key
from nerf_operator.core import gpus
from nerf_operator.core.gpus import Node
from nerf_operator.core.moment import rfc3339
from nerf_operator.core.pending import Pending, pending, waited


def condition(type_: str, status: str, reason: str, seconds: float) -> Condition:
    """A condition that is so since a moment."""
    return Condition.model_validate(
        {
            **{"type": type_, "status": status, "reason": reason, "message": "why"},
            "lastTransitionTime": rfc3339(at(seconds)),
            "observedGeneration": 1,
        }
    )


def status(phase: Phase, *conditions: Condition) -> NeRFJobStatus:
    return NeRFJobStatus(phase=phase, conditions=list(conditions))


STARTING = condition(reasons.RUNNING, "False", reasons.PODS_STARTING, 0)
FOUND = condition(reasons.POSES_READY, "True", reasons.POSES_FOUND, 60)
RESUMED = condition(reasons.SUSPENDED, "False", reasons.NOT_SUSPENDED, 90)
STUCK = condition(reasons.STALLED, "True", reasons.UNSCHEDULABLE, 120)
TRAINS = condition(reasons.RUNNING, "True", reasons.TRAINING, 150)

#: name -> (status, since when and why it waits)
WAITS: dict[str, tuple[NeRFJobStatus, Pending | None]] = {
    "nothing is known yet": (NeRFJobStatus(), None),
    "it trains": (status("Running", TRAINS, FOUND), None),
    "poses are looked for": (status("Preparing", STARTING), None),
    "a new job": (status("Pending", STARTING), Pending(at(0), reasons.PODS_STARTING)),
    "since its poses are known": (
        status("Pending", STARTING, FOUND),
        Pending(at(60), reasons.PODS_STARTING),
    ),
    "since it was resumed": (
        status("Pending", STARTING, FOUND, RESUMED),
        Pending(at(90), reasons.PODS_STARTING),
    ),
    "a person has to do something": (
        status("Pending", STARTING, FOUND, STUCK),
        Pending(at(60), reasons.UNSCHEDULABLE),
    ),
}


@pytest.mark.parametrize("name", WAITS)
def test_who_waits(name: str) -> None:
    found, expected = WAITS[name]
    assert pending(found) == expected


def test_the_wait_is_counted_once_when_the_training_starts() -> None:
    waiting, training = status("Pending", STARTING), status("Running", TRAINS)
    assert waited(waiting, training, at(150)) == 150
    assert waited(waiting, waiting, at(150)) is None
    assert waited(training, training, at(150)) is None


def test_a_job_that_waits_has_a_series_until_it_trains() -> None:
    cache, waiting = Cache(), job(status("Pending", STARTING, STUCK))
    cache.put_job(waiting)
    gauges.tell_jobs(cache, at(30))
    assert _series() == {("lab", "demo", reasons.UNSCHEDULABLE): 30}
    cache.put_job(replace(waiting, version="2", deleting=True))
    gauges.tell_jobs(cache, at(30))
    assert _series() == {}
    cache.put_job(replace(waiting, version="3", status=status("Running", TRAINS)))
    gauges.tell_jobs(cache, at(30))
    assert _series() == {}


def _series() -> dict[tuple[str, ...], float]:
    [family] = metrics.job_pending.collect()
    return {
        (one.labels["job_namespace"], one.labels["job_name"], one.labels["reason"]): one.value
        for one in family.samples
    }


READY = condition(reasons.POSES_READY, "True", reasons.POSES_GIVEN, 0)
ENDED = condition(reasons.SUCCEEDED, "True", reasons.TRAINING_COMPLETED, 0)
SHARDS = {"training": {"shards": 16}}
AUTO = {
    "workers": {"min": 1, "max": 8, "gpusPerWorker": 2},
    "scaling": {"policy": "Auto"},
    **SHARDS,
}


def test_gpus_that_are_wanted() -> None:
    fixed = {"workers": {"replicas": 3, "gpusPerWorker": 2}, **SHARDS}
    assert gpus.wanted(job(status("Pending", READY), **fixed)) == 6
    assert gpus.wanted(job(status("Pending", READY), **AUTO)) == 16
    assert gpus.wanted(job(status("Preparing"), **fixed)) == 0
    assert gpus.wanted(job(status("Succeeded", READY, ENDED), **fixed)) == 0
    assert gpus.wanted(job(status("Pending", READY), deleting=True, **fixed)) == 0


def test_gpus_that_there_are_and_that_are_held() -> None:
    nodes = [Node("a", "a", "1", 4, True), Node("b", "b", "1", 4, False)]
    pods = [
        pod(0, gpus=2, node="a"),
        pod(1, gpus=2),
        pod(2, gpus=2, node="a", phase="Failed"),
    ]
    assert (gpus.total(nodes), gpus.held(pods)) == (4, 2)


def test_gpus_of_nodes_that_may_not_be_read_are_not_told() -> None:
    cache, key = Cache(), Key("lab", "demo")
    cache.pods.put(key, pod(0, gpus=2, node="a"))
    metrics.gpus.clear()
    gauges.tell_gpus(cache, whole_cluster=False)
    told = {one.labels["state"]: one.value for one in metrics.gpus.collect()[0].samples}
    assert told == {"wanted": 0, "held": 2}
