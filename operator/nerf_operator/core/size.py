"""How many workers a job has now: those that no node takes are given up, and tried again later."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from nerf_contract.v1alpha1 import GivenUpStatus, NeRFJobSpec
from nerf_operator.core import indices, waiting
from nerf_operator.core.moment import rfc3339
from nerf_operator.core.observed import Job, Observed, Pod
from nerf_operator.core.step import soonest

#: How long an elastic job that trains waits for nodes for the rest of its workers.
NODE_PATIENCE = timedelta(minutes=5)
_PAUSE, _LONGEST_PAUSE = timedelta(minutes=10), timedelta(hours=1)


@dataclass(frozen=True)
class Size:
    """indices: of the workers that the job has now, ascending; 0, the writer, is always there.

    given_up: the others, if there are any or have been. wait: seconds until time alone changes it.
    """

    indices: tuple[int, ...]
    given_up: GivenUpStatus | None = None
    wait: float | None = None


def decide(job: Job, spec: NeRFJobSpec, observed: Observed, now: datetime) -> Size:
    """The size at `now`: what the spec asks for, less what no node takes."""
    if not spec.workers.elastic:
        return Size(indices.choose(spec, observed))
    known = _known(job, spec)
    without = known.workers if known and now < datetime.fromisoformat(known.until) else 0
    chosen = indices.choose(spec, observed, without)
    pending = _pending(observed, chosen)
    if _in_vain(spec, observed, chosen, pending, now):
        # These and no others: a place that waits for its next attempt has to remember its failures.
        left = tuple(i for i in chosen if i not in {pod.index for pod in pending})
        new = _give_up(job, spec, observed, pending, len(left), known, now)
        return Size(left, new, _wait([], new, now))
    given_up = _still_given_up(observed, chosen, known, without)
    return Size(chosen, given_up, _wait(pending, given_up, now))


def pause(times: int) -> timedelta:
    """Until the next try, after so many in vain: 10, 20, 40, 60 minutes."""
    return min(_LONGEST_PAUSE, _PAUSE * (1 << min(times - 1, 10)))


def _still_given_up(
    observed: Observed, chosen: Sequence[int], known: GivenUpStatus | None, without: int
) -> GivenUpStatus | None:
    if known is None or without:
        return known
    return None if _all_on_nodes(observed, chosen) else known.model_copy(update={"workers": 0})


def _known(job: Job, spec: NeRFJobSpec) -> GivenUpStatus | None:
    """What was given up under this spec and size: whatever changes in it is worth a new try."""
    told = job.status.workers
    same = job.status.observed_generation == job.generation
    if told is None or not same or told.wanted != spec.workers.wanted:
        return None
    return told.given_up


def _pending(observed: Observed, chosen: Sequence[int]) -> list[Pod]:
    """Workers without a node; for the writer the job waits."""
    pods = [pod for index in chosen if index for pod in observed.workers(index)]
    return [pod for pod in pods if pod.alive and pod.node is None]


def _in_vain(
    spec: NeRFJobSpec,
    observed: Observed,
    chosen: Sequence[int],
    pending: Sequence[Pod],
    now: datetime,
) -> bool:
    """Whether one has waited for too long, though others train. All ask for the same of a node."""
    ready = sum(1 for i in chosen for pod in observed.workers(i) if pod.alive and pod.ready)
    waited = max((now - pod.created for pod in pending), default=timedelta())
    return ready >= spec.workers.fewest and waited >= NODE_PATIENCE


def _give_up(
    job: Job,
    spec: NeRFJobSpec,
    observed: Observed,
    pending: Sequence[Pod],
    left: int,
    known: GivenUpStatus | None,
    now: datetime,
) -> GivenUpStatus:
    times = (known.times if known else 0) + 1
    until = rfc3339(now + pause(times))
    why = waiting.explain(job, spec, observed, pending, now)
    cause = why.message if why else "No node took the others."
    wanted = spec.workers.wanted
    return GivenUpStatus(
        workers=wanted - left,
        times=times,
        until=until,
        message=f"Training goes on with {left} of {wanted} workers. {cause} The others "
        f"are tried again at {until}, or when the spec changes.",
    )


def _all_on_nodes(observed: Observed, chosen: Sequence[int]) -> bool:
    return all(any(p.node and not p.deleting for p in observed.workers(i)) for i in chosen)


def _wait(pending: Sequence[Pod], given_up: GivenUpStatus | None, now: datetime) -> float | None:
    ends = [pod.created + NODE_PATIENCE for pod in pending]
    if given_up is not None:
        ends.append(datetime.fromisoformat(given_up.until))
    return soonest((end - now).total_seconds() for end in ends if end > now)
