"""One whole life of an elastic job, as its user and the kubelets act it, and what is left of it."""

import json
from typing import Any

from operator_support.apiserver import wait_until
from operator_support.cluster import Namespace, Object

COORDINATOR = "demo-coordinator-0"
WORKERS = ("demo-worker-0-0", "demo-worker-1-0", "demo-worker-2-0")
REPLACED = "demo-worker-1-1"
DONE = json.dumps({"reason": "TrainingCompleted", "message": "Trained 200 steps."})
#: Nobody answers there: no progress.
ADDRESS = "127.77.9.9"
#: The operator may have to be started anew, wait for a lost connection, or for its back-off.
SECONDS = 40


def live(lab: Namespace) -> Object:
    """Create, run, scale up and down, lose a worker, finish: what is there in the end."""
    lab.job(workers={"replicas": 2, "min": 1, "max": 3})
    run(lab, COORDINATOR, *WORKERS[:2])
    lab.await_condition("WorkersReady", "AllReady", seconds=SECONDS)
    scale(lab, 3)
    run(lab, COORDINATOR, *WORKERS)
    scale(lab, 2)
    lab.await_pods(COORDINATOR, *WORKERS[:2], seconds=SECONDS)
    lab.end_pod(WORKERS[1], 1, "RuntimeError: boom")
    run(lab, COORDINATOR, *WORKERS[:2], REPLACED)
    lab.await_condition("WorkersReady", "AllReady", seconds=SECONDS)
    for name in (WORKERS[0], REPLACED):
        lab.end_pod(name, 0, DONE)
    lab.await_condition("Succeeded", "TrainingCompleted", seconds=SECONDS)
    lab.await_pods(WORKERS[0], WORKERS[1], REPLACED, seconds=SECONDS)
    return state(lab)


def die(lab: Namespace) -> None:
    """The job's time to live ends: the operator deletes it."""
    lab.patch("nerfjobs", "demo", {"spec": {"runPolicy": {"ttlSecondsAfterFinished": 0}}})
    wait_until("the job is gone", lambda: lab.get("nerfjobs", "demo") is None, SECONDS)


def scale(lab: Namespace, replicas: int) -> None:
    """Ask for another number of workers."""
    lab.patch("nerfjobs", "demo", {"spec": {"workers": {"replicas": replicas}}})


def run(lab: Namespace, *names: str) -> None:
    """Once there are exactly these pods, those that have not begun run."""
    for name, pod in lab.await_pods(*names, seconds=SECONDS).items():
        if pod["status"].get("phase") == "Pending":
            lab.run_pod(name, ADDRESS)


def state(lab: Namespace) -> Object:
    """Children and status, without what differs from life to life. Raises for orphans."""
    job = lab.get("nerfjobs", "demo")
    assert job is not None
    uid = job["metadata"]["uid"]
    kinds = ("pods", "services", "persistentvolumeclaims", "secrets")
    children = {kind: [one for one in lab.list(kind) if _is_child(one)] for kind in kinds}
    owners = {_owner(one) for found in children.values() for one in found}
    assert owners == {uid}, f"orphans: {children}"
    return {
        "children": {kind: sorted(_summary(one, uid) for one in children[kind]) for kind in kinds},
        "conditions": {c["type"]: (c["status"], c["reason"]) for c in job["status"]["conditions"]},
        **{key: job["status"].get(key) for key in ("phase", "restarts", "workers", "image")},
    }


def _is_child(obj: Object) -> bool:
    return bool(obj["metadata"]["name"].startswith("demo"))


def _owner(obj: Object) -> Any:
    return obj["metadata"].get("ownerReferences", [{}])[0].get("uid")


def _summary(obj: Object, uid: str) -> str:
    meta = obj["metadata"]
    told = {"name": meta["name"], "labels": meta.get("labels"), "phase": obj.get("status")}
    told["phase"] = (obj.get("status") or {}).get("phase")
    return json.dumps(told, sort_keys=True).replace(uid[:8], "UID")
