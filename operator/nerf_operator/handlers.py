"""The running operator, and kopf's part in it: it tells of NeRFJobs. No decisions."""

import asyncio
import logging
import random
from contextlib import suppress
from typing import Any

import kopf

from nerf_contract import names
from nerf_operator.cluster import gauges, listening, resync
from nerf_operator.cluster.api import Api
from nerf_operator.cluster.client import Client
from nerf_operator.cluster.feed import Feed
from nerf_operator.cluster.joblists import JobLists
from nerf_operator.cluster.reconcile import Reconciler
from nerf_operator.cluster.vitals import Vitals
from nerf_operator.kopf_config import connect
from nerf_operator.settings import Settings

log = logging.getLogger(__name__)

RESYNC_SECONDS = 300.0
#: After one that failed.
RETRY_SECONDS = 10.0


class Operator:
    """The parts of a running operator, wired together. watching: asks what never ends."""

    def __init__(
        self, settings: Settings, reconciler: Reconciler, api: Api, watching: Client, vitals: Vitals
    ) -> None:
        self.settings = settings
        self.vitals = vitals
        self.reconciler = reconciler
        self.api = api
        self.cache = reconciler.cache
        self.feed = Feed(reconciler)
        self._watching = watching
        self._missed = asyncio.Event()
        self.job_lists = JobLists(
            len(settings.namespaces) or 1, self.feed.see_job, vitals.heard, self._missed.set
        )
        self._watches = list(
            self.feed.watches(watching, settings.namespaces, vitals, self._missed.set)
        )
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to work off the queue and to probe."""
        work = (
            self._reconcile(),
            self.reconciler.prober.run(),
            self._share(),
            self._resync(),
            *(watch.run() for watch in self._watches),
        )
        self._tasks = [asyncio.create_task(part) for part in work]

    async def stop(self) -> None:
        """End everything."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.reconciler.announcer.close()
        await self.api.close()
        await self._watching.close()

    def problem(self) -> str | None:
        """What makes a restart worth while: one of our tasks has ended."""
        ended = [task for task in self._tasks if task.done()]
        return f"{len(ended)} background tasks have ended" if ended else self.vitals.problem()

    def measure(self) -> None:
        """Set the gauges of what is watched and known."""
        gauges.tell_vitals(self.vitals, len(self.reconciler.queue))
        gauges.tell_jobs(self.cache, self.reconciler.now())
        gauges.tell_gpus(self.cache, whole_cluster=not self.settings.namespaces)

    async def _reconcile(self) -> None:
        await self._listed()
        await self._read_clock()
        await self.reconciler.queue.run(self.settings.workers)

    async def _read_clock(self) -> None:
        """Before the first pass; from then on each answer tells."""
        try:
            await self.api.read_clock()
        except Exception as error:
            log.warning("the API server does not tell its clock yet: %s", error)

    async def _share(self) -> None:
        await self._listed()
        await self.reconciler.sharer.run()

    async def _listed(self) -> None:
        """Until everything was listed once: what is there already must not be made anew."""
        await self.job_lists.complete.wait()
        for watch in self._watches:
            await watch.listed.wait()

    async def _resync(self) -> None:
        while True:
            with suppress(TimeoutError):
                seconds = RESYNC_SECONDS * random.uniform(0.9, 1.1)
                await asyncio.wait_for(self._missed.wait(), seconds)
            self._missed.clear()
            try:
                await self._remove_ghosts()
                self.vitals.answered()
            except Exception as error:
                log.warning("resync: %s; the next one is in %.0f s", error, RETRY_SECONDS)
                await asyncio.sleep(RETRY_SECONDS)
                self._missed.set()

    async def _remove_ghosts(self) -> None:
        namespaces = self.settings.namespaces
        for key in await resync.remove_ghosts(self.cache, self.api, namespaces):
            if self.cache.jobs.get(key) is None:
                self.reconciler.forget(key)
            self.reconciler.queue.add(key)
            self.reconciler.sharer.notice(key)


def register(operator: Operator, registry: kopf.OperatorRegistry) -> None:
    """Tell kopf what to watch, and whom to tell."""

    @kopf.on.startup(registry=registry)
    async def start(settings: kopf.OperatorSettings, **_: Any) -> None:
        await operator.start()

    @kopf.on.cleanup(registry=registry)
    async def stop(**_: Any) -> None:
        await operator.stop()

    @kopf.on.login(registry=registry)
    async def login(settings: kopf.OperatorSettings, **_: Any) -> kopf.AiohttpSession:
        return listening.listen(connect(settings), operator.vitals.heard, operator.job_lists)

    async def happened(type: str | None, body: kopf.Body, **_: Any) -> None:
        if type == "DELETED":
            operator.feed.lose_job(body)
        else:
            operator.feed.see_job(body)

    # The cache is our own, so kopf has no index; and it is told of changes only, see `JobLists`.
    kopf.on.event(names.GROUP, names.VERSION, names.PLURAL, registry=registry)(happened)
