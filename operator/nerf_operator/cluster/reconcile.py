"""One pass over one job: snapshot, plan, apply, one status write, events."""

import logging
import random
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from time import perf_counter

from nerf_contract import children
from nerf_contract.v1alpha1 import NeRFJobStatus
from nerf_operator import metrics
from nerf_operator.cluster import snapshot
from nerf_operator.cluster.announce import Announcer
from nerf_operator.cluster.api import Api
from nerf_operator.cluster.apply import Applier
from nerf_operator.cluster.cache import Cache, Key
from nerf_operator.cluster.probe import Prober
from nerf_operator.cluster.queue import KeyedQueue
from nerf_operator.cluster.refusals import ApiError
from nerf_operator.cluster.sharing import Sharer
from nerf_operator.cluster.snapshot import Memory
from nerf_operator.core import auto
from nerf_operator.core.actions import Action, DrawToken, Event, Fence, Plan
from nerf_operator.core.observed import Job, Observed
from nerf_operator.core.pending import waited
from nerf_operator.core.plan import Defaults, plan
from nerf_operator.core.step import soonest

log = logging.getLogger(__name__)

#: How long the first word on a job may wait for its pods' own, where other jobs wait for theirs.
CROWD_SECONDS = 1.0
#: In which a watch mostly tells of what a write found to have changed.
CHANGED_SECONDS = 1.0


class Reconciler:
    """Brings jobs to what their specs ask for, a pass at a time."""

    def __init__(
        self,
        cache: Cache,
        api: Api,
        defaults: Defaults,
        whole_cluster: bool = True,
    ) -> None:
        self.cache = cache
        self.queue: KeyedQueue[Key] = KeyedQueue(self.reconcile)
        self.prober = Prober(self.queue.add)
        self.now = api.clock.now
        self.sharer = Sharer(cache, api, self.queue.add, self.now, whole_cluster)
        self.announcer = Announcer(api)
        self._applier = Applier(api, cache, self.announcer)
        self._defaults = defaults
        self._memory: dict[Key, Memory] = {}

    async def reconcile(self, key: Key) -> None:
        """One pass. Raises where the API server does not do as asked; the queue tries again."""
        started, result = perf_counter(), "error"
        try:
            await self._pass(key)
            result = "ok"
        finally:
            metrics.reconcile_seconds.labels(result).observe(perf_counter() - started)

    async def _pass(self, key: Key) -> None:
        job = self.cache.jobs.get(key)
        if job is None:
            self.forget(key)  # A pass that was under way when it went may have remembered it.
            return
        if job.spec is not None and job.spec.run_policy.suspend:
            self.cache.lost.forget(key)  # It goes on with a fresh budget.
        now = self.now()
        memory = self._memory.setdefault(key, self._first_memory(now))
        told, decided = self.prober.progress(key), self.sharer.allocation(job)
        observed = snapshot.observe(self.cache, job, told, decided, memory)
        await self._carry_out(job, observed, plan(job, observed, now, self._defaults), now)

    async def _carry_out(self, job: Job, observed: Observed, decided: Plan, now: datetime) -> None:
        try:
            taken = await self._applier.prepare(job, decided.actions)
            self._remember(job, **_without_trace(job, decided.actions, now))
            if not taken:
                await self._applier.create_pods(job, decided.actions, now)
            hindered = replace(observed, taken=taken)
        except ApiError as error:
            if not error.refused:
                raise
            hindered = replace(observed, refused=str(error))
        if hindered != observed:
            decided = plan(job, hindered, now, self._defaults)
            decided = replace(decided, actions=())
        key = Key(job.namespace, job.name)
        if self._is_gone(job):
            self.forget(key)
            return
        self.prober.aim(key, decided.probe)
        # What a pod has to tell as soon as it is ready goes into the write that tells so.
        awaited = soonest([self.prober.first_answer(key), self._first_word(job, decided, now)])
        if decided.status is not None and awaited is None:
            await self._write(job, decided.status, decided.events, now)
        again = soonest([decided.requeue_after, awaited])
        if again is not None:
            self.queue.add(key, again)

    def _is_gone(self, job: Job) -> bool:
        """Whether that was told while the pass was under way; another may have its name by now."""
        known = self.cache.jobs.get(Key(job.namespace, job.name))
        return known is None or known.uid != job.uid

    def _first_word(self, job: Job, decided: Plan, now: datetime) -> float | None:
        """Seconds for which the first status of a job may wait, if it may.

        In a crowd pods come first: what they have to tell a moment later goes into the same write.
        """
        seen = self._memory.get(Key(job.namespace, job.name), Memory()).seen
        pending = decided.status is not None and decided.status.phase == "Pending"
        if job.status.phase is not None or seen is None or not (pending and len(self.queue)):
            return None
        left = CROWD_SECONDS - (now - seen).total_seconds()
        return min(left, CROWD_SECONDS) if left > 0 else None  # A clock may be put back.

    async def _write(
        self, job: Job, status: NeRFJobStatus, events: Iterable[Event], now: datetime
    ) -> None:
        if not await self._write_status(job, status):
            return
        self._remember(job, status_written=now)
        self.announcer.tell(job, events, now)
        _count_change(job, status, now)
        key = Key(job.namespace, job.name)
        if self.cache.jobs.get(key) is not job:
            # What stands in the status now may allow the next step; its echo is no news.
            self.sharer.notice(key)
            self.queue.add(key)

    def _first_memory(self, now: datetime) -> Memory:
        """Another process may just have told of the job: not all of them are told of at once."""
        ago = random.uniform(0, snapshot.status_interval(self.cache))
        return Memory(seen=now, status_written=now - timedelta(seconds=ago))

    async def _write_status(self, job: Job, status: NeRFJobStatus) -> bool:
        """False where the job is gone or has changed meanwhile, of which its watch will tell."""
        try:
            return await self._applier.write_status(job, status)
        except ApiError as error:
            if error.code != 409:
                raise
            self.queue.add(Key(job.namespace, job.name), CHANGED_SECONDS)
            return False

    def forget(self, key: Key) -> None:
        """The job is gone; what was learnt of it must not be told of the next of its name."""
        self.prober.forget(key)
        self.cache.lost.forget(key)
        self._memory.pop(key, None)

    def _remember(self, job: Job, **done: datetime) -> None:
        key = Key(job.namespace, job.name)
        self._memory[key] = replace(self._memory.get(key, Memory()), **done)


def _without_trace(job: Job, actions: Iterable[Action], now: datetime) -> dict[str, datetime]:
    """What was made that this process may not read: see `Memory`."""
    made = {}
    if any(_is_viewers_token(job, action) for action in actions):
        made["token_drawn"] = now
    if any(isinstance(action, Fence) for action in actions):
        made["fenced"] = now
    return made


def _is_viewers_token(job: Job, action: Action) -> bool:
    viewer = children.viewer(job.name)
    return isinstance(action, DrawToken) and action.secret["metadata"]["name"] == viewer


def _count_change(job: Job, new: NeRFJobStatus, now: datetime) -> None:
    found = auto.resized(job.status, new)
    if found is not None:
        metrics.allocation_changes.labels(found.reason).inc()
    seconds = waited(job.status, new, now)
    if seconds is not None:
        metrics.job_start.observe(seconds)
