"""The few calls that change the cluster: asynchronous, pooled, counted."""

import json
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import kopf

from nerf_contract import names
from nerf_operator import metrics
from nerf_operator.cluster import parse, refusals
from nerf_operator.cluster.clock import ServerClock
from nerf_operator.cluster.refusals import ApiError, NotLeadingError
from nerf_operator.core.observed import Job

Object = dict[str, Any]
log = logging.getLogger(__name__)

#: What the calls below, and the watches, need: (API group, resource) -> verbs.
PERMISSIONS: dict[tuple[str, str], frozenset[str]] = {
    (names.GROUP, names.PLURAL): frozenset({"list", "watch", "delete"}),
    (names.GROUP, f"{names.PLURAL}/status"): frozenset({"update"}),
    ("", "pods"): frozenset({"list", "watch", "create", "delete"}),
    ("", "nodes"): frozenset({"list", "watch"}),
    ("", "services"): frozenset({"list", "watch", "create", "patch"}),
    ("", "persistentvolumeclaims"): frozenset({"list", "watch", "create", "patch"}),
    # The token of a viewer: drawn, and never read.
    ("", "secrets"): frozenset({"create"}),
    ("", "events"): frozenset({"create"}),
}

#: What fencing jobs in needs, where the administrator wants that.
FENCE_PERMISSIONS: dict[tuple[str, str], frozenset[str]] = {
    ("networking.k8s.io", "networkpolicies"): frozenset({"create"}),
}

#: What an election needs, in the operator's own namespace.
LEASE_PERMISSIONS: dict[tuple[str, str], frozenset[str]] = {
    ("coordination.k8s.io", "leases"): frozenset({"get", "create", "patch"}),
}

_TIMEOUT = aiohttp.ClientTimeout(total=15)
#: A watch is told something every minute: a bookmark if nothing else.
_WATCH_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=70)
_CONNECTIONS = 32
_JSON = "application/json"
_MERGE_PATCH = "application/merge-patch+json"
_STRATEGIC_PATCH = "application/strategic-merge-patch+json"
_APPLY_PATCH = "application/apply-patch+yaml"
_METADATA_ONLY = {"Accept": "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"}
_METADATA_LIST = {"Accept": "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"}
_MANAGER = {"fieldManager": names.FIELD_MANAGER}
#: Of 2 to 3 kB each: a page is in memory as a whole.
_METADATA_PAGE = "500"
#: Pods of others that hold what they ask for, in pages that are small in memory.
_OF_OTHERS = {
    "labelSelector": f"{names.LABEL_MANAGED_BY}!={names.FIELD_MANAGER}",
    "fieldSelector": "spec.nodeName!=,status.phase!=Succeeded,status.phase!=Failed",
    "limit": "250",
}
_CORE_PLURALS = {"Service": "services", "PersistentVolumeClaim": "persistentvolumeclaims"}


