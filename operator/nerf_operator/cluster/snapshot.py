"""One immutable view of everything that concerns a job."""

from datetime import datetime

from nerf_contract.progress import Progress
from nerf_operator.cluster.cache import Cache, Key
from nerf_operator.core import claims
from nerf_operator.core.observed import Job, Observed

#: Status writes a second, over all jobs, that only tell of progress.
PROGRESS_WRITES_PER_SECOND = 15


def observe(
    cache: Cache, job: Job, progress: Progress | None, status_written: datetime | None
) -> Observed:
    """The snapshot of `job`. Pods of a deleted job of the same name are not among its own."""
    key = Key(job.namespace, job.name)
    named = (cache.claims.get(Key(job.namespace, name)) for name in claims.names_of(job))
    return Observed(
        pods=tuple(pod for pod in cache.pods.group(key) if pod.owner == job.uid),
        service=cache.services.get(key),
        claims={claim.name: claim for claim in named if claim is not None},
        progress=progress,
        status_written=status_written,
        status_interval=max(2.0, len(cache.jobs) / PROGRESS_WRITES_PER_SECOND),
    )
