"""One immutable view of everything that concerns a job."""

from dataclasses import dataclass
from datetime import datetime

from nerf_contract import children
from nerf_contract.progress import Progress, StageProgress, Told
from nerf_operator.allocation.model import Allocation
from nerf_operator.cluster.cache import Cache, Key
from nerf_operator.core import claims
from nerf_operator.core.observed import Job, Observed

#: Status writes a second, over all jobs, that only tell of progress.
PROGRESS_WRITES_PER_SECOND = 15


@dataclass(frozen=True)
class Memory:
    """When this process last did for a job what leaves no trace that it may read.

    seen: when it first had a pass over the job.
    """

    seen: datetime | None = None
    status_written: datetime | None = None
    token_drawn: datetime | None = None
    fenced: datetime | None = None


def observe(
    cache: Cache, job: Job, told: Told | None, decided: Allocation | None, memory: Memory
) -> Observed:
    """The snapshot of `job`. Pods of a deleted job of the same name are not among its own."""
    key = Key(job.namespace, job.name)
    pods = (*cache.pods.group(key), *cache.lost.of(key))
    services = {service.name: service for service in cache.services.group(key)}
    named = (cache.claims.get(Key(job.namespace, name)) for name in claims.names_of(job))
    return Observed(
        pods=tuple(pod for pod in pods if pod.owner == job.uid),
        service=services.get(job.name),
        viewer_service=services.get(children.viewer(job.name)),
        claims={claim.name: claim for claim in named if claim is not None},
        progress=told if isinstance(told, Progress) else None,
        stage_progress=told if isinstance(told, StageProgress) else None,
        allocation=decided,
        token_drawn=memory.token_drawn,
        fenced=memory.fenced is not None,
        status_written=memory.status_written,
        status_interval=status_interval(cache),
    )


def status_interval(cache: Cache) -> float:
    """Fewest seconds between two status writes of one job that only tell of progress."""
    return max(2.0, len(cache.jobs) / PROGRESS_WRITES_PER_SECOND)
