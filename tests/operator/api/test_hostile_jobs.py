"""Hundreds of hostile NeRFJobs: refused, or bound to what a restricted pod may do. And while they
are there, the jobs of others go on."""

import json
import urllib.error
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from operator_support import hostile_jobs
from operator_support.apiserver import ApiServer, wait_until
from operator_support.cluster import Namespace, Object
from operator_support.life import DONE
from operator_support.process import Operator

from nerf_contract import names
from nerf_operator.cluster import parse
from nerf_operator.core import stage_pods, training_pods
from nerf_operator.core.observed import Job
from nerf_operator.core.pod import PodRequest

RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
#: Kinds of volumes that pods of ours have.
VOLUMES = {"persistentVolumeClaim", "emptyDir", "downwardAPI", "secret"}


@dataclass
class Crowd:
    """Where hostile jobs are. accepted: names, and what is wrong with each; strange: answers of the
    API server that are not refusals."""

    lab: Namespace
    accepted: dict[str, str] = field(default_factory=dict)
    refused: int = 0
    strange: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def crowd(server: ApiServer, operator: Operator) -> Iterator[Crowd]:
    """All of them in one namespace, without the checks that kubectl adds."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    metadata = {"name": name, "labels": RESTRICTED}
    server.request("POST", "/api/v1/namespaces", {"metadata": metadata})
    found = Crowd(Namespace(server, name))
    found.lab.claim()
    for number, (what, spec) in enumerate(hostile_jobs.specs()):
        submit(found, f"job-{number}", what, spec)
    yield found
    server.request("DELETE", found.lab.path("nerfjobs"))


def submit(crowd: Crowd, name: str, what: str, spec: Object) -> None:
    kind = {"apiVersion": names.API_VERSION, "kind": names.KIND}
    body = kind | {"metadata": {"name": name}, "spec": spec}
    path = crowd.lab.path("nerfjobs") + "?fieldValidation=Ignore"
    try:
        crowd.lab.server.request("POST", path, body)
    except urllib.error.HTTPError as error:
        crowd.refused += 1
        if error.code not in (400, 422):
            crowd.strange.append(f"{error.code} for {what}")
    else:
        crowd.accepted[name] = what


def test_they_are_many_and_most_are_refused(crowd: Crowd) -> None:
    assert crowd.strange == []
    assert crowd.refused > 200
    assert crowd.accepted, "what is only an unknown field is cut off, and the rest accepted"


def test_each_that_is_accepted_has_a_status(crowd: Crowd) -> None:
    def silent() -> list[str]:
        there = crowd.lab.list("nerfjobs")
        told = {j["metadata"]["name"] for j in there if j.get("status", {}).get("conditions")}
        return [what for name, what in crowd.accepted.items() if name not in told]

    try:
        wait_until("all have conditions", lambda: not silent(), 60)
    except TimeoutError:
        pytest.fail(f"without a status: {silent()}")


def pods_of(job: Job) -> list[Object]:
    """Every kind of pod that the job may ever have."""
    asked = {
        component: PodRequest("localhost/trainer", attempt=0, component=component)
        for component in ("coordinator", "download", "poses", "export", "viewer")
    }
    workers = [PodRequest("localhost/trainer", attempt=0, index=index) for index in (0, 1)]
    return [
        *(training_pods.worker(job, request) for request in workers),
        training_pods.coordinator(job, asked["coordinator"]),
        stage_pods.download(job, asked["download"]),
        stage_pods.poses(job, asked["poses"]),
        stage_pods.export(job, asked["export"]),
        stage_pods.viewer(job, asked["viewer"], beside=None),
    ]


def test_any_pod_of_one_that_is_accepted_is_restricted(crowd: Crowd) -> None:
    """The API server would not admit another one in this namespace: asked without making any."""
    wrong = []
    for body in crowd.lab.list("nerfjobs"):
        job = parse.job(body)
        what = crowd.accepted[job.name]
        if job.spec is None:
            continue
        for pod in pods_of(job):
            # The operator may have made the one of that name.
            pod["metadata"]["name"] = f"asked-{job.name}"
            if not confined(pod, job):
                wrong.append(f"{what}: {pod['spec']}")
            try:
                path = crowd.lab.path("pods") + "?dryRun=All&fieldValidation=Strict"
                crowd.lab.server.request("POST", path, pod)
            except urllib.error.HTTPError as error:
                if error.code not in (400, 422):  # A pod that nobody can make does no harm.
                    wrong.append(f"{what}: {error.code} {error.read().decode()[:500]}")
    assert wrong == []


def confined(pod: Object, job: Job) -> bool:
    """Only volumes of the job, no account, nothing of the host, and its argv begins as ours."""
    spec = pod["spec"]
    [container] = spec["containers"]
    kinds = {kind for volume in spec["volumes"] for kind in volume if kind != "name"}
    secrets = [volume["secret"]["secretName"] for volume in spec["volumes"] if "secret" in volume]
    ours = {f"{job.name}-viewer", f"{job.name}-group-{job.uid[:8]}"}
    free = spec["automountServiceAccountToken"] or "serviceAccountName" in spec
    return (
        kinds <= VOLUMES
        and set(secrets) <= ours
        and not free
        and not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & set(spec)
        and container["command"][0] in ("torchrun", "python3")
        and not any("$(" in text for text in container["command"])
    )


def test_jobs_of_others_go_on(crowd: Crowd, lab: Namespace) -> None:
    lab.job()
    for name in lab.await_pods("demo-worker-0-0", "demo-worker-1-0", seconds=30):
        lab.run_pod(name)
    lab.await_condition("Running", "Training", seconds=30)
    for name in lab.pods():
        lab.end_pod(name, 0, DONE)
    lab.await_condition("Succeeded", "TrainingCompleted", seconds=30)


def test_nothing_fails_in_the_operator(crowd: Crowd, operator: Operator) -> None:
    lines = [line for line in operator.log.read_text().splitlines() if crowd.lab.name in line]
    failed = [line for line in lines if json.loads(line)["level"] != "INFO"]
    assert failed == []
    assert operator.ready()
