"""A PodDisruptionBudget, on request, before the real Eviction API and the controller behind it."""

from operator_support.apiserver import wait_until
from operator_support.cluster import Namespace, Object

BOTH = ("demo-worker-0-0", "demo-worker-1-0")


def train(lab: Namespace, *names: str) -> None:
    """These pods run, and the budget's controller knows."""
    for name in names:
        lab.run_pod(name)
    wait_until("the workers count", lambda: status(lab).get("currentHealthy") == len(names), 10)


def budget(lab: Namespace) -> Object:
    [found] = lab.list("poddisruptionbudgets")
    return found


def status(lab: Namespace) -> Object:
    """Of the budget, once it is about the budget that is there."""
    found = budget(lab)
    told = found.get("status", {})
    same = told.get("observedGeneration") == found["metadata"]["generation"]
    return dict(told) if same else {}


def start(lab: Namespace, **workers: object) -> None:
    lab.job(workers={"replicas": 2, "disruptionBudget": {}} | workers)
    names = [*BOTH, "demo-coordinator-0"] if "min" in workers else BOTH
    lab.await_pods(*names)
    train(lab, *BOTH)


def test_a_drain_of_an_elastic_job_takes_one_worker_after_the_other(lab: Namespace) -> None:
    start(lab, min=2)
    [owner] = budget(lab)["metadata"]["ownerReferences"]
    assert owner["kind"] == "NeRFJob"
    assert budget(lab)["spec"]["minAvailable"] == 1
    assert lab.evict(BOTH[1])
    assert not lab.evict(BOTH[0])
    wait_until("a replacement", lambda: "demo-worker-1-1" in lab.pods(), 10)
    train(lab, BOTH[0], "demo-worker-1-1")
    assert lab.evict(BOTH[0])


def test_a_drain_waits_for_a_job_of_fixed_size_until_it_asks_for_less(lab: Namespace) -> None:
    start(lab)
    assert not lab.evict(BOTH[0])
    workers = {"disruptionBudget": {"minAvailable": 1}}
    lab.patch("nerfjobs", "demo", {"spec": {"workers": workers}})
    wait_until("one may go", lambda: status(lab).get("disruptionsAllowed") == 1, 10)
    assert lab.evict(BOTH[0])


def test_the_budget_follows_the_size_and_needs_no_write_where_that_stays(lab: Namespace) -> None:
    start(lab, min=2, max=4)
    version = budget(lab)["metadata"]["generation"]
    lab.patch("nerfjobs", "demo", {"spec": {"workers": {"replicas": 4}}})
    wait_until("as many as train on", lambda: budget(lab)["spec"]["minAvailable"] == 2, 10)
    assert budget(lab)["metadata"]["generation"] == version + 1
