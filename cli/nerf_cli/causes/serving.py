"""Whether an operator runs that serves the job."""

from collections.abc import Sequence

from nerf_cli import operator_image
from nerf_cli.causes.finding import Finding
from nerf_cli.cluster import Object
from nerf_contract import names


def causes(deployments: Sequence[Object] | None, namespace: str) -> list[Finding]:
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
    return down(deployments) or _elsewhere(deployments, namespace) or [_silent(deployments[0])]


def down(deployments: Sequence[Object] | None) -> list[Finding]:
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
