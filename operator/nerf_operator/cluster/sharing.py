"""Sharing the GPUs of the cluster among Auto jobs: one decision over all of them at a time."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from nerf_contract import names, reasons
from nerf_operator import metrics
from nerf_operator.allocation import model
from nerf_operator.allocation.allocate import allocate
from nerf_operator.allocation.model import Allocation, Capacity, Tuning
from nerf_operator.cluster.api import Api
from nerf_operator.cluster.cache import Cache, Key
from nerf_operator.cluster.queue import describe
from nerf_operator.core import auto, gpus
from nerf_operator.core.observed import Job, Pod

log = logging.getLogger(__name__)

#: Between two decisions at least, and at most while there are Auto jobs.
PAUSE_SECONDS, TIMER_SECONDS = 2.0, 10.0
#: No watch tells of the pods of others: they are listed so often, while there are Auto jobs.
OTHERS_EVERY = timedelta(seconds=30)
_UNKNOWN = (
    "The operator was installed for some namespaces only, and may not read nodes: it does not know "
    "how many GPUs there are. Install it for all namespaces, or set scaling.policy to Fixed while "
    "runPolicy.suspend is true."
)


class Sharer:
    """Decides, and wakes the jobs whose size it changes; their passes write it down and act."""

    def __init__(
        self,
        cache: Cache,
        api: Api,
        wake: Callable[[Key], None],
        clock: Callable[[], datetime],
        whole_cluster: bool,
    ) -> None:
        self._cache, self._api, self._wake, self._clock = cache, api, wake, clock
        self._whole_cluster = whole_cluster
        self._tuning = Tuning()
        self._seen: dict[Key, object] = {}
        self._decided: dict[str, Allocation] = {}
        self._foreign: Mapping[str, int] = {}
        self._listed: datetime | None = None
        self._due = asyncio.Event()

    def allocation(self, job: Job) -> Allocation | None:
        """What was last decided for a job, if anything was."""
        return self._decided.get(job.uid)

    def notice(self, key: Key) -> None:
        """A job came, changed or went. Its progress alone is no reason to decide anew."""
        now = _concern(self._cache.jobs.get(key))
        if now == self._seen.get(key):
            return
        self._due.set()
        if now is None:
            del self._seen[key]
        else:
            self._seen[key] = now

    def notice_gpus(self) -> None:
        """A node came, changed or went, or a pod is gone."""
        if self._seen:
            self._due.set()

    async def run(self) -> None:
        """Decide until cancelled."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._due.wait(), TIMER_SECONDS)
            self._due.clear()
            try:
                await self.share()
            except Exception as error:
                log.warning("GPUs are not shared anew: %s", describe(error))
            await asyncio.sleep(PAUSE_SECONDS)

    async def share(self) -> None:
        """Decide once. Not to be called before all that the cluster has was listed once."""
        if not self._seen:
            _tell({}, [], 0)
            self._listed = None
            return
        if self._whole_cluster:
            await self._look_at_others()
        jobs = [job for _, job in self._cache.jobs.items() if auto.competes(job)]
        with metrics.allocation_seconds.time():
            found = self._decide(jobs) if self._whole_cluster else _nothing_known(jobs)
        self._decided = {job.uid: found[job.uid] for job in jobs if job.uid in found}
        for job in jobs:
            if _is_news(job, found.get(job.uid)):
                self._wake(Key(job.namespace, job.name))

    def _decide(self, jobs: Sequence[Job]) -> dict[str, Allocation]:
        asked = {job.uid: auto.request(job, self._tuning.least_cost) for job in jobs}
        requests = list(asked.values())
        capacity = self._capacity(jobs, requests)
        found = allocate(requests, capacity, self._clock().timestamp(), self._tuning)
        _tell(found, requests, capacity.total)
        now = gpus.after_releases(requests, found, capacity.total)
        return {uid: now[one.name] for uid, one in asked.items() if one.name in now}

    def _capacity(self, jobs: Sequence[Job], requests: Sequence[model.Job]) -> Capacity:
        nodes = (node for _, node in self._cache.nodes.items())
        ours = [pod for _, pod in self._cache.pods.items() if pod.gpus]
        found = gpus.capacity(nodes, self._foreign, ours, self._workers(jobs))
        kept = sum(job.min * job.gpus_per_worker for job in requests if job.workers)
        return gpus.for_outputs(ours, found, kept)

    def _workers(self, jobs: Sequence[Job]) -> list[Pod]:
        owned = [
            (job, pod)
            for job in jobs
            for pod in self._cache.pods.group(Key(job.namespace, job.name))
        ]
        worker = names.COMPONENT_WORKER
        return [pod for job, pod in owned if pod.owner == job.uid and pod.component == worker]

    async def _look_at_others(self) -> None:
        now = self._clock()
        if self._listed is not None and now - self._listed < OTHERS_EVERY:
            return
        self._foreign = await self._api.foreign_gpus()
        self._listed = now


def _concern(job: Job | None) -> object:
    """What of an Auto job matters to the others; None for another job, or none."""
    if job is None or job.spec is None or not job.spec.auto:
        return None
    known = job.status.allocation
    return job.uid, job.generation, auto.competes(job), known and known.workers


def _is_news(job: Job, found: Allocation | None) -> bool:
    known = job.status.allocation
    if found is None or known is None:
        return False
    return (found.workers, found.reason) != (known.workers, known.reason)


def _nothing_known(jobs: Sequence[Job]) -> dict[str, Allocation]:
    """Jobs keep what they have."""
    sizes = {job.uid: job.status.allocation.workers if job.status.allocation else 0 for job in jobs}
    return {uid: Allocation(n, reasons.CAPACITY_UNKNOWN, _UNKNOWN, n) for uid, n in sizes.items()}


def _tell(found: Mapping[str, Allocation], jobs: Sequence[model.Job], total: int) -> None:
    """Gauges of what was decided."""
    sizes = {job.name: found[job.name].workers for job in jobs}
    given = sum(sizes[job.name] * job.gpus_per_worker for job in jobs)
    training = sum(1 for workers in sizes.values() if workers)
    metrics.allocation_gpus.labels("total").set(total)
    metrics.allocation_gpus.labels("allocated").set(given)
    metrics.allocation_jobs.labels("training").set(training)
    metrics.allocation_jobs.labels("waiting").set(len(sizes) - training)
