"""NetworkPolicies of a job: who may come near its pods, and where they may go.

What workers tell each other is neither encrypted nor asked for by whom: only pods of the same job
may be there. Into the open goes only who fetches an archive, and not into private networks.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256

from pydantic import Field

from nerf_contract import children, names
from nerf_contract.base import Model
from nerf_operator.core import render
from nerf_operator.core.actions import Create, Fence, Object, Plan
from nerf_operator.core.observed import Job, Observed

#: What no archive is fetched from: as in the trainer, which checks what a name is resolved to.
PRIVATE = (
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
    *("172.16.0.0/12", "192.0.0.0/24", "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/3"),
)
#: Of IPv6 only what is global is public.
PUBLIC_V6 = "2000::/3"
#: Pods answer on 5353 where DNS does not run as root, and nodes at the address by convention.
_DNS = {
    "to": [{"namespaceSelector": {}}, {"ipBlock": {"cidr": "169.254.20.10/32"}}],
    "ports": [{"port": p, "protocol": kind} for p in (53, 5353) for kind in ("UDP", "TCP")],
}


class Network(Model):
    """Whom an administrator lets in: peers as in a NetworkPolicy.

    operator: its pod. metrics_from: who scrapes the pods. viewer_from: such as an ingress
    controller; `kubectl nerf view` needs none.
    """

    operator: Object
    metrics_from: list[Object] = Field(default_factory=list)
    viewer_from: list[Object] = Field(default_factory=list)


def fenced(
    decided: Plan,
    job: Job,
    observed: Observed,
    network: Network | None,
    archive_networks: Sequence[str] = (),
) -> Plan:
    """The plan, in which policies are there before the first pod. None: nobody asked for them.

    archive_networks: private networks, as CIDRs, that an archive may be fetched from.

    Pods that an operator with other settings has made are fenced once more.
    """
    if network is None or job.spec is None:
        return decided
    begins = any(isinstance(action, Create) for action in decided.actions)
    if not begins and (observed.fenced or not any(pod.alive for pod in observed.pods)):
        return decided
    fences = [Fence(policy) for policy in policies(job, network, archive_networks)]
    return replace(decided, actions=(*fences, *decided.actions))


def policies(job: Job, network: Network, archive_networks: Sequence[str] = ()) -> list[Object]:
    """The policies of a job, as `fenced` adds them. What one of them allows is allowed."""
    assert job.spec is not None
    own = {"podSelector": {"matchLabels": {names.LABEL_JOB: job.name}}}
    last = names.TRAINER_HTTP_PORT + job.spec.workers.processes - 1
    status = {"port": names.TRAINER_HTTP_PORT, "endPort": last}
    ingress: list[Object] = [
        {"from": [own]},
        {"from": [network.operator, *network.metrics_from], "ports": [status]},
    ]
    if network.viewer_from:
        ingress.append({"from": network.viewer_from, "ports": [{"port": names.VIEWER_PORT}]})
    egress = [{"to": [own]}, _DNS]
    everyone = {names.LABEL_JOB: job.name}
    fence = _policy(job, "fence", everyone, {"ingress": ingress, "egress": egress})
    return [fence, _fetching(job, archive_networks)] if job.spec.dataset.archive else [fence]


def _fetching(job: Job, archive_networks: Sequence[str]) -> Object:
    """For the only pod that leaves the cluster."""
    selected = {names.LABEL_JOB: job.name, names.LABEL_COMPONENT: names.COMPONENT_DOWNLOAD}
    public = {"cidr": "0.0.0.0/0", "except": list(PRIVATE)}
    blocks = [public, *({"cidr": cidr} for cidr in (PUBLIC_V6, *archive_networks))]
    open_ = [{"ipBlock": block} for block in blocks]
    return _policy(job, "fetch", selected, {"egress": [{"to": open_}]})


def _policy(job: Job, what: str, selected: dict[str, str], rules: Object) -> Object:
    kinds = [kind.capitalize() for kind in rules]
    spec = {"podSelector": {"matchLabels": selected}, "policyTypes": kinds, **rules}
    digest = sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": render.metadata(job, children.policy(job.name, what, job.uid, digest)),
        "spec": spec,
    }
