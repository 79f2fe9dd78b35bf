"""What watches tell goes into the cache; what is news there asks for a pass over its job.

What the cache knows already, as the echo of our own write, is no news.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from nerf_contract import names
from nerf_operator.cluster import parse, resync
from nerf_operator.cluster.cache import Key
from nerf_operator.cluster.client import Client
from nerf_operator.cluster.reconcile import Reconciler
from nerf_operator.cluster.vitals import Vitals
from nerf_operator.cluster.watching import Watch

#: Who deletes a job deletes its pods next, and the news of a job may come after that of its pods.
LOSS_SECONDS = 0.1
#: A dict, or one of kopf's own mappings.
Body = Any
Tell = Callable[[Body], None]


class Feed:
    """Takes objects as the API server tells of them."""

    def __init__(self, reconciler: Reconciler) -> None:
        self._cache = reconciler.cache
        self._reconciler = reconciler
        self._add = reconciler.queue.add
        self._sharer = reconciler.sharer

    def see_job(self, body: Body) -> None:
        """A NeRFJob is there, or has changed."""
        key = _key(body)
        known = self._cache.jobs.get(key)
        if known is not None and known.version == body["metadata"]["resourceVersion"]:
            return
        if not self._cache.put_job(parse.job(body, known)):
            return
        if known is not None and known.uid != body["metadata"]["uid"]:
            self._reconciler.forget(key)  # Nobody said that the one before it is gone.
        self._add(key)
        self._sharer.notice(key)

    def lose_job(self, body: Body) -> None:
        """A NeRFJob is gone."""
        key = _key(body)
        if not self._cache.remove_job(key, body["metadata"]["uid"]):
            return
        self._reconciler.forget(key)
        self._add(key)
        self._sharer.notice(key)

    def see_pod(self, body: Body) -> None:
        """A pod of a job is there, or has changed."""
        key = _job_key(body)
        if self._cache.pods.put(key, parse.pod(body)):
            self._add(key)

    def lose_pod(self, body: Body) -> None:
        """A pod of a job is gone."""
        key, meta = _job_key(body), body["metadata"]
        self._cache.lose_pod(key, meta["name"], meta["uid"])
        self._add(key, LOSS_SECONDS)
        self._sharer.notice_gpus()

    def see_service(self, body: Body) -> None:
        """A Service of a job is there, or has changed."""
        key = _job_key(body)
        if self._cache.services.put(key, parse.service(body)):
            self._add(key)

    def lose_service(self, body: Body) -> None:
        """A Service of a job is gone."""
        key, meta = _job_key(body), body["metadata"]
        self._cache.services.remove(key, meta["name"], meta["uid"])
        self._add(key)

    def see_claim(self, body: Body) -> None:
        """A claim is there, or has changed, whosever it is: users bring their own."""
        key = _key(body)
        if self._cache.claims.put(key, parse.claim(body)):
            self._ask_users(key)

    def lose_claim(self, body: Body) -> None:
        """A claim is gone."""
        key = _key(body)
        self._cache.claims.remove(key, key.name, body["metadata"]["uid"])
        self._ask_users(key)

    def _ask_users(self, claim: Key) -> None:
        for job in self._cache.users(claim):
            self._add(job)

    def see_node(self, body: Body) -> None:
        """A node is there, or has changed: it may have GPUs."""
        if self._cache.nodes.put(_key(body), parse.node(body)):
            self._sharer.notice_gpus()

    def lose_node(self, body: Body) -> None:
        """A node is gone."""
        key = _key(body)
        self._cache.nodes.remove(key, key.name, body["metadata"]["uid"])
        self._sharer.notice_gpus()

    def watches(
        self,
        client: Client,
        namespaces: Sequence[str],
        vitals: Vitals,
        relisted: Callable[[], None],
    ) -> Iterator[Watch]:
        """Of all kinds but the NeRFJobs, in these namespaces or, if there are none, everywhere."""
        told: dict[str, tuple[Tell, Tell]] = {
            "pods": (self.see_pod, self.lose_pod),
            "services": (self.see_service, self.lose_service),
            "persistentvolumeclaims": (self.see_claim, self.lose_claim),
            "nodes": (self.see_node, self.lose_node),
        }
        for kind in resync.kinds(self._cache):
            if kind.plural in told:
                for path in kind.paths(namespaces):
                    tell = told[kind.plural]
                    yield Watch(client, path, kind.selector, *tell, vitals.heard, relisted)


def _key(body: Body) -> Key:
    return Key(body["metadata"].get("namespace", ""), body["metadata"]["name"])


def _job_key(body: Body) -> Key:
    meta = body["metadata"]
    return Key(meta["namespace"], meta.get("labels", {}).get(names.LABEL_JOB, ""))
