"""The chain from what a job shows to why: a pure function of what was read."""

from dataclasses import replace

from nerf_cli import telling
from nerf_cli.causes import allocation, claims, pods, refusals, scheduler, serving
from nerf_cli.causes.evidence import Evidence
from nerf_cli.causes.finding import Finding, because
from nerf_cli.causes.places import failed, newest
from nerf_cli.choosing import component
from nerf_cli.cluster import Object
from nerf_contract import names, reasons

#: Reasons for which the claims of a job are looked at.
_OF_CLAIMS = (reasons.CLAIM_NOT_FOUND, reasons.CLAIM_PENDING)


def find(seen: Evidence) -> list[Finding]:
    """From effects to causes; [] where all is as it should be."""
    return [*_unserved(seen), *_shown(seen)]


def _shown(seen: Evidence) -> list[Finding]:
    """What the job itself shows, each with what it comes from."""
    job = seen.job
    if "deletionTimestamp" in job["metadata"]:
        return [Finding("the job is being deleted"), *because(pods.causes(seen))]
    if not telling.status_of(job).get("conditions"):
        return []
    for type_, causes in _STATES:
        if telling.holds(job, type_):
            return causes(seen)
    return _on_its_way(seen)


# --- The operator --------------------------------------------------------------------------------


def _unserved(seen: Evidence) -> list[Finding]:
    """Nobody has looked at the job, or at what was last changed of it."""
    effect = _unseen(seen.job)
    if effect is None:
        return serving.idle_operators(seen.operators, seen.leases, seen.now)
    where = seen.job["metadata"]["namespace"]
    causes = serving.causes(seen.operators, seen.leases, where, seen.now)
    return [Finding(effect), *because(causes)]


def _unseen(job: Object) -> str | None:
    status, generation = telling.status_of(job), job["metadata"].get("generation", 0)
    if not status.get("conditions"):
        return "The operator has not looked at the job yet."
    if status.get("observedGeneration", 0) < generation:
        return "The operator has not looked at the last change of the spec; what follows is older."
    return None


# --- Jobs that have ended ------------------------------------------------------------------------


def _failed(seen: Evidence) -> list[Finding]:
    bad = telling.condition(seen.job, reasons.FAILED)
    return [Finding(telling.sentence(bad), _way(seen, bad)), *because(_ends(seen))]


def _way(seen: Evidence, bad: dict[str, str]) -> str:
    """What to do where the message does not say it."""
    failure = (reasons.FAILURES | reasons.FOUND_FAILURES).get(bad.get("reason", ""))
    if failure is None or failure.retryable:
        return ""
    name = seen.job["metadata"]["name"]
    return f"{failure.meaning} Mend that, and create the job {name} again."


def _ends(seen: Evidence) -> list[Finding]:
    """Of pods that failed; what still leaves is of no interest any more."""
    ended = [last for last, _ in newest(seen.pods) if failed(last)]
    return pods.causes(replace(seen, pods=ended))


def _succeeded(seen: Evidence) -> list[Finding]:
    lacking = telling.condition(seen.job, reasons.OUTPUTS_READY)
    if not lacking or not telling.is_trouble(lacking):
        return []
    return [Finding(telling.sentence(lacking)), *because(_ends(seen))]


# --- Jobs that wait ------------------------------------------------------------------------------


def _suspended(seen: Evidence) -> list[Finding]:
    name = seen.job["metadata"]["name"]
    patch = '{"spec":{"runPolicy":{"suspend":false}}}'
    rests = Finding(
        telling.sentence(telling.condition(seen.job, reasons.SUSPENDED)),
        f"`kubectl patch nerfjob {name} --type merge -p '{patch}'` lets it go on.",
    )
    return [rests, *because(pods.causes(seen))]


def _stalled(seen: Evidence) -> list[Finding]:
    bad = telling.condition(seen.job, reasons.STALLED)
    return [Finding(telling.sentence(bad)), *because(_obstacles(seen, bad))]


def _obstacles(seen: Evidence, bad: dict[str, str]) -> list[Finding]:
    if bad.get("reason") == reasons.REJECTED:
        return refusals.causes(bad.get("message", ""))
    found = [*allocation.causes(seen), *pods.causes(seen)]
    asked = bad.get("reason") in _OF_CLAIMS or _unbound(found)
    return [*found, *claims.causes(seen)] if asked else found


def _unbound(found: list[Finding]) -> bool:
    """Whether claims tell more than pods do."""
    return any(cause.what.endswith(scheduler.UNBOUND) for cause in found)


# --- Jobs that go on -----------------------------------------------------------------------------


def _runs(seen: Evidence) -> list[Finding]:
    """It trains, but not as it should, or beside something that does not work."""
    found = _unsaved(seen.job)
    if not telling.holds(seen.job, reasons.WORKERS_READY):
        bad = telling.condition(seen.job, reasons.WORKERS_READY)
        found.append(Finding(telling.sentence(bad)))
        return [*found, *because([*_without_coordinator(seen), *pods.causes(seen)])]
    return [*found, *pods.causes(seen)]


def _unsaved(job: Object) -> list[Finding]:
    """What the operator adds to the count of workers, where checkpoints cannot be written."""
    message = telling.condition(job, reasons.RUNNING).get("message", "")
    more = message.partition(". ")[2]
    return [Finding(f"{reasons.RUNNING}, but: {more}")] if more else []


def _on_its_way(seen: Evidence) -> list[Finding]:
    """Not stalled, and not running yet: which may only take its time."""
    waits = telling.condition(seen.job, reasons.RUNNING)
    begun = f"{telling.phase(seen.job)} ({waits.get('reason', '')}): {waits.get('message', '')}"
    causes = [*allocation.causes(seen), *_without_coordinator(seen), *pods.causes(seen)]
    deeper = claims.causes(seen) if not causes or _unbound(causes) else []
    return [Finding(begun), *_stage(seen), *because([*causes, *deeper])]


def _stage(seen: Evidence) -> list[Finding]:
    """How far the photos or the outputs are, with the last lines of their pod."""
    at = telling.status_of(seen.job).get("stage")
    if not at:
        return []
    pods_ = [last["metadata"]["name"] for last, _ in newest(seen.pods) if _of(last, at)]
    eta = f", {at['eta']} left" if at.get("eta") else ""
    what = f"it is at {at['activity']}, {at['percent']} %{eta}"
    return because([Finding(what, quotes=seen.logs.get(pods_[0], ()) if pods_ else ())])


def _of(pod: Object, stage: Object) -> bool:
    return bool(component(pod) == stage["name"])


def _without_coordinator(seen: Evidence) -> list[Finding]:
    """The workers of an elastic job that trains meet at a pod of its own."""
    elastic = seen.job["spec"].get("workers", {}).get("min") is not None
    kinds = {component(pod) for pod in seen.pods}
    if not elastic or names.COMPONENT_WORKER not in kinds or names.COMPONENT_COORDINATOR in kinds:
        return []
    what = "the coordinator's pod, at which the workers meet, is not there"
    return [Finding(what, "The operator makes another one; it must run.")]


_STATES = (
    (reasons.FAILED, _failed),
    (reasons.SUCCEEDED, _succeeded),
    (reasons.SUSPENDED, _suspended),
    (reasons.STALLED, _stalled),
    (reasons.RUNNING, _runs),
)
