"""The decision of one pass: what is observed in, what to do out. Pure."""

from dataclasses import dataclass, replace
from datetime import datetime

from nerf_contract import names, reasons
from nerf_contract.v1alpha1 import GivenUpStatus, NeRFJobSpec
from nerf_operator.core import (
    afterwards,
    auto,
    blocking,
    children,
    events,
    image,
    lifetime,
    network,
    outcome,
    progress,
    resumption,
    stage,
    stages,
    status,
    training,
    viewer,
)
from nerf_operator.core.actions import NOTHING, Action, Create, Plan
from nerf_operator.core.conditions import Facts
from nerf_operator.core.network import Network
from nerf_operator.core.observed import Job, Observed
from nerf_operator.core.outcome import Outcome
from nerf_operator.core.situation import Situation
from nerf_operator.core.stages import Stages
from nerf_operator.core.status import Tally
from nerf_operator.core.step import Step, soonest
from nerf_operator.core.waiting import Waiting


@dataclass(frozen=True)
class Defaults:
    """What the operator was installed with.

    network: who may reach jobs; None lets everyone. archive_networks: private networks, as CIDRs,
    that archives may be fetched from.
    """

    image: str
    network: Network | None = None
    archive_networks: tuple[str, ...] = ()


def plan(job: Job, observed: Observed, now: datetime, defaults: Defaults) -> Plan:
    """What to do for `job` at `now`. Acting on it twice does no harm."""
    if job.deleting:
        return NOTHING
    known = resumption.afresh(job.status, observed, now)
    decided = _decide(auto.sized(job), known, now, defaults)
    return network.fenced(decided, job, observed, defaults.network, defaults.archive_networks)


def _decide(job: Job, observed: Observed, now: datetime, defaults: Defaults) -> Plan:
    chosen = image.choose(job, observed, defaults.image)
    ended = outcome.recorded(job.status)
    if ended is not None:
        return afterwards.decide(job, observed, now, chosen, ended)
    if job.spec is None:
        return _invalid(job, observed, now)
    at = stages.read(job, job.spec, observed)
    ended = stages.end(job.spec, observed, at)
    overdue = lifetime.overdue(job.spec, job.status, now) if ended is None else None
    if overdue is not None:
        at, ended = stages.out_of_time(at, overdue)
    found = Situation(job, job.spec, observed, now, chosen, at, defaults.archive_networks)
    if ended is not None:
        return _the_end(found, ended)
    if job.spec.run_policy.suspend:
        return _suspended(found)
    return _go_on(found)


def _go_on(found: Situation) -> Plan:
    job, spec, observed, at = found.job, found.spec, found.observed, found.at
    blocked = blocking.find(job, spec, observed)
    step = _step(found)
    actions: list[Action] = list(step.removals)
    if blocked is None:
        actions += children.volumes(job, spec, observed, step.creations)
        actions += step.creations
    else:
        actions += children.released(job, spec, observed)
    workers = sum(1 for action in actions if isinstance(action, Create) and _is_worker(action))
    shown = viewer.decide(found)
    actions += shown.actions if blocked is None else ()
    facts = replace(
        _facts(spec, at),
        ready=step.ready,
        starting=step.starting,
        obstacle=blocked or step.obstacle,
        unsaved=progress.unsaved(observed.progress) if at.current == "training" else None,
    )
    tally = _tally(found, step.alive + workers, step.given_up)
    if step.ready < spec.workers.fewest and at.training is None:
        tally = replace(tally, progress=None)  # Told together with Running, not ahead of it.
    new = status.build(job, observed, facts, tally, found.now)
    timers = [*step.timers, shown.wait, lifetime.deadline_left(spec, job.status, found.now)]
    if blocked is not None and (observed.taken or observed.refused):
        timers.append(blocking.retry_seconds(job, found.now))
    draft = Plan(tuple(actions), new, (), soonest(timers), step.probe)
    return _finish(job, observed, found.now, draft)


