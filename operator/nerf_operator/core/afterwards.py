"""What is left of a job that has ended: its pods, its volume, and at last the job itself."""

from dataclasses import replace
from datetime import datetime

from nerf_contract import names, reasons
from nerf_contract.v1alpha1 import NeRFJobSpec, NeRFJobStatus
from nerf_operator.core import blocking, children, farewell, lifetime, stages, viewer
from nerf_operator.core.actions import DeleteJob, Plan
from nerf_operator.core.image import Image
from nerf_operator.core.observed import Job, Observed, Pod
from nerf_operator.core.outcome import Outcome
from nerf_operator.core.situation import Situation
from nerf_operator.core.step import soonest


def decide(job: Job, observed: Observed, now: datetime, chosen: Image, ended: Outcome) -> Plan:
    """A pass over a job whose status tells of its end."""
    left = lifetime.to_live(job.spec, job.status, now) if job.spec else None
    if job.spec is not None and left is not None and left <= 0:
        released = tuple(children.released(job, job.spec, observed))
        again = blocking.pause(-left)  # That a claim was let go of is seen before the job goes.
        return Plan(released, requeue_after=again) if released else Plan((DeleteJob(job.uid),))
    stopping = stop(job, observed, now, chosen, ended)
    removed = children.delete(_remains(job.spec, observed)) if job.spec else []
    return replace(
        stopping,
        actions=(*stopping.actions, *removed),
        status=_of_this_generation(job),
        requeue_after=soonest([left, stopping.requeue_after, _again(job.status, observed, now)]),
    )


def _again(status: NeRFJobStatus, observed: Observed, now: datetime) -> float | None:
    """Seconds until what was not let be done is tried again."""
    if not observed.refused or status.completion_time is None:
        return None
    return blocking.pause((now - datetime.fromisoformat(status.completion_time)).total_seconds())


def _of_this_generation(job: Job) -> NeRFJobStatus | None:
    """The status as it is, once a later spec was looked at; None where none is to be written."""
    if job.status.observed_generation == job.generation:
        return None
    seen = {"observed_generation": job.generation}
    found = [condition.model_copy(update=seen) for condition in job.status.conditions]
    return job.status.model_copy(update=seen | {"conditions": found})


def stop(job: Job, observed: Observed, now: datetime, chosen: Image, ended: Outcome) -> Plan:
    """Remove what still runs: at once after a failure, else once it had time to finish.

    What has ended stays until the status tells what it had to tell.
    """
    left = farewell.left(observed, now) if ended.succeeded else None
    running = _stopped(job, observed, ended) if left is None else []
    if job.spec is None:
        return Plan(tuple(children.delete([*running, *viewer.alive(observed)])))
    released = children.released(job, job.spec, observed)
    if not ended.succeeded:
        return Plan((*children.delete([*running, *viewer.alive(observed)]), *released))
    at = stages.read(job, job.spec, observed)
    shown = viewer.decide(Situation(job, job.spec, observed, now, chosen, at))
    actions = (*children.delete(running), *released, *shown.actions)
    return Plan(actions, requeue_after=soonest([left, shown.wait]))


def _stopped(job: Job, observed: Observed, ended: Outcome) -> list[Pod]:
    """Pods that run and are stopped: the coordinator always, and by a deadline all, as they would
    never end by themselves."""
    policy = job.spec.run_policy.clean_pod_policy if job.spec else "Running"
    running = farewell.unneeded(observed)
    if policy != "None" or ended.reason == reasons.DEADLINE_EXCEEDED:
        return running
    return [pod for pod in running if pod.component == names.COMPONENT_COORDINATOR]


def _remains(spec: NeRFJobSpec, observed: Observed) -> list[Pod]:
    """Pods that have ended, where none is to be left."""
    if spec.run_policy.clean_pod_policy != "All":
        return []
    pods = (pod for pod in observed.pods if pod.component != names.COMPONENT_VIEWER)
    return [pod for pod in pods if pod.ended and not pod.deleting]
