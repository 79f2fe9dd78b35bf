"""Random things that users and the cluster do to one job, valid ones and others."""

import json
import random
import urllib.error
from collections.abc import Callable
from typing import Any

from operator_support.cluster import Namespace, Object

ADDRESS = "127.77.9.9"
DONE = json.dumps({"reason": "TrainingCompleted", "message": "Trained 200 steps."})
BAD = json.dumps({"reason": "DatasetInvalid", "message": "no photos"})
Edit = Callable[[Namespace, random.Random], None]


def create(lab: Namespace, rng: random.Random) -> None:
    """A job, elastic or not, perhaps suspended, perhaps one that is not admitted."""
    replicas = rng.randint(1, 3)
    workers: Object = {"replicas": replicas}
    if rng.random() < 0.6:
        workers |= {"min": rng.randint(1, 3), "max": rng.randint(1, 5)}
    policy = {"suspend": rng.random() < 0.2, "backoffLimit": rng.choice([0, 6])}
    lab.job(workers=workers, runPolicy=policy)


def scale(lab: Namespace, rng: random.Random) -> None:
    """Another number of workers; 0, too many and those of a job of fixed size are refused."""
    _spec(lab, workers={"replicas": rng.randint(0, 6)})


def suspend(lab: Namespace, rng: random.Random) -> None:
    """Stop, or go on."""
    _spec(lab, runPolicy={"suspend": rng.random() < 0.5})


def limit(lab: Namespace, rng: random.Random) -> None:
    """What may change at any time."""
    _spec(lab, runPolicy={"backoffLimit": rng.choice([-1, 0, 6]), "cleanPodPolicy": "Running"})


def change(lab: Namespace, rng: random.Random) -> None:
    """What may never change, only while suspended, or makes no sense."""
    section, value = rng.choice(
        [
            ("training", {"steps": rng.choice([0, 100, 200])}),
            ("dataset", {"claimName": rng.choice(["photos", "others"])}),
            ("workers", {"gpusPerWorker": rng.choice([0, 1, -1])}),
            ("workers", {"min": rng.choice([None, 0, 1, 9])}),
            ("viewer", {"enabled": rng.random() < 0.5}),
            ("surprise", {"a": 1}),
        ]
    )
    _spec(lab, **{section: value})


def annotate(lab: Namespace, rng: random.Random) -> None:
    """What does not matter."""
    lab.patch("nerfjobs", "demo", {"metadata": {"annotations": {"seen": str(rng.random())}}})


def delete(lab: Namespace, rng: random.Random) -> None:
    """Delete the job; some make it again at once."""
    lab.delete("nerfjobs", "demo")
    if rng.random() < 0.7:
        create(lab, rng)


def delete_child(lab: Namespace, rng: random.Random) -> None:
    """Delete a pod or the Service."""
    kind = rng.choice(["pods", "pods", "services"])
    found = lab.list(kind)
    if found:
        lab.delete(kind, rng.choice(found)["metadata"]["name"])


def run(lab: Namespace, rng: random.Random) -> None:
    """All pods run."""
    for name, pod in lab.pods().items():
        if pod["status"].get("phase") == "Pending":
            lab.run_pod(name, ADDRESS)


def end(lab: Namespace, rng: random.Random) -> None:
    """A pod ends: well, by a crash, for good, or out of memory."""
    pods = [n for n, p in lab.pods().items() if p["status"].get("phase") in ("Pending", "Running")]
    if pods:
        code, word, why = rng.choice(
            [
                (0, DONE, "Completed"),
                (1, "boom", "Error"),
                (65, BAD, "Error"),
                (137, "", "OOMKilled"),
            ]
        )
        lab.end_pod(rng.choice(pods), code, word, why)


EDITS: tuple[Edit, ...] = (
    *(create, scale, scale, suspend, limit, change, change, annotate),
    *(delete, delete_child, run, run, end),
)


def play(lab: Namespace, seed: int, length: int = 12) -> list[str]:
    """A sequence of edits. What was done, with what the API server refused."""
    rng = random.Random(seed)
    done = []
    for edit in (create, *rng.choices(EDITS, k=length)):
        try:
            edit(lab, rng)
            done.append(edit.__name__)
        except urllib.error.HTTPError as error:
            if error.code not in (400, 404, 409, 422):
                raise
            done.append(f"{edit.__name__} refused ({error.code})")
    return done


def _spec(lab: Namespace, **sections: Any) -> None:
    path = f"{lab.path('nerfjobs', 'demo')}?fieldValidation=Strict"
    lab.server.request("PATCH", path, {"spec": sections}, "application/merge-patch+json")


def stuck(lab: Namespace) -> str:
    """Why the job is not yet where its spec wants it; "" if it is, or if there is none."""
    job = lab.get("nerfjobs", "demo")
    if job is None:
        return ""
    meta, status = job["metadata"], job.get("status", {})
    conditions = {c["type"]: c for c in status.get("conditions", [])}
    if meta.get("deletionTimestamp"):
        return "it is not gone"
    if not conditions:
        return "it has no conditions"
    pods = [p for p in lab.list("pods") if _owner(p) == meta["uid"]]
    alive = [p for p in pods if p["status"].get("phase") in ("Pending", "Running")]
    if any(conditions[over]["status"] == "True" for over in ("Succeeded", "Failed")):
        return ""
    if any(c["observedGeneration"] != meta["generation"] for c in conditions.values()):
        return f"generation {meta['generation']} is not observed"
    if job["spec"]["runPolicy"]["suspend"]:
        return f"{len(alive)} pods of a suspended job" if alive else ""
    workers = [p for p in alive if "nerfops.dev/worker-index" in p["metadata"]["labels"]]
    wanted = job["spec"]["workers"]["replicas"]
    ended = {i for p in pods if p not in alive and (i := _succeeded(p)) is not None}
    if len(workers) + len(ended) < wanted and conditions["Stalled"]["status"] != "True":
        return f"{len(workers)} workers instead of {wanted}"
    return f"{len(workers)} workers, only {wanted} wanted" if len(workers) > wanted else ""


def _owner(obj: Object) -> Any:
    return obj["metadata"].get("ownerReferences", [{}])[0].get("uid")


def _succeeded(pod: Object) -> str | None:
    index = pod["metadata"]["labels"].get("nerfops.dev/worker-index")
    return index if pod["status"].get("phase") == "Succeeded" else None
