"""The viewer of a job: one pod, from the first worker that trains until the job is deleted.

It holds the checkpoint volume, to read. Where only one node may mount that, the viewer follows the
pod that writes to it, and gives way where that pod starts elsewhere.
"""

from dataclasses import dataclass
from datetime import datetime

from nerf_contract import names
from nerf_contract.v1alpha1 import NeRFJobSpec
from nerf_operator.core import children, claims, render, replacement, stage_pods
from nerf_operator.core.actions import Action, Apply, Create, DrawToken
from nerf_operator.core.image import Image
from nerf_operator.core.observed import Job, Observed, Pod
from nerf_operator.core.pod import PodRequest
from nerf_operator.core.replacement import Slot
from nerf_operator.core.stages import Stages


@dataclass(frozen=True)
class Shown:
    """What to do for the viewer. wait: seconds until another attempt is due."""

    actions: tuple[Action, ...] = ()
    wait: float | None = None


def decide(
    job: Job, spec: NeRFJobSpec, observed: Observed, now: datetime, chosen: Image, at: Stages
) -> Shown:
    """Which children the viewer needs, or has too many of."""
    if not spec.viewer.enabled:
        return Shown(tuple(children.delete(alive(observed))))
    exclusive = claims.one_node_checkpoints(job, spec, observed)
    pods = observed.of(names.COMPONENT_VIEWER)
    unwanted = _stranded(observed) if exclusive else []
    if unwanted:
        return Shown(tuple(children.delete(unwanted)))
    removed = children.delete(children.extra(pods))
    slot = replacement.decide(pods, now)
    if slot.start is None or not _has_begun(observed, at):
        return Shown((*removed, *_service(job, observed)), slot.wait)
    token = DrawToken(render.viewer_secret(job))
    beside_writer = exclusive and at.training is None
    made = stage_pods.viewer(job, _request(job, spec, observed, chosen, at, slot), beside_writer)
    return Shown((*removed, *_service(job, observed), token, Create(made)))


def alive(observed: Observed) -> list[Pod]:
    """Viewer pods that run."""
    return [pod for pod in observed.of(names.COMPONENT_VIEWER) if pod.alive]


def _stranded(observed: Observed) -> list[Pod]:
    """Viewers that keep the volume from the node of the pod that is to write to it."""
    holders = [*observed.workers(0), *observed.of(names.COMPONENT_EXPORT)]
    nodes = {pod.node for pod in holders if pod.alive and pod.node}
    return [pod for pod in alive(observed) if pod.node and nodes and pod.node not in nodes]


def _has_begun(observed: Observed, at: Stages) -> bool:
    """Whether there is, or soon will be, something to see."""
    return at.training is not None or any(p.alive and p.ready for p in observed.workers(0))


def _service(job: Job, observed: Observed) -> list[Action]:
    found = observed.viewer_service
    if found is None:
        return [Apply(render.viewer_service(job), force=False)]
    changed = dict(found.selector) != render.viewer_selector(job)
    if found.owner == job.uid and not found.deleting and changed:
        return [Apply(render.viewer_service(job), force=True)]
    return []


def _request(
    job: Job, spec: NeRFJobSpec, observed: Observed, chosen: Image, at: Stages, slot: Slot
) -> PodRequest:
    assert slot.start is not None
    return PodRequest(
        image=chosen.run,
        attempt=slot.start,
        component=names.COMPONENT_VIEWER,
        failures=slot.failures,
        together=claims.together(job, spec, observed),
        read_only_claim=claims.read_only(job, spec, observed),
        poses=at.dataset.poses if at.dataset else None,
    )
