"""Jobs with scaling.policy Auto that were given no GPUs."""

from nerf_cli import telling
from nerf_cli.causes import places
from nerf_cli.causes.evidence import Evidence
from nerf_cli.causes.finding import Finding
from nerf_cli.cluster import Object
from nerf_contract import names, reasons

#: Reason of having none -> what to do, where its message does not say it.
_WAYS = {
    reasons.WAITING_FOR_GPUS: "It starts once others end, or give up what they have above their "
    "min. Sooner: add nodes with GPUs, or suspend a job.",
    reasons.WAITING_FOR_OLDER_JOB: "Each comes in its turn. Sooner: add nodes with GPUs, or "
    "suspend a job.",
    reasons.CAPACITY_LOST: "Bring the nodes back, or add others: the job goes on.",
}
_EXPLAINED = (*_WAYS, reasons.EXCEEDS_CAPACITY)


def causes(seen: Evidence) -> list[Finding]:
    """What there is to share; [] for jobs that have workers, or whose size is not chosen."""
    told = telling.status_of(seen.job).get("allocation") or {}
    reason = told.get("reason", "")
    if told.get("workers") or reason not in _EXPLAINED:
        return []
    return [Finding(_offer(seen), _WAYS.get(reason, ""))]


def _offer(seen: Evidence) -> str:
    if seen.nodes is None:
        return "the GPUs of the cluster are shared; you may not look at its nodes"
    open_ = [node for node in seen.nodes if _takes_pods(node)]
    offered = sum(_gpus(node) for node in open_)
    return (
        f"the nodes that take pods have {offered} GPUs in all, for all jobs with scaling.policy "
        "Auto and all else that runs there"
    )


def _takes_pods(node: Object) -> bool:
    ready = places.condition(node, "Ready").get("status") == "True"
    return ready and not node["spec"].get("unschedulable")


def _gpus(node: Object) -> int:
    return int((node["status"].get("allocatable") or {}).get(names.GPU, 0))
