"""`kubectl nerf run`: photos to a scene. What is decided first, then done."""

import time
from typing import Literal

from kubernetes.client.exceptions import ApiException
from pydantic import ValidationError
from rich.console import Console

from nerf_cli import logs, origin, results, telling, uploading, watching
from nerf_cli.cluster import Cluster, Object
from nerf_cli.errors import UserError, missing, no_job
from nerf_cli.folder import Folder
from nerf_cli.following import TimeIsUpError, follow
from nerf_cli.meter import Say
from nerf_contract import reasons
from nerf_contract.v1alpha1 import NeRFJobSpec

Step = Literal["create", "replace", "watch"]
TIMED_OUT = 124
REMOVAL_DEADLINE_S = 120
POLL_S = 0.5


def first_step(job: Object, existing: Object | None, replace: bool) -> Step:
    """What to do about a job of this name that is there already. Raises UserError."""
    if existing is None:
        return "create"
    if replace:
        return "replace"
    name = job["metadata"]["name"]
    if telling.ended(existing):
        raise UserError(
            f"The job {name!r} is there and has ended: {telling.end(existing).rstrip('.')}. "
            f"Fetch what it made by `kubectl nerf results {name} -o DIR`, then run again with "
            f"--replace, which deletes it{_and_results(existing)}, or with another --name."
        )
    if not same_spec(job, existing):
        raise UserError(
            f"A job {name!r} with other settings is there and has not ended. Choose another "
            f"--name, or delete it{_and_results(existing)} by --replace."
        )
    if not origin.same(job, existing):
        raise UserError(
            f"A job {name!r} is there and has not ended, and it was not made of the files that are "
            f"in this folder now. Choose another --name for them; `kubectl nerf watch {name}` "
            "shows that job."
        )
    return "watch"


def same_spec(one: Object, other: Object) -> bool:
    """Whether two jobs ask for the same, with all defaults filled in."""
    try:
        return _spec(one) == _spec(other)
    except ValidationError:
        return False  # A newer operator's fields: certainly not ours.


def _spec(job: Object) -> NeRFJobSpec:
    return NeRFJobSpec.model_validate(job["spec"])


def submit(
    cluster: Cluster,
    folder: Folder,
    job: Object,
    target: uploading.Target,
    replace: bool,
    console: Console,
    say: Say,
) -> None:
    """Upload and create, or whatever of it is left to do."""
    name = job["metadata"]["name"]
    cluster = cluster.patient(say)
    existing = cluster.find_job(name)
    step = first_step(job, existing, replace)
    if step == "watch":
        say(f"the job {name} is under way already")
        return
    cluster.check_job(job, taken=existing is not None)
    uploading.run(cluster, folder, target, console, say)
    if existing is not None:
        remove(cluster, existing, say)
    cluster.create_job(job)
    say(f"created the job {name} in namespace {cluster.namespace}")


def remove(cluster: Cluster, job: Object, say: Say) -> None:
    """Delete a job, and return once all that goes with it is gone. Raises UserError."""
    name = job["metadata"]["name"]
    say(f"deleting the job {name} that is there")
    if claim := kept_claim(job):
        say(
            f"what it made stays, on the claim {claim}: a job {name} goes on from there if it has "
            "that claim and the same settings"
        )
    try:
        cluster.delete_job(name)
    except ApiException as error:
        if not missing(error):
            raise
    deadline = time.monotonic() + REMOVAL_DEADLINE_S
    while left := cluster.children(name, job["metadata"]["uid"]):
        if time.monotonic() > deadline:
            raise UserError(f"{', '.join(left)} of the old job {name!r} cannot be deleted.")
        time.sleep(POLL_S)


def kept_claim(job: Object) -> str | None:
    """The claim with the job's results, where it outlives the job."""
    volume = job["spec"].get("checkpoint", {}).get("volume", {})
    kept = volume.get("claimName") or volume.get("retentionPolicy") == "Retain"
    return results.claim_of(job) if kept else None


def _and_results(job: Object) -> str:
    claim = kept_claim(job)
    return f" (its results stay, on the claim {claim!r})" if claim else " and its results"


def watch_to_end(
    cluster: Cluster, name: str, timeout: float | None, console: Console, say: Say
) -> int:
    """Show the job until it ends. Exit code: 0 only for success; 124 when the time is up."""
    deadline = None if timeout is None else time.monotonic() + timeout
    try:
        job = watching.show(follow(cluster, name, say, deadline), console, say)
    except TimeIsUpError:
        say(f"time is up; the job goes on: `kubectl nerf watch {name}` shows it")
        return TIMED_OUT
    if job is None:
        raise no_job(name, cluster.namespace)
    if not telling.ended(job):
        raise UserError(f"The job {name!r} was deleted.")
    return _report(cluster, job, say)


def _report(cluster: Cluster, job: Object, say: Say) -> int:
    name = job["metadata"]["name"]
    say(telling.end(job))
    for trouble in telling.troubles(job):
        if trouble["type"] != reasons.FAILED:
            say(telling.sentence(trouble))
    if telling.holds(job, reasons.SUCCEEDED):
        say(f"fetch what it made: kubectl nerf results {name} -o DIR")
        return 0
    words = logs.last_words(cluster, name)
    if words is not None:
        pod, lines = words
        say(f"the last lines of {pod}:")
        for line in lines:
            say(f"  {line}")
    return 1
