"""A pass while a job fetches photos, finds poses, or exports its scene: one pod, which is replaced
until it has finished."""

from collections.abc import Callable
from dataclasses import dataclass

from nerf_contract import names, reasons
from nerf_contract.v1alpha1 import NeRFJobSpec, StageStatus
from nerf_operator.core import (
    children,
    claims,
    farewell,
    progress,
    replacement,
    stage_pods,
    waiting,
)
from nerf_operator.core.actions import Create, Delete, Event, Object
from nerf_operator.core.observed import Job, Observed
from nerf_operator.core.pod import PodRequest
from nerf_operator.core.replacement import Slot
from nerf_operator.core.situation import Situation
from nerf_operator.core.stages import Stages
from nerf_operator.core.step import Step
from nerf_operator.core.waiting import Waiting


@dataclass(frozen=True)
class _Kind:
    component: str
    make: Callable[[Job, PodRequest], Object]
    starting: Waiting


_KINDS = {
    "download": _Kind(
        names.COMPONENT_DOWNLOAD,
        stage_pods.download,
        Waiting(reasons.PREPARING, "The archive with the photos is fetched."),
    ),
    "poses": _Kind(
        names.COMPONENT_POSES,
        stage_pods.poses,
        Waiting(reasons.PREPARING, "The photos are read and the poses of their cameras found."),
    ),
    "export": _Kind(
        names.COMPONENT_EXPORT,
        stage_pods.export,
        Waiting(reasons.EXPORTING, "The training has finished; its outputs are being made."),
    ),
}


def decide(found: Situation) -> Step:
    """Whether to make the pod of the stage, and what it is at."""
    observed, now = found.observed, found.now
    kind = _KINDS[found.at.current]
    slot = replacement.decide(observed.of(kind.component), now)
    alive = [slot.current] if slot.current is not None and slot.current.alive else []
    ready = [pod for pod in alive if pod.ready and pod.ip]
    left = farewell.left(observed, now)
    return Step(
        removals=(*_removals(observed, kind.component), *_farewells(observed, left)),
        creations=tuple(_creations(found, slot)),
        starting=_starting(kind, slot, found.spec),
        obstacle=waiting.explain(found.job, found.spec, observed, alive, now),
        timers=(slot.wait, waiting.recheck_seconds(alive, now), left),
        probe=ready[0].ip if ready else None,
    )


def _starting(kind: _Kind, slot: Slot, spec: NeRFJobSpec) -> Waiting:
    """The stage, and that its pod failed before, where it did."""
    if slot.why is None:
        return kind.starting
    outlook = replacement.outlook([slot], slot.failures, spec.run_policy.backoff_limit)
    text = f"{kind.starting.message} The stage starts again: {slot.why}.{outlook}"
    return Waiting(kind.starting.reason, text)


def _removals(observed: Observed, component: str) -> list[Delete]:
    return children.delete(children.extra(observed.of(component)))


def _farewells(observed: Observed, left: float | None) -> list[Delete]:
    """Workers that have not ended, though the training has and they were given time."""
    return [] if left is not None else children.delete(farewell.of_training(observed))


def _creations(found: Situation, slot: Slot) -> list[Create]:
    if slot.start is None:
        return []
    kind = _KINDS[found.at.current]
    request = PodRequest(
        image=found.image.run,
        attempt=slot.start,
        component=kind.component,
        failures=slot.failures,
        rounds=slot.rounds,
        avoid=slot.avoid,
        together=claims.together(found.job, found.spec, found.observed),
        read_only_claim=claims.read_only(found.job, found.spec, found.observed),
        dataset=found.at.dataset,
        archive_networks=found.archive_networks,
    )
    return [Create(kind.make(found.job, request), _again(found.at, slot))]


def _again(at: Stages, slot: Slot) -> Event | None:
    if slot.why is None:
        return None
    told = f"The {at.current} stage starts again: {slot.why}.{replacement.elsewhere(slot)}"
    return Event("StageRestarted", told, True)


def summarize(observed: Observed, at: Stages) -> StageStatus | None:
    """What the stage tells of itself; None while the job trains, or before it has told."""
    told = observed.stage_progress
    if told is None or told.stage != at.current:
        return None
    return StageStatus(
        name=told.stage,
        activity=told.activity,
        percent=max(0, min(100, int(100 * told.done))),
        eta=None if told.eta_seconds is None else progress.duration(told.eta_seconds),
    )
