"""The decision of one pass: what is observed in, what to do out. Pure."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from nerf_contract import names, reasons
from nerf_contract.v1alpha1 import NeRFJobSpec
from nerf_operator.core import (
    children,
    claims,
    events,
    image,
    outcome,
    replacement,
    status,
    waiting,
)
from nerf_operator.core.actions import NOTHING, Action, Create, Plan
from nerf_operator.core.children import Places
from nerf_operator.core.conditions import Facts
from nerf_operator.core.observed import Job, Observed, Pod
from nerf_operator.core.outcome import Outcome
from nerf_operator.core.replacement import Slot
from nerf_operator.core.status import Tally
from nerf_operator.core.waiting import Waiting

#: After the writer has finished, the others get this long to end by themselves.
FAREWELL = timedelta(seconds=20)
#: A name that something else holds may become free, a quota may be raised.
RETRY_SECONDS = 5.0


@dataclass(frozen=True)
class Defaults:
    """What the operator was installed with."""

    image: str


def plan(job: Job, observed: Observed, now: datetime, defaults: Defaults) -> Plan:
    """What to do for `job` at `now`. Acting on it twice does no harm."""
    if job.deleting:
        return NOTHING
    ended = outcome.recorded(job.status)
    if ended is not None:
        return _after_the_end(job, observed, now, ended)
    if job.spec is None:
        return _invalid(job, observed, now)
    ended = outcome.decide(job.spec, observed)
    if ended is not None:
        return _the_end(job, job.spec, observed, now, defaults, ended)
    return _go_on(job, job.spec, observed, now, defaults)


def _go_on(
    job: Job, spec: NeRFJobSpec, observed: Observed, now: datetime, defaults: Defaults
) -> Plan:
    chosen = image.choose(job, observed, defaults.image)
    places = children.places(spec, observed, now)
    blocked = _refused(observed) or _taken(job, observed) or claims.problem(job, spec, observed)
    actions: list[Action] = list(children.removals(spec, observed))
    if blocked is None:
        actions += children.volumes(job, spec, observed)
        actions += children.creations(job, spec, observed, places, chosen.run)
    current = places.current()
    leaving = [pod for pod in current if _just_finished(pod, now)]
    facts = Facts(
        wanted=spec.workers.replicas,
        fewest=spec.workers.fewest,
        ready=sum(1 for pod in current if pod.ready and pod.alive) + len(leaving),
        starting=_starting(places),
        obstacle=blocked or waiting.explain(spec, observed, current, now),
    )
    alive = [pod for pod in current if pod.alive]
    created = sum(1 for a in actions if isinstance(a, Create) and _is_worker(a))
    tally = Tally(len(alive) + created, outcome.failures(spec, observed), chosen.shown)
    new = status.build(job, observed, facts, tally, now)
    timers = [places.wait_seconds(), waiting.recheck_seconds(alive, now)]
    timers += [_farewell_left(pod, now) for pod in leaving]
    if blocked is not None and (observed.taken or observed.refused):
        timers.append(RETRY_SECONDS)
    return _finish(
        job, observed, now, Plan(tuple(actions), new, (), _soonest(timers), _probe(alive))
    )


def _is_worker(action: Create) -> bool:
    return names.LABEL_INDEX in action.pod["metadata"]["labels"]


def _just_finished(pod: Pod, now: datetime) -> bool:
    """Workers end one after the other; that the first has ended interrupts nothing."""
    return outcome.finished(pod) and _farewell_left(pod, now) > 0


def _farewell_left(pod: Pod, now: datetime) -> float:
    return (replacement.ended_at(pod) + FAREWELL - now).total_seconds()


def _refused(observed: Observed) -> Waiting | None:
    """A child that a quota, a policy or a webhook does not admit."""
    if not observed.refused:
        return None
    return Waiting(
        reasons.REJECTED,
        f"The API server does not admit a child of this job: {observed.refused[:800]} The operator "
        "keeps trying: have the quota or policy changed, or create the job again with other "
        "spec.workers.resources.",
    )


def _taken(job: Job, observed: Observed) -> Waiting | None:
    """A child's name that belongs to someone else, or to a deleted job of the same name."""
    foreign = set(observed.taken)
    if observed.service is not None and observed.service.owner != job.uid:
        foreign.add(observed.service.name)
    if not foreign:
        return None
    return Waiting(
        reasons.NAME_TAKEN,
        f"Objects that this job needs exist already and belong to something else: "
        f"{', '.join(sorted(foreign))}. Delete them, or give the job another name.",
    )


