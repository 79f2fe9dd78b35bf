"""A pass while a job trains: the places of its workers."""

from nerf_contract import names, reasons
from nerf_contract.v1alpha1 import GivenUpStatus, NeRFJobSpec
from nerf_operator.core import (
    auto,
    children,
    farewell,
    outcome,
    progress,
    replacement,
    size,
    waiting,
)
from nerf_operator.core.actions import Delete
from nerf_operator.core.children import Places
from nerf_operator.core.observed import Observed, Pod
from nerf_operator.core.replacement import Slot
from nerf_operator.core.situation import Situation
from nerf_operator.core.step import Step
from nerf_operator.core.waiting import Waiting


def decide(found: Situation) -> Step:
    """Which workers to make and remove, and whether those that are there train."""
    job, spec, observed, now = found.job, found.spec, found.observed, found.now
    sized = size.decide(job, spec, observed, now)
    reached = progress.step(job.status, observed)
    places = children.places(spec, observed, sized.indices, reached, now)
    current = places.current()
    leaving = [pod for pod in current if farewell.just_finished(pod, now)]
    alive = [pod for pod in current if pod.alive]
    timers = [places.wait_seconds(), waiting.recheck_seconds(alive, now), sized.wait]
    return Step(
        removals=(*children.removals(spec, observed, sized.indices), *_earlier(observed)),
        creations=tuple(children.creations(found, places, reached)),
        starting=_starting(spec, observed, places, sized.given_up),
        obstacle=waiting.explain(job, spec, observed, [*_coordinators(places), *current], now),
        timers=(*timers, *(farewell.pod_left(pod, now) for pod in leaving)),
        probe=_probe(alive),
        ready=sum(1 for pod in alive if pod.ready) + len(leaving),
        alive=len(alive),
        given_up=sized.given_up,
    )


def without_workers(observed: Observed, waits: Waiting) -> Step:
    """A pass over an Auto job that has no GPUs: its pods leave as from a drain."""
    return Step(
        removals=(*children.delete(farewell.of_training(observed)), *_earlier(observed)),
        creations=(),
        starting=waits,
        obstacle=auto.obstacle(waits),
        timers=(),
        probe=None,
    )


def _earlier(observed: Observed) -> list[Delete]:
    """What still fetches photos or finds poses, which are there."""
    stages = (names.COMPONENT_DOWNLOAD, names.COMPONENT_POSES)
    return children.delete(pod for one in stages for pod in observed.of(one) if pod.alive)


def _coordinators(places: Places) -> list[Pod]:
    slot = places.coordinator
    return [slot.current] if slot is not None and slot.current is not None else []


def _starting(
    spec: NeRFJobSpec, observed: Observed, places: Places, given_up: GivenUpStatus | None
) -> Waiting:
    """Why workers are not ready yet, when nothing is wrong."""
    behind = {index: slot for index, slot in places.workers.items() if not _is_ready(slot)}
    again = [
        f"worker {index} starts again: {slot.why}" for index, slot in behind.items() if slot.why
    ]
    meeting = places.coordinator
    if meeting is not None and meeting.why and not _is_ready(meeting):
        again.insert(0, f"the coordinator starts again: {meeting.why}")
    if again:
        text = "; ".join(again[:3])
        spent, limit = outcome.failures(spec, observed), spec.run_policy.backoff_limit
        outlook = replacement.outlook(places.slots(), spent, limit)
        return Waiting(reasons.RESTARTING_WORKERS, f"{text[:1].upper()}{text[1:]}.{outlook}")
    if not behind and given_up is not None:
        return Waiting(reasons.WORKERS_GIVEN_UP, given_up.message)
    if any(slot.current is not None and slot.current.node for slot in behind.values()):
        return Waiting(
            reasons.PODS_STARTING, "Workers pull their image, load the photos and warm up."
        )
    return Waiting(reasons.PODS_PENDING, "Worker pods wait for their nodes.")


def _is_ready(slot: Slot) -> bool:
    return slot.current is not None and (slot.current.ready or slot.current.ended)


def _probe(alive: list[Pod]) -> str | None:
    """Address of the lowest worker that answers."""
    ready = [pod for pod in alive if pod.ready and pod.ip and pod.index is not None]
    return min(ready, key=lambda pod: pod.index or 0).ip if ready else None