class Api:
    """Calls as the user whom `connect` logs in; a rejected token is read anew, once a call.

    may_write: asked before each call that changes something. A no raises NotLeadingError.
    connections: at a time; 0 for as many as there are calls, as of watches, which do not end.
    """

    def __init__(
        self,
        connect: Callable[[], kopf.ConnectionInfo],
        may_write: Callable[[], bool] = lambda: True,
        connections: int = _CONNECTIONS,
    ) -> None:
        self._connect = connect
        self._may_write = may_write
        self._connections = connections
        self.clock = ServerClock()
        self._server = ""
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def read_clock(self) -> None:
        """Ask for what everybody may read, so that `clock` is right."""
        await self._call("GET", "get", "/version", None, _JSON, {})

    async def create_pod(self, namespace: str, pod: Object) -> Object | None:
        """The pod as created, or None where one of that name exists."""
        return await self._create(f"/api/v1/namespaces/{namespace}/pods", pod)

    async def create_child(self, namespace: str, obj: Object) -> Object | None:
        """The Service or claim as created, or None where one of that name exists."""
        return await self._create(_core_path(namespace, obj), obj)

    async def create_secret(self, namespace: str, secret: Object) -> None:
        """A Secret, unless one of that name exists."""
        await self._create(f"/api/v1/namespaces/{namespace}/secrets", secret)

    async def create_policy(self, namespace: str, policy: Object) -> None:
        """A NetworkPolicy, unless one of that name exists."""
        path = f"/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies"
        await self._create(path, policy)

    async def _create(self, path: str, obj: Object) -> Object | None:
        try:
            return await self._call("POST", "create", path, obj, _JSON, _MANAGER)
        except ApiError as error:
            if not error.exists:
                raise
            return None

    async def delete_pod(self, namespace: str, name: str, uid: str) -> Object | None:
        """The pod while it ends, or None where it is gone or another one has its name."""
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}}
        path = f"/api/v1/namespaces/{namespace}/pods/{name}"
        try:
            answer = await self._call("DELETE", "delete", path, body, _JSON, {})
        except ApiError as error:
            if not error.gone:
                raise
            return None
        # One without a version was deleted by someone else at the same moment.
        ends = answer.get("kind") == "Pod" and "resourceVersion" in answer["metadata"]
        return answer if ends else None

    async def delete_job(self, namespace: str, name: str, uid: str) -> None:
        """Delete a NeRFJob, unless it is gone or another one has its name."""
        path = f"/apis/{names.API_VERSION}/namespaces/{namespace}/{names.PLURAL}/{name}"
        body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": uid},
            "propagationPolicy": "Background",
        }
        try:
            await self._call("DELETE", "delete", path, body, _JSON, {})
        except ApiError as error:
            if not error.gone:
                raise

    async def apply(self, namespace: str, obj: Object, force: bool) -> Object | None:
        """Server-side apply of a Service or claim; None on a conflict with another manager."""
        path = _core_path(namespace, obj)
        query = _MANAGER | ({"force": "true"} if force else {})
        name = obj["metadata"]["name"]
        try:
            return await self._call("PATCH", "apply", f"{path}/{name}", obj, _APPLY_PATCH, query)
        except ApiError as error:
            if not error.owned:
                raise
            return None

    async def release_claim(self, namespace: str, name: str, uid: str, owner: str) -> Object | None:
        """The claim without this owner, or None where it is gone or another one has its name.

        Nothing else of it is sent: its size, for one, is its user's to change.
        """
        path = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/{name}"
        body = {"metadata": {"uid": uid, "ownerReferences": [{"$patch": "delete", "uid": owner}]}}
        try:
            return await self._call("PATCH", "patch", path, body, _STRATEGIC_PATCH, _MANAGER)
        except ApiError as error:
            if not error.gone:
                raise
            return None

    async def replace_status(self, job: Job, status: Object) -> Object | None:
        """Put a whole status in the place of the one that was seen; the job's metadata then, or
        None where it is gone or another one has its name.

        Raises where the job is no longer of that version. The spec is left out, and stays. To merge
        a patch, the API server would write out and read in the whole job, managed fields and all.
        """
        jobs = f"/apis/{names.API_VERSION}/namespaces/{job.namespace}/{names.PLURAL}"
        seen = {"name": job.name, "uid": job.uid, "resourceVersion": job.version}
        body = {
            "apiVersion": names.API_VERSION,
            "kind": names.KIND,
            "metadata": {**job.metadata, **seen},
            "status": status,
        }
        path = f"{jobs}/{job.name}/status"
        try:
            return await self._call("PUT", "update", path, body, _JSON, _MANAGER, _METADATA_ONLY)
        except ApiError as error:
            if not error.gone:
                raise
            return None

    async def create_event(self, namespace: str, event: Object) -> None:
        """Tell an event, unless it was told already or the namespace is being deleted."""
        path = f"/api/v1/namespaces/{namespace}/events"
        try:
            await self._call("POST", "create", path, event, _JSON, {})
        except ApiError as error:
            if error.code not in (403, 404) and not error.exists:
                raise
            log.debug("event not told: %s", error)

    async def list_uids(self, path: str, selector: str | None) -> set[str]:
        """UIDs of all objects under a path: metadata only."""
        query = {"limit": _METADATA_PAGE} | ({"labelSelector": selector} if selector else {})
        found: set[str] = set()
        async for page in self.pages(path, query, _METADATA_LIST):
            found.update(item["metadata"]["uid"] for item in page["items"] or ())
        return found

    async def foreign_gpus(self) -> dict[str, int]:
        """GPUs that pods of others hold, by the name of the node."""
        held: Counter[str] = Counter()
        async for page in self.pages("/api/v1/pods", _OF_OTHERS):
            for pod in page["items"] or ():
                held[pod["spec"]["nodeName"]] += parse.gpus(pod)
        return dict(held)

    async def pages(
        self, path: str, query: dict[str, str], headers: dict[str, str] | None = None
    ) -> AsyncIterator[Object]:
        """A list, in as many parts as `limit` in the query makes of it."""
        more = ""
        while True:
            asked = query | ({"continue": more} if more else {})
            page = await self._call("GET", "list", path, None, _JSON, asked, headers)
            yield page
            more = page["metadata"].get("continue")
            if not more:
                return

    @asynccontextmanager
    async def stream(self, path: str, query: dict[str, str]) -> AsyncIterator[aiohttp.StreamReader]:
        """What a watch tells: a JSON object a line."""
        session = await self._connected()
        url, sent = f"{self._server}{path}", {"Accept": _JSON}
        async with session.get(url, params=query, headers=sent, timeout=_WATCH_TIMEOUT) as got:
            metrics.api_requests.labels("watch", str(got.status)).inc()
            if got.status == 401 and self._session is session:
                await self.close()  # Whoever tries again logs in anew.
            if got.status >= 400:
                raise refusals.read(got.status, got.headers, await got.read())
            yield got.content

    async def get_lease(self, namespace: str, name: str) -> Object | None:
        """A Lease, or None where there is none."""
        try:
            return await self._call("GET", "get", _lease(namespace, name), None, _JSON, {})
        except ApiError as error:
            if error.code != 404:
                raise
            return None

    async def create_lease(self, namespace: str, name: str, lease: Object) -> Object:
        """The Lease as created."""
        named = lease | {"metadata": {"name": name}}
        return await self._call("POST", "create", _lease(namespace), named, _JSON, _MANAGER)

    async def patch_lease(self, namespace: str, name: str, lease: Object) -> Object:
        """The Lease after a merge."""
        path = _lease(namespace, name)
        return await self._call("PATCH", "patch", path, lease, _MERGE_PATCH, _MANAGER)

    async def _call(
        self,
        method: str,
        verb: str,
        path: str,
        body: Object | None,
        content_type: str,
        query: dict[str, str],
        headers: dict[str, str] | None = None,
    ) -> Object:
        data = None if body is None else json.dumps(body).encode()
        sent = {"Content-Type": content_type, "Accept": _JSON} | (headers or {})
        if method != "GET" and not self._may_write():
            raise NotLeadingError(f"{verb} {path}")
        for last in (False, True):
            session = await self._connected()
            url, asked = f"{self._server}{path}", self.clock.ours()
            async with session.request(method, url, data=data, headers=sent, params=query) as got:
                metrics.api_requests.labels(verb, str(got.status)).inc()
                self.clock.heard(got.headers.get("Date"), asked)
                text = await got.read()
                if got.status == 401 and not last:
                    if self._session is session:
                        await self.close()
                    continue
                if got.status >= 400:
                    raise refusals.read(got.status, got.headers, text)
                answer: Object = json.loads(text)
                return answer
        raise AssertionError("unreachable")

    async def _connected(self) -> aiohttp.ClientSession:
        if self._session is None:
            info = self._connect()
            self._server = info.server.rstrip("/")
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._connections, ssl=info.as_ssl_context()),
                headers=info.as_http_headers(),
                timeout=_TIMEOUT,
            )
        return self._session


def _core_path(namespace: str, obj: Object) -> str:
    return f"/api/v1/namespaces/{namespace}/{_CORE_PLURALS[obj['kind']]}"


def _lease(namespace: str, name: str = "") -> str:
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
    return f"{path}/{name}" if name else path