def _starting(places: Places) -> Waiting:
    """Why workers are not ready yet, when nothing is wrong."""
    slots = places.workers
    behind = {index: slot for index, slot in slots.items() if not _is_ready(slot)}
    again = [(index, slot.why) for index, slot in behind.items() if slot.why]
    if again:
        text = "; ".join(f"worker {index} starts again: {why}" for index, why in again[:3])
        return Waiting(reasons.RESTARTING_WORKERS, f"{text[:1].upper()}{text[1:]}.")
    if any(slot.current is not None and slot.current.node for slot in behind.values()):
        return Waiting(
            reasons.PODS_STARTING, "Workers pull their image, load the photos and warm up."
        )
    return Waiting(reasons.PODS_PENDING, "Worker pods wait for their nodes.")


def _is_ready(slot: Slot) -> bool:
    return slot.current is not None and (slot.current.ready or slot.current.phase == "Succeeded")


def _probe(alive: list[Pod]) -> str | None:
    """Address of the lowest worker that answers."""
    ready = [pod for pod in alive if pod.ready and pod.ip and pod.index is not None]
    return min(ready, key=lambda pod: pod.index or 0).ip if ready else None


def _the_end(
    job: Job,
    spec: NeRFJobSpec,
    observed: Observed,
    now: datetime,
    defaults: Defaults,
    ended: Outcome,
) -> Plan:
    """The pass in which a job ends; what is left of it is removed by later ones."""
    shown = image.choose(job, observed, defaults.image).shown
    facts = Facts(spec.workers.replicas, spec.workers.fewest, 0, _NO_WAIT, outcome=ended)
    tally = Tally(0, outcome.replaced(spec, observed), shown)
    new = status.build(job, observed, facts, tally, now)
    cleanup = _after_the_end(job, observed, now, ended)
    return _finish(job, observed, now, replace(cleanup, status=new))


_NO_WAIT = Waiting(reasons.UP_TO_DATE, "")


def _after_the_end(job: Job, observed: Observed, now: datetime, ended: Outcome) -> Plan:
    """Remove what still runs: at once after a failure, else once it had time to finish."""
    running = [pod for pod in observed.pods if pod.alive]
    writer = [pod for pod in observed.workers(0) if pod.phase == "Succeeded"]
    if ended.succeeded and writer and any(pod.index is not None for pod in running):
        left = _farewell_left(writer[-1], now)
        if left > 0:
            return Plan(requeue_after=left)
    return Plan(actions=tuple(children.delete(running)))


def _invalid(job: Job, observed: Observed, now: datetime) -> Plan:
    """A spec that the models reject: say so, and leave what runs alone, as it was last wanted."""
    wanted = job.status.workers.wanted if job.status.workers else 0
    obstacle = Waiting(reasons.INVALID_SPEC, job.error)
    ready = sum(1 for pod in observed.pods if pod.ready and pod.index is not None)
    facts = Facts(wanted, max(1, wanted), ready, obstacle, obstacle, halted=True)
    alive = sum(1 for pod in observed.pods if pod.alive and pod.index is not None)
    tally = Tally(alive, job.status.restarts, job.status.image)
    new = status.build(job, observed, facts, tally, now)
    return _finish(job, observed, now, Plan(status=new))


def _finish(job: Job, observed: Observed, now: datetime, draft: Plan) -> Plan:
    """Drop a status that tells nothing new or is not due yet; derive the events of one that is."""
    new = draft.status
    if new is None or new == job.status:
        return replace(draft, status=None)
    left = status.postponed(job.status, new, observed, now)
    if left is not None:
        return replace(draft, status=None, requeue_after=_soonest([draft.requeue_after, left]))
    return replace(draft, events=events.derive(job.status, new))


def _soonest(timers: list[float | None]) -> float | None:
    return min((timer for timer in timers if timer is not None), default=None)
