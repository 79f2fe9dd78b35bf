"""PersistentVolumeClaims that keep a job waiting."""

from nerf_cli.causes.evidence import Evidence
from nerf_cli.causes.finding import Finding, because
from nerf_cli.cluster import Object

#: Of a claim whose volume is made once a pod has a node: nothing is wrong with it.
_WAITS_FOR_A_POD = "WaitForFirstConsumer"


def causes(seen: Evidence) -> list[Finding]:
    """Claims without a volume, and why they have none."""
    found = []
    for name, claim in seen.claims.items():
        if claim is None:
            found += _absent(seen, name)
        elif claim["status"].get("phase") != "Bound":
            found += _unbound(seen, claim)
        elif "deletionTimestamp" in claim["metadata"]:
            found.append(_leaving(name))
    return found


def _absent(seen: Evidence, name: str) -> list[Finding]:
    """One that the operator makes may be about to come."""
    if name not in _given(seen.job["spec"]):
        return []
    return [
        Finding(
            f"the claim {name} does not exist in namespace {seen.job['metadata']['namespace']}",
            "Create it; `kubectl nerf upload FOLDER --claim NAME` makes one with photos on it.",
        )
    ]


def _given(spec: Object) -> tuple[str | None, str | None]:
    volume = spec.get("checkpoint", {}).get("volume", {})
    return spec["dataset"].get("claimName"), volume.get("claimName")


def _leaving(name: str) -> Finding:
    return Finding(
        f"the claim {name} is being deleted, and goes once no pod uses it",
        "Pods that are not there yet cannot use it any more: create it anew.",
    )


def _unbound(seen: Evidence, claim: Object) -> list[Finding]:
    name, phase = claim["metadata"]["name"], claim["status"].get("phase", "Pending")
    if phase == "Lost":
        todo = "Restore the volume, or delete the claim and create it anew."
        return [Finding(f"the volume of the claim {name} no longer exists", todo)]
    events = seen.about(claim)
    if events and events[-1].get("reason") == _WAITS_FOR_A_POD:
        return []
    what = f"the claim {name} has no volume yet (it is {phase})"
    return [Finding(what), *because([_source(claim, events)])]


def _source(claim: Object, events: list[Object]) -> Finding:
    """Who should make the volume, and what is said of that."""
    class_ = claim["spec"].get("storageClassName")
    told = next((e["message"] for e in reversed(events) if e.get("type") == "Warning"), None)
    if told is None and events:
        told = events[-1].get("message")
    quotes = (str(told).strip(),) if told else ()
    if not class_:
        return Finding(
            "it names no storage class, and the cluster had no default one when it was made",
            "Name one of `kubectl get storageclasses` when you create it.",
            quotes,
        )
    return Finding(
        f"the storage class {class_} made none",
        f"See `kubectl get storageclass {class_}`: it must exist, and its provisioner run.",
        quotes,
    )
