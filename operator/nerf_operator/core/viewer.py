"""The viewer of a job: one pod, from the first worker that trains until the job is deleted.

It holds the checkpoint volume, to read. Where only one node may mount that, the viewer follows the
pod that writes to it, and gives way where that pod starts elsewhere.

The operator may not read Secrets, so it cannot see whether the token is still there: every now and
then it draws one, which changes nothing where there is one. The pod reads a new token by itself.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from nerf_contract import children as named
from nerf_contract import names
from nerf_operator.core import children, claims, render, replacement, stage_pods
from nerf_operator.core.actions import Action, Apply, Create, DrawToken
from nerf_operator.core.observed import Job, Observed, Pod
from nerf_operator.core.pod import PodRequest
from nerf_operator.core.situation import Situation
from nerf_operator.core.stages import Stages
from nerf_operator.core.step import soonest

#: So long after its Secret was deleted, a viewer has another one at the latest.
TOKEN_EVERY = timedelta(minutes=2)


@dataclass(frozen=True)
class Shown:
    """What to do for the viewer. wait: seconds until time alone changes that."""

    actions: tuple[Action, ...] = ()
    wait: float | None = None


def decide(found: Situation) -> Shown:
    """Which children the viewer needs, or has too many of."""
    job, observed, now = found.job, found.observed, found.now
    if not found.spec.viewer.enabled:
        return Shown(tuple(children.delete(alive(observed))))
    exclusive = claims.one_node_checkpoints(job, found.spec, observed)
    service = _service(job, observed)
    pods = observed.of(names.COMPONENT_VIEWER)
    unwanted = _stranded(observed) if exclusive else []
    if unwanted:
        return Shown((*children.delete(unwanted), *service))
    removed = children.delete(children.extra(pods))
    slot = replacement.decide(pods, now)
    holder = _holder(observed)
    token = DrawToken(render.token_secret(job, named.viewer(job.name)))
    if slot.current is not None:
        left = _token_lasts(observed, now)
        drawn = [token] if left <= 0 else []
        again = TOKEN_EVERY.total_seconds() if drawn else left
        return Shown((*removed, *service, *drawn), soonest([slot.wait, again]))
    if slot.start is None or not _may_begin(holder, found.at, exclusive):
        return Shown((*removed, *service), slot.wait)
    request = PodRequest(
        image=found.image.run,
        attempt=slot.start,
        component=names.COMPONENT_VIEWER,
        failures=slot.failures,
        rounds=slot.rounds,
        avoid=slot.avoid,
        dataset=found.at.dataset,
    )
    beside = holder.component if exclusive and holder is not None else None
    made = stage_pods.viewer(job, request, beside)
    return Shown((*removed, *service, token, Create(made)))


def alive(observed: Observed) -> list[Pod]:
    """Viewer pods that run."""
    return [pod for pod in observed.of(names.COMPONENT_VIEWER) if pod.alive]


def _token_lasts(observed: Observed, now: datetime) -> float:
    """Seconds until it is time to look after the viewer's token."""
    if observed.token_drawn is None:
        return 0.0
    return (observed.token_drawn + TOKEN_EVERY - now).total_seconds()


def _holder(observed: Observed) -> Pod | None:
    """The pod that writes to the checkpoint volume, or is about to."""
    pods = [*observed.workers(0), *observed.of(names.COMPONENT_EXPORT)]
    return next((pod for pod in reversed(pods) if pod.alive), None)


def _stranded(observed: Observed) -> list[Pod]:
    """Viewers that keep the volume from the pod that is to write to it, or wait for one that has
    ended."""
    holder, shown = _holder(observed), alive(observed)
    if holder is None:
        holders = [*observed.workers(0), *observed.of(names.COMPONENT_EXPORT)]
        ends = [replacement.ended_at(pod) for pod in holders if pod.ended]
        return [p for p in shown if p.node is None and any(p.created <= end for end in ends)]
    if holder.node is None:
        return shown if holder.unschedulable is not None else []
    return [pod for pod in shown if pod.node and pod.node != holder.node]


def _may_begin(holder: Pod | None, at: Stages, exclusive: bool) -> bool:
    """Whether there is something to see, and nobody is waited for who needs the volume first."""
    if holder is not None:
        return holder.ready or (at.training is not None and not exclusive)
    return at.training is not None and (at.exported or not exclusive)


def _service(job: Job, observed: Observed) -> list[Action]:
    found = observed.viewer_service
    if found is None:
        return [Apply(render.viewer_service(job), force=False)]
    changed = dict(found.selector) != render.viewer_selector(job)
    if found.owner == job.uid and not found.deleting and changed:
        return [Apply(render.viewer_service(job), force=True)]
    return []
