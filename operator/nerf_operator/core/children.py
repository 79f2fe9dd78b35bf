"""Which children to make, replace and remove while a job goes on."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from nerf_contract import children as named
from nerf_contract import names
from nerf_contract.v1alpha1 import NeRFJobSpec
from nerf_operator.core import claims, outcome, render, replacement, training_pods
from nerf_operator.core.actions import Action, Apply, Create, Delete, DrawToken, Event, Release
from nerf_operator.core.observed import Job, Observed, Pod, Service
from nerf_operator.core.pod import PodRequest
from nerf_operator.core.replacement import Slot
from nerf_operator.core.situation import Situation


@dataclass(frozen=True)
class Places:
    """The place of every worker, by index, and of the coordinator if the job is elastic."""

    workers: Mapping[int, Slot]
    coordinator: Slot | None

    def slots(self) -> list[Slot]:
        """All places."""
        return [*self.workers.values(), *([self.coordinator] if self.coordinator else [])]

    def current(self) -> list[Pod]:
        """Worker pods that run, will run or have finished."""
        return [slot.current for slot in self.workers.values() if slot.current is not None]

    def wait_seconds(self) -> float | None:
        """Seconds until the next attempt of any place is due."""
        return min((s.wait for s in self.slots() if s.wait is not None), default=None)


def places(
    spec: NeRFJobSpec, observed: Observed, indices: Sequence[int], step: int, now: datetime
) -> Places:
    """What the place of each of these workers has, or gets next.

    step: what the training has reached; where it goes on without a worker, that is not its merit.
    """
    alone = None if spec.workers.elastic else step
    writer = replacement.decide(observed.workers(0), now, alone, outcome.finished)
    workers = {0: writer} | {i: _place(observed, i, writer, now, alone) for i in indices if i}
    coordinators = observed.of(names.COMPONENT_COORDINATOR)
    elastic = spec.workers.elastic
    return Places(workers, replacement.decide(coordinators, now) if elastic else None)


def _place(observed: Observed, index: int, writer: Slot, now: datetime, step: int | None) -> Slot:
    slot = replacement.decide(observed.workers(index), now, step, outcome.finished)
    done = slot.current
    if done is not None and done.phase == "Succeeded" and _left_behind(writer, done):
        return Slot(start=done.attempt + 1, failures=slot.failures, why=replacement.why(done))
    return slot


def _left_behind(writer: Slot, done: Pod) -> bool:
    """Whether the writer starts anew after this worker had finished, and needs it again."""
    if writer.current is None:
        return writer.start is not None
    return writer.current.created > replacement.ended_at(done)


def volumes(
    job: Job, spec: NeRFJobSpec, observed: Observed, creations: Iterable[Action]
) -> list[Action]:
    """The Service and the claims, where they are missing or were changed.

    creations: of the same pass; a new host of the coordinator is what the Service leads to.
    """
    return [*_service(job, spec, observed, creations), *_claims(job, spec, observed)]


def _service(
    job: Job, spec: NeRFJobSpec, observed: Observed, creations: Iterable[Action]
) -> list[Action]:
    elastic = spec.workers.elastic
    hosts = observed.of(names.COMPONENT_COORDINATOR) if elastic else observed.workers(0)
    made = [one.pod["metadata"]["labels"] for one in creations if isinstance(one, Create)]
    new = [int(a[names.LABEL_ATTEMPT]) for a in made if names.LABEL_COORDINATOR in a]
    found = observed.service
    attempt = max([*(pod.attempt for pod in hosts), *new], default=_led_to(found))
    if found is None:
        return [Apply(render.service(job, attempt), force=False)]
    ours = found.owner == job.uid and not found.deleting
    if ours and dict(found.selector) != render.coordinator_selector(job, attempt):
        return [Apply(render.service(job, attempt), force=True)]
    return []


def _led_to(service: Service | None) -> int:
    """The attempt of the pod that it leads to: after the training there is no other to go by."""
    text = service.selector.get(names.LABEL_ATTEMPT, "") if service else ""
    return int(text) if text.isdecimal() else 0


def _claims(job: Job, spec: NeRFJobSpec, observed: Observed) -> list[Action]:
    wanted = []
    if claims.wants_dataset(spec):
        wanted.append(render.dataset_claim(job))
    if claims.wants_own(spec):
        wanted.append(render.checkpoint_claim(job))
    missing = [claim for claim in wanted if claim["metadata"]["name"] not in observed.claims]
    return [*(Apply(claim, force=False) for claim in missing), *released(job, spec, observed)]


def released(job: Job, spec: NeRFJobSpec, observed: Observed) -> list[Action]:
    """The checkpoint claim, where it is to outlive the job and does not yet."""
    found = observed.claims.get(claims.checkpoint_claim(job, spec))
    retained = spec.checkpoint.volume.retention_policy == "Retain" and claims.wants_own(spec)
    if not retained or found is None or found.owner != job.uid:
        return []
    return [Release(found.name, found.uid)]


def creations(found: Situation, places: Places, step: int) -> list[Action]:
    """Pods to create now, the coordinator's and the lowest index first, after their token.

    step: what the training has reached.
    """
    made: list[Action] = []
    if places.coordinator is not None and places.coordinator.start is not None:
        made.append(_coordinator(found, places.coordinator, places.coordinator.start))
    for index, slot in places.workers.items():
        if slot.start is not None:
            made.append(_worker(found, index, slot, slot.start, step))
    job = found.job
    token = DrawToken(render.token_secret(job, named.group_token(job.name, job.uid)))
    return [token, *made] if made else []


def _coordinator(found: Situation, slot: Slot, attempt: int) -> Create:
    request = PodRequest(
        image=found.image.run,
        attempt=attempt,
        component=names.COMPONENT_COORDINATOR,
        rounds=slot.rounds,
        avoid=slot.avoid,
    )
    told = _replaced("The coordinator", request, slot)
    return Create(training_pods.coordinator(found.job, request), told)


def _worker(found: Situation, index: int, slot: Slot, attempt: int, step: int) -> Create:
    request = PodRequest(
        image=found.image.run,
        attempt=attempt,
        index=index,
        failures=slot.failures,
        rounds=slot.rounds,
        step=step,
        avoid=slot.avoid,
        together=claims.together(found.job, found.spec, found.observed),
        read_only_claim=claims.read_only(found.job, found.spec, found.observed),
        dataset=found.at.dataset,
    )
    told = _replaced(f"Worker {index}", request, slot)
    return Create(training_pods.worker(found.job, request), told)


def _replaced(who: str, request: PodRequest, slot: Slot) -> Event | None:
    if slot.why is None:
        return None
    reason = "CoordinatorReplaced" if request.index is None else "WorkerReplaced"
    told = f"{who} gets attempt {request.attempt}: {slot.why}.{replacement.elsewhere(slot)}"
    return Event(reason, told, warning=True)


def removals(spec: NeRFJobSpec, observed: Observed, indices: Sequence[int]) -> list[Delete]:
    """Pods that are not wanted: of other workers than these, and what `extra` finds of each."""
    found: list[Pod] = []
    for index in {p.index for p in observed.pods if p.index is not None}:
        pods = observed.workers(index)
        unwanted = index not in indices
        found += [p for p in pods if not p.deleting] if unwanted else extra(pods)
    coordinators = observed.of(names.COMPONENT_COORDINATOR)
    found += (
        extra(coordinators) if spec.workers.elastic else [p for p in coordinators if not p.deleting]
    )
    return delete(found)


def extra(pods: tuple[Pod, ...]) -> list[Pod]:
    """Old pods that have ended, and all but the newest where two of one place are ever alive."""
    return [*replacement.surplus(pods), *[p for p in pods if p.alive][:-1]]


def delete(pods: Iterable[Pod]) -> list[Delete]:
    """Actions that delete these pods where they are still there, in a stable order."""
    there = (pod for pod in pods if not pod.gone)
    return [Delete(p.name, p.uid) for p in sorted(there, key=lambda p: p.name)]
