"""kopf's part: watches feed the cache, every event asks for a pass over its job. No decisions."""

import asyncio
import logging
import random
import ssl
from collections.abc import Iterator
from typing import Any

import kopf

from nerf_contract import names
from nerf_operator import metrics
from nerf_operator.cluster import listening, parse, resync
from nerf_operator.cluster.api import Api
from nerf_operator.cluster.cache import Key
from nerf_operator.cluster.reconcile import Reconciler
from nerf_operator.cluster.vitals import Vitals
from nerf_operator.settings import Settings

log = logging.getLogger(__name__)

RESYNC_SECONDS = 300.0
Body = Any


class Backoffs:
    """Pauses of kopf's own calls while the API server is away: jittered, without end."""

    def __iter__(self) -> Iterator[float]:
        pause = 0.5
        while True:
            yield pause * random.uniform(0.7, 1.3)
            pause = min(5.0, pause * 2)


class NoDiffs(kopf.DiffBaseStorage):
    """kopf compares nothing: `plan` decides by what is, not by what has changed."""

    def build(self, **_: Any) -> kopf.BodyEssence:
        """Nothing to compare."""
        return kopf.BodyEssence()

    def fetch(self, **_: Any) -> kopf.BodyEssence | None:
        """Nothing was stored."""
        return None

    def store(self, **_: Any) -> None:
        """Nothing is stored, so no annotation is written."""


def configure(settings: kopf.OperatorSettings) -> None:
    """kopf as a mere watcher: it writes nothing, and never gives up."""
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.peering.standalone = True
    settings.persistence.diffbase_storage = NoDiffs()
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 330
    settings.watching.connect_timeout = 10
    settings.watching.chunk_size = 500
    settings.networking.request_timeout = 60
    settings.networking.connect_timeout = 10
    settings.networking.error_backoffs = Backoffs()
    # A worker per object is only needed while its event is handled, which takes microseconds.
    # No worker_limit: workers wait for the first lists of all kinds, and would block each other.
    settings.queueing.idle_timeout = 0.2
    managed = resync.MANAGED
    settings.watching.label_selectors["", "v1", "pods"] = managed
    settings.watching.label_selectors["", "v1", "services"] = managed


class Connection(kopf.ConnectionInfo):
    """Credentials that also accept the authorities of clusters as they are.

    Since Python 3.13 a CA must have extensions that RFC 5280 asks for and that the certificates of
    many clusters lack. Signatures, names and dates are verified as before.
    """

    def as_ssl_context(self) -> ssl.SSLContext:
        """A context that verifies the server, without VERIFY_X509_STRICT."""
        context = super().as_ssl_context()
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        return context


def connect(settings: kopf.OperatorSettings) -> kopf.ConnectionInfo:
    """Credentials: of the pod's service account, else of the kubeconfig."""
    for login in (kopf.login_with_service_account, kopf.login_with_kubeconfig):
        info = login(settings=settings)
        if info is not None:
            return Connection(**vars(info))
    raise kopf.LoginError("neither a service account nor a kubeconfig is there; set KUBECONFIG")


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
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to work off the queue and to probe."""
        work = (
            self.reconciler.queue.run(self.settings.workers),
            self.reconciler.prober.run(),
            self.reconciler.sharer.run(),
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
        metrics.queue_depth.set(len(self.reconciler.queue))
        metrics.loop_lag.set(self.vitals.lag())
        oldest: dict[str, float] = {}
        for watch, age in self.vitals.ages().items():
            kind = watch.rsplit("/", 1)[-1]
            oldest[kind] = max(age, oldest.get(kind, 0.0))
        for kind, age in oldest.items():
            metrics.watch_age.labels(kind).set(age)
        for condition, count in self.cache.conditions().items():
            metrics.jobs.labels(condition).set(count)

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

    # --- Watches: `index_*` are called for every object before any event is handled ---------------

    def index_job(self, body: Body, **_: Any) -> None:
        """Keep a NeRFJob."""
        self.cache.put_job(parse.job(body))

    def on_job(self, type: str | None, body: Body, **_: Any) -> None:
        """A NeRFJob came, changed or went."""
        key = _key(body)
        if type == "DELETED":
            self.cache.remove_job(parse.job(body))
            self.reconciler.forget(key)
        self.reconciler.queue.add(key)
        self.reconciler.sharer.notice(key)

    def index_pod(self, body: Body, **_: Any) -> None:
        """Keep a pod of a job."""
        self.cache.pods.put(_job_key(body), parse.pod(body))

    def on_pod(self, type: str | None, body: Body, **_: Any) -> None:
        """A pod came, changed or went."""
        if type == "DELETED":
            meta = body["metadata"]
            self.cache.pods.remove(_job_key(body), meta["name"], meta["uid"])
            self.reconciler.sharer.notice_gpus()
        self.reconciler.queue.add(_job_key(body))

    def index_service(self, body: Body, **_: Any) -> None:
        """Keep a Service of a job."""
        self.cache.services.put(_job_key(body), parse.service(body))

    def on_service(self, type: str | None, body: Body, **_: Any) -> None:
        """A Service came, changed or went."""
        key, meta = _job_key(body), body["metadata"]
        if type == "DELETED":
            self.cache.services.remove(key, meta["name"], meta["uid"])
        self.reconciler.queue.add(key)

    def index_claim(self, body: Body, **_: Any) -> None:
        """Keep a claim, whosever it is: users bring their own."""
        self.cache.claims.put(_key(body), parse.claim(body))

    def on_claim(self, type: str | None, body: Body, **_: Any) -> None:
        """A claim came, changed or went: its users want to know."""
        key = _key(body)
        if type == "DELETED":
            self.cache.claims.remove(key, key.name, body["metadata"]["uid"])
        for job in self.cache.users(key):
            self.reconciler.queue.add(job)

    def index_node(self, body: Body, **_: Any) -> None:
        """Keep a node, for the GPUs that it has."""
        self.cache.nodes.put(_key(body), parse.node(body))

    def on_node(self, type: str | None, body: Body, **_: Any) -> None:
        """A node came, changed or went."""
        key = _key(body)
        if type == "DELETED":
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

    watched = [
        ((names.GROUP, names.VERSION, names.PLURAL), operator.index_job, operator.on_job),
        (("", "v1", "pods"), operator.index_pod, operator.on_pod),
        (("", "v1", "services"), operator.index_service, operator.on_service),
        (("", "v1", "persistentvolumeclaims"), operator.index_claim, operator.on_claim),
    ]
    if not operator.settings.namespaces:
        watched.append((("", "v1", "nodes"), operator.index_node, operator.on_node))
    for resource, index, event in watched:
        _watch(registry, resource, index, event)


def _watch(
    registry: kopf.OperatorRegistry, resource: tuple[str, str, str], index: Any, on: Any
) -> None:
    # The caches are our own; kopf's index handlers come first, and hold all events back until
    # every kind was listed once: no pod is ever missed because its list had not arrived yet.
    async def indexed(**kwargs: Any) -> None:
        index(**kwargs)

    async def happened(**kwargs: Any) -> None:
        on(**kwargs)

    kopf.index(*resource, registry=registry, id=f"index-{resource[2]}")(indexed)
    kopf.on.event(*resource, registry=registry, id=f"on-{resource[2]}")(happened)
