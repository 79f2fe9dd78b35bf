"""kopf's part: watches feed the cache, every event asks for a pass over its job. No decisions."""

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Any

import kopf

from nerf_contract import names
from nerf_operator.cluster import gauges, listening, parse, resync
from nerf_operator.cluster.api import Api
from nerf_operator.cluster.cache import Key
from nerf_operator.cluster.reconcile import Reconciler
from nerf_operator.cluster.vitals import Vitals
from nerf_operator.kopf_config import connect
from nerf_operator.settings import Settings

log = logging.getLogger(__name__)

RESYNC_SECONDS = 300.0
Body = Any


class Operator:
    """The parts of a running operator, wired together."""

    def __init__(
        self, settings: Settings, reconciler: Reconciler, api: Api, vitals: Vitals
    ) -> None:
        self.settings = settings
        self.vitals = vitals
        self.reconciler = reconciler
        self.api = api
        self.cache = reconciler.cache
        self.listed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to work off the queue and to probe."""
        work = (
            self._reconcile(),
            self.reconciler.prober.run(),
            self._share(),
            self._resync(),
        )
        self._tasks = [asyncio.create_task(part) for part in work]

    async def stop(self) -> None:
        """End everything."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.reconciler.announcer.close()
        await self.api.close()

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
        await self.listed.wait()
        await self._read_clock()
        await self.reconciler.queue.run(self.settings.workers)

    async def _read_clock(self) -> None:
        """Before the first pass; from then on each answer tells."""
        try:
            await self.api.read_clock()
        except Exception as error:
            log.warning("the API server does not tell its clock yet: %s", error)

    async def _share(self) -> None:
        await self.listed.wait()
        await self.reconciler.sharer.run()

    async def _resync(self) -> None:
        while True:
            await asyncio.sleep(RESYNC_SECONDS * random.uniform(0.9, 1.1))
            try:
                await self._remove_ghosts()
                self.vitals.answered()
            except Exception as error:
                log.warning("resync: %s; the next one is in %.0f s", error, RESYNC_SECONDS)

    async def _remove_ghosts(self) -> None:
        namespaces = self.settings.namespaces
        for key in await resync.remove_ghosts(self.cache, self.api, namespaces):
            if self.cache.jobs.get(key) is None:
                self.reconciler.forget(key)
            self.reconciler.queue.add(key)
            self.reconciler.sharer.notice(key)

    # --- Watches. What the cache knows already, as the echo of our own write, is no news. ---------

    def see_job(self, body: Body) -> None:
        """A NeRFJob is there, or has changed."""
        key = _key(body)
        known = self.cache.jobs.get(key)
        if known is not None and known.version == body["metadata"]["resourceVersion"]:
            return
        if self.cache.put_job(parse.job(body, known)):
            self.reconciler.queue.add(key)
            self.reconciler.sharer.notice(key)

    def lose_job(self, body: Body) -> None:
        """A NeRFJob is gone."""
        key = _key(body)
        self.cache.remove_job(parse.job(body))
        self.reconciler.forget(key)
        self.reconciler.queue.add(key)
        self.reconciler.sharer.notice(key)

    def see_pod(self, body: Body) -> None:
        """A pod of a job is there, or has changed."""
        key = _job_key(body)
        if self.cache.pods.put(key, parse.pod(body)):
            self.reconciler.queue.add(key)

    def lose_pod(self, body: Body) -> None:
        """A pod of a job is gone."""
        key, meta = _job_key(body), body["metadata"]
        self.cache.lose_pod(key, meta["name"], meta["uid"])
        self.reconciler.queue.add(key)
        self.reconciler.sharer.notice_gpus()

    def see_service(self, body: Body) -> None:
        """A Service of a job is there, or has changed."""
        key = _job_key(body)
        if self.cache.services.put(key, parse.service(body)):
            self.reconciler.queue.add(key)

    def lose_service(self, body: Body) -> None:
        """A Service of a job is gone."""
        key, meta = _job_key(body), body["metadata"]
        self.cache.services.remove(key, meta["name"], meta["uid"])
        self.reconciler.queue.add(key)

    def see_claim(self, body: Body) -> None:
        """A claim is there, or has changed, whosever it is: users bring their own."""
        key = _key(body)
        if self.cache.claims.put(key, parse.claim(body)):
            self._ask_users(key)

    def lose_claim(self, body: Body) -> None:
        """A claim is gone."""
        key = _key(body)
        self.cache.claims.remove(key, key.name, body["metadata"]["uid"])
        self._ask_users(key)

    def _ask_users(self, claim: Key) -> None:
        for job in self.cache.users(claim):
            self.reconciler.queue.add(job)

    def see_node(self, body: Body) -> None:
        """A node is there, or has changed: it may have GPUs."""
        if self.cache.nodes.put(_key(body), parse.node(body)):
            self.reconciler.sharer.notice_gpus()

    def lose_node(self, body: Body) -> None:
        """A node is gone."""
        key = _key(body)
        self.cache.nodes.remove(key, key.name, body["metadata"]["uid"])
        self.reconciler.sharer.notice_gpus()


def _key(body: Body) -> Key:
    return Key(body["metadata"].get("namespace", ""), body["metadata"]["name"])


def _job_key(body: Body) -> Key:
    meta = body["metadata"]
    return Key(meta["namespace"], meta.get("labels", {}).get(names.LABEL_JOB, ""))


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
        return listening.listen(connect(settings), operator.vitals.heard)

    jobs = (names.GROUP, names.VERSION, names.PLURAL)
    _watch(registry, operator, jobs, operator.see_job, operator.lose_job)
    core = [
        ("pods", operator.see_pod, operator.lose_pod),
        ("services", operator.see_service, operator.lose_service),
        ("persistentvolumeclaims", operator.see_claim, operator.lose_claim),
    ]
    if not operator.settings.namespaces:
        core.append(("nodes", operator.see_node, operator.lose_node))
    for plural, see, lose in core:
        _watch(registry, operator, ("", "v1", plural), see, lose)


def _watch(
    registry: kopf.OperatorRegistry,
    operator: Operator,
    resource: tuple[str, str, str],
    see: Callable[[Body], None],
    lose: Callable[[Body], None],
) -> None:
    # The caches are our own. kopf's index handlers get all but deletions, and come first: event
    # handlers are held back until every kind was listed once. So the first of them says that no
    # pod can be missed because its list had not arrived yet, and passes may begin.
    async def there(body: Body, **_: Any) -> None:
        see(body)

    async def happened(type: str | None, body: Body, **_: Any) -> None:
        operator.listed.set()
        if type == "DELETED":
            lose(body)

    def matters(type: str | None, **_: Any) -> bool:
        return type == "DELETED" or not operator.listed.is_set()

    kopf.index(*resource, registry=registry, id=f"index-{resource[2]}")(there)
    kopf.on.event(*resource, registry=registry, id=f"on-{resource[2]}", when=matters)(happened)