def _step(found: Situation) -> Step:
    if found.at.current != "training":
        return stage.decide(found)
    waits = auto.waits(found.job)
    if waits is not None:
        return training.without_workers(found.observed, waits)
    return training.decide(found)


def _is_worker(action: Create) -> bool:
    return names.LABEL_INDEX in action.pod["metadata"]["labels"]


def _facts(spec: NeRFJobSpec, at: Stages) -> Facts:
    """What is so while there are no pods that anyone waits for."""
    return Facts(
        wanted=auto.wanted(spec, at),
        fewest=spec.workers.fewest,
        ready=0,
        starting=_NO_WAIT,
        poses=at.poses,
        trained=at.trained,
        outputs=at.outputs,
    )


_NO_WAIT = Waiting(reasons.UP_TO_DATE, "")


def _tally(found: Situation, replicas: int = 0, given_up: GivenUpStatus | None = None) -> Tally:
    spec, observed, at, old = found.spec, found.observed, found.at, found.job.status
    failed = outcome.failures(spec, observed)
    return Tally(
        replicas=replicas,
        restarts=failed if at.training is None else outcome.replaced(spec, observed),
        image=found.image.shown,
        dataset=at.dataset or old.dataset,
        stage=stage.summarize(observed, at),
        outputs=at.made or old.outputs,
        progress=at.training.progress if at.training else observed.progress,
        given_up=given_up,
    )


def _the_end(found: Situation, ended: Outcome) -> Plan:
    """The pass in which a job ends; what is left of it is removed by later ones."""
    job, observed, now = found.job, found.observed, found.now
    facts = replace(_facts(found.spec, found.at), outcome=ended)
    tally = replace(
        _tally(found),
        restarts=outcome.replaced(found.spec, observed),
        stage=None,
        progress=ended.progress,
    )
    new = status.build(job, observed, facts, tally, now)
    cleanup = afterwards.stop(job, observed, now, found.image, ended)
    return _finish(job, observed, now, replace(cleanup, status=new))


def _suspended(found: Situation) -> Plan:
    """All pods go; one that finished may be the only one to know of it until that is written."""
    job, observed, now = found.job, found.observed, found.now
    there = [pod for pod in observed.pods if not stages.done(pod)]
    facts = replace(_facts(found.spec, found.at), suspended=True, leaving=len(there))
    new = status.build(job, observed, facts, _tally(found), now)
    gone = children.delete(pod for pod in there if not pod.deleting)
    actions = (*gone, *children.released(job, found.spec, observed))
    return _finish(job, observed, now, Plan(actions, new))


def _invalid(job: Job, observed: Observed, now: datetime) -> Plan:
    """A spec that the models reject: say so, and leave what runs alone, as it was last wanted."""
    wanted = job.status.workers.wanted if job.status.workers else 0
    obstacle = Waiting(reasons.INVALID_SPEC, job.error)
    ready = sum(1 for pod in observed.pods if pod.ready and pod.index is not None)
    facts = Facts(wanted, max(1, wanted), ready, obstacle, obstacle, halted=True)
    alive = sum(1 for pod in observed.pods if pod.alive and pod.index is not None)
    old = job.status
    tally = Tally(
        *(alive, old.restarts, old.image, old.dataset, old.stage, old.outputs),
        progress=observed.progress,
    )
    new = status.build(job, observed, facts, tally, now)
    return _finish(job, observed, now, Plan(status=new))


def _finish(job: Job, observed: Observed, now: datetime, draft: Plan) -> Plan:
    """Drop a status that tells nothing new or is not due yet; derive the events of one that is."""
    new = draft.status
    if new is None or new == job.status:
        return replace(draft, status=None)
    left = status.postponed(job.status, new, observed, now)
    if left is not None:
        return replace(draft, status=None, requeue_after=soonest([draft.requeue_after, left]))
    processes = job.spec.workers.processes if job.spec else 1
    return replace(draft, events=events.derive(job.status, new, processes))
