"""Whether an operator runs that serves the job."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from nerf_cli import operator_image
from nerf_cli.causes.finding import Finding
from nerf_cli.cluster import Object
from nerf_contract import names

#: Nobody holds a Lease that was not renewed for so long. Its holder does so every 2 s, and another
#: operator takes it after 9; the rest is for clocks that differ.
ABANDONED = timedelta(minutes=1)
#: Leases by namespace and name; None where there is none. Those that may not be read are missing.
Leases = Mapping[tuple[str, str], Object | None]


def causes(
    deployments: Sequence[Object] | None, leases: Leases, namespace: str, now: datetime
) -> list[Finding]:
    """Why nobody has looked at a job of that namespace. deployments: None where not readable."""
    if deployments is None:
        asked = f"kubectl get deployments -A -l {operator_image.SELECTOR}"
        todo = f"Have someone look who may list Deployments: `{asked}`."
        return [Finding("an operator may not be running; you may not look for it", todo)]
    if not deployments:
        return [
            Finding(
                "there is no Deployment of the operator in the cluster",
                "Install it by `helm install nerf charts/nerf-operator --namespace nerf-system "
                "--create-namespace`.",
            )
        ]
    idle = idle_operators(deployments, leases, now)
    return idle or _elsewhere(deployments, namespace) or [_silent(deployments[0])]


def idle_operators(
    deployments: Sequence[Object] | None, leases: Leases, now: datetime
) -> list[Finding]:
    """What is said where operators are installed and none of them works."""
    return _down(deployments) or _unled(deployments, leases, now)


def _down(deployments: Sequence[Object] | None) -> list[Finding]:
    """What is said where the operator is installed and none of its pods is ready."""
    if not deployments or any(d["status"].get("availableReplicas") for d in deployments):
        return []
    meta, wanted = deployments[0]["metadata"], deployments[0]["spec"].get("replicas", 1)
    where = f"-n {meta['namespace']}"
    if not wanted:
        todo = f"`kubectl {where} scale deployment {meta['name']} --replicas 1` starts it."
    else:
        todo = f"`kubectl {where} describe pods -l {operator_image.SELECTOR}` tells why."
    what = (
        f"the operator does not run: of its Deployment {meta['name']} 0 of {wanted} pods is ready"
    )
    return [Finding(what, todo)]


def lease(deployment: Object) -> tuple[str, str] | None:
    """Namespace and name of the Lease that one of its pods must hold; None for a single one."""
    name = operator_image.environment(deployment).get(names.ENV_LEASE)
    return (deployment["metadata"]["namespace"], name) if name else None


def _unled(deployments: Sequence[Object] | None, leases: Leases, now: datetime) -> list[Finding]:
    """What is said where all operators wait for a Lease that nobody holds."""
    found = [_abandoned(lease(deployment), leases, now) for deployment in deployments or ()]
    if not deployments or not all(found):
        return []
    meta = deployments[0]["metadata"]
    name = operator_image.environment(deployments[0])[names.ENV_LEASE]
    log = f"kubectl -n {meta['namespace']} logs deploy/{meta['name']} --all-pods"
    return [
        Finding(
            f"no operator works: the Lease {name}, which one of them must hold, {found[0]}",
            f"The operators' logs say why: `{log}`.",
        )
    ]


def _abandoned(where: tuple[str, str] | None, leases: Leases, now: datetime) -> str:
    """Why nobody holds a Lease; "" where somebody does, or that cannot be known."""
    if where is None or where not in leases:
        return ""
    found = leases[where]
    if found is None:
        return "is not there"
    spec = found.get("spec", {})
    if not spec.get("renewTime"):
        return "was never taken"
    renewed = datetime.fromisoformat(spec["renewTime"])
    told = f"was last renewed at {renewed:%Y-%m-%d %H:%M:%S} UTC"
    return told if now - renewed > ABANDONED else ""


def _elsewhere(deployments: Sequence[Object], namespace: str) -> list[Finding]:
    served = [_served(deployment) for deployment in deployments]
    if any(not names_ or namespace in names_ for names_ in served):
        return []
    there = ", ".join(sorted({name for names_ in served for name in names_}))
    return [
        Finding(
            f"the operator serves only the namespaces {there}, not {namespace}",
            "Create the job in one of them, or have this one added to the chart's watchNamespaces.",
        )
    ]


def _served(deployment: Object) -> list[str]:
    text = operator_image.environment(deployment).get(names.ENV_WATCH_NAMESPACES, "")
    return [part.strip() for part in text.split(",") if part.strip()]


def _silent(deployment: Object) -> Finding:
    meta = deployment["metadata"]
    log = f"kubectl -n {meta['namespace']} logs deploy/{meta['name']}"
    return Finding(
        "the operator runs, and has not come to it yet", f"Its log may say why: `{log}`."
    )
