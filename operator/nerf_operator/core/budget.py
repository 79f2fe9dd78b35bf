"""The PodDisruptionBudget of a job's workers, for those who ask for one.

It may never hold up the drain of a node for ever where the job is elastic: there one worker more
may always go once all others train, or once one of them has found no place for a while.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from nerf_contract import children
from nerf_operator.core import auto, render, size
from nerf_operator.core.actions import Object, Protect
from nerf_operator.core.observed import Job, Pod
from nerf_operator.core.situation import Situation
from nerf_operator.core.step import soonest

#: How long a drain waits for a worker to train elsewhere.
PATIENCE = timedelta(minutes=5)


@dataclass(frozen=True)
class Kept:
    """What to do for the budget. wait: seconds until time alone changes that."""

    actions: tuple[Protect, ...] = ()
    wait: float | None = None


def decide(found: Situation) -> Kept:
    """The budget, where it is missing, or the fewest workers that a drain must leave have changed.

    Outside of training there is nothing that it would hold: it stays until the job is deleted.
    """
    asked = found.spec.workers.disruption_budget
    if asked is None or found.at.current != "training" or auto.waits(found.job) is not None:
        return Kept()
    indices = size.decide(found.job, found.spec, found.observed, found.now).indices
    alive = [pod for i in indices for pod in found.observed.workers(i) if pod.alive]
    ages = [found.now - pod.created for pod in alive if not pod.ready]
    least = asked.min_available
    least = found.spec.workers.fewest if least is None else least
    if found.spec.workers.elastic:
        least = min(least, _most(indices, alive, hopeless=any(age >= PATIENCE for age in ages)))
    least = max(0, min(least, len(indices)))
    wait = soonest((PATIENCE - age).total_seconds() for age in ages if age < PATIENCE)
    told = () if found.observed.budget == least else (Protect(budget(found.job, least)),)
    return Kept(told, wait if found.spec.workers.elastic else None)


def _most(indices: Sequence[int], alive: Sequence[Pod], hopeless: bool) -> int:
    """The most that may be kept, so that one may go."""
    there = sum(1 for pod in alive if pod.ready) if hopeless else len(indices)
    return there - 1


def budget(job: Job, least: int) -> Object:
    """The budget of a job. least: so many workers train on, whoever wants to evict them."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": render.metadata(job, children.budget(job.name, job.uid)),
        "spec": {
            "minAvailable": least,
            "selector": {"matchLabels": render.worker_labels(job.name)},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }
