"""GPUs of the cluster: those that Auto jobs may have, and who gets them first."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from nerf_contract import names
from nerf_operator.allocation import model
from nerf_operator.allocation.model import Allocation, Capacity
from nerf_operator.core import auto
from nerf_operator.core.observed import Job, Pod


@dataclass(frozen=True, slots=True)
class Node:
    """gpus: allocatable ones. usable: it is ready, and takes new pods."""

    name: str
    uid: str
    version: str
    gpus: int
    usable: bool


def capacity(
    nodes: Iterable[Node],
    foreign: Mapping[str, int],
    pods: Iterable[Pod],
    sharing: Iterable[Pod],
) -> Capacity:
    """GPUs that are free, or that workers of Auto jobs hold.

    foreign: GPUs that pods of others hold, by node. pods: all that are ours; sharing: those of them
    that are workers of Auto jobs. Only those count that have a node, as others may never get one.
    A node has at least what those workers hold there: one that takes no new pods has just that,
    and one whose device plugin starts anew tells of no GPUs for a while.
    """
    shared = list(sharing)
    workers = {pod.uid for pod in shared}
    held = _by_node(pod for pod in shared if pod.alive)
    taken = _by_node(pod for pod in pods if not pod.ended and pod.uid not in workers)

    def left_by_others(node: Node) -> int:
        return node.gpus - foreign.get(node.name, 0) - taken[node.name]

    return Capacity(
        tuple(
            max(held[node.name], left_by_others(node) if node.usable else 0)
            for node in nodes
            if node.gpus or held[node.name]
        )
    )


def for_outputs(pods: Iterable[Pod], found: Capacity, kept: int) -> Capacity:
    """The same without GPUs for outputs of jobs that are trained, whose pods wait for a node.

    Else they would wait for the end of whole trainings. kept: GPUs that Auto jobs hold by their
    min, which nobody has to give up.
    """
    largest = max(found.nodes, default=0)
    waiting = (pod.gpus for pod in pods if _makes_outputs(pod) and pod.alive and pod.node is None)
    left = min(sum(n for n in waiting if n <= largest), max(0, found.total - kept))
    nodes = []
    for gpus in sorted(found.nodes, reverse=True):
        nodes.append(gpus - min(gpus, left))
        left -= min(gpus, left)
    return Capacity(tuple(nodes))


def _makes_outputs(pod: Pod) -> bool:
    return pod.component == names.COMPONENT_EXPORT


def _by_node(pods: Iterable[Pod]) -> Counter[str]:
    found: Counter[str] = Counter()
    for pod in pods:
        if pod.node is not None:
            found[pod.node] += pod.gpus
    return found


def wanted(job: Job) -> int:
    """GPUs that a job asks for while it is to train; an Auto job asks for its most."""
    if job.spec is None or job.deleting or not auto.wants_workers(job.status.conditions):
        return 0
    workers = job.spec.workers
    return (workers.most if job.spec.auto else workers.wanted) * workers.gpus_per_worker


def held(pods: Iterable[Pod]) -> int:
    """GPUs of pods that are on a node."""
    return sum(pod.gpus for pod in pods if pod.node is not None and not pod.ended)


def total(nodes: Iterable[Node]) -> int:
    """GPUs of nodes that take new pods."""
    return sum(node.gpus for node in nodes if node.usable)


def after_releases(
    jobs: Sequence[model.Job], found: Mapping[str, Allocation], total: int
) -> dict[str, Allocation]:
    """What may be carried out now: a job grows only into GPUs that nobody else has any more.

    Who is left out grows once the others' smaller sizes are in their statuses, so that all statuses
    together never hold more than there is.
    """
    used = sum(job.gpus for job in jobs)
    now = {}
    for job in sorted(jobs, key=lambda job: job.name):
        allocation = found[job.name]
        more = max(0, allocation.workers - job.workers) * job.gpus_per_worker
        if more and used + more > total:
            continue
        used += more
        now[job.name] = allocation
    return now
