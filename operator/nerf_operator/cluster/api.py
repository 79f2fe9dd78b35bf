"""The few calls that change the cluster: asynchronous, pooled, counted."""

import json
import logging
from collections.abc import Callable
from typing import Any

import aiohttp
import kopf

from nerf_contract import names
from nerf_operator import metrics

Object = dict[str, Any]
log = logging.getLogger(__name__)

#: What the calls below, and the watches, need: (API group, resource) -> verbs.
PERMISSIONS: dict[tuple[str, str], frozenset[str]] = {
    (names.GROUP, names.PLURAL): frozenset({"list", "watch", "delete"}),
    (names.GROUP, f"{names.PLURAL}/status"): frozenset({"patch"}),
    ("", "pods"): frozenset({"list", "watch", "create", "delete"}),
    ("", "services"): frozenset({"list", "watch", "create", "patch"}),
    ("", "persistentvolumeclaims"): frozenset({"list", "watch", "create", "patch"}),
    # The token of a viewer: drawn, and never read.
    ("", "secrets"): frozenset({"create"}),
    ("", "events"): frozenset({"create"}),
}

_TIMEOUT = aiohttp.ClientTimeout(total=15)
_CONNECTIONS = 32
_JSON = "application/json"
_MERGE_PATCH = "application/merge-patch+json"
_APPLY_PATCH = "application/apply-patch+yaml"
_METADATA_ONLY = {"Accept": "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"}
_METADATA_LIST = {"Accept": "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"}
_MANAGER = {"fieldManager": names.FIELD_MANAGER}
_CORE_PLURALS = {"Service": "services", "PersistentVolumeClaim": "persistentvolumeclaims"}


class ApiError(Exception):
    """The API server said no. `code` is the HTTP status."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class Api:
    """Calls as the user whom `connect` logs in; a rejected token is read anew, once a call."""

    def __init__(self, connect: Callable[[], kopf.ConnectionInfo]) -> None:
        self._connect = connect
        self._server = ""
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def create_pod(self, namespace: str, pod: Object) -> Object | None:
        """The pod as created, or None where one of that name exists."""
        path = f"/api/v1/namespaces/{namespace}/pods"
        try:
            return await self._call("POST", "create", path, pod, _JSON, _MANAGER)
        except ApiError as error:
            if error.code != 409:
                raise
            return None

    async def create_service(self, namespace: str, service: Object) -> Object | None:
        """The Service as created, or None where one of that name exists."""
        path = f"/api/v1/namespaces/{namespace}/services"
        try:
            return await self._call("POST", "create", path, service, _JSON, _MANAGER)
        except ApiError as error:
            if error.code != 409:
                raise
            return None

    async def create_secret(self, namespace: str, secret: Object) -> None:
        """A Secret, unless one of that name exists."""
        path = f"/api/v1/namespaces/{namespace}/secrets"
        try:
            await self._call("POST", "create", path, secret, _JSON, _MANAGER)
        except ApiError as error:
            if error.code != 409:
                raise

    async def delete_pod(self, namespace: str, name: str, uid: str) -> Object | None:
        """The pod while it ends, or None where it is gone or another one has its name."""
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}}
        path = f"/api/v1/namespaces/{namespace}/pods/{name}"
        try:
            answer = await self._call("DELETE", "delete", path, body, _JSON, {})
        except ApiError as error:
            if error.code not in (404, 409):
                raise
            return None
        return answer if answer.get("kind") == "Pod" else None

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
            if error.code not in (404, 409):
                raise

    async def apply(self, namespace: str, obj: Object, force: bool) -> Object | None:
        """Server-side apply of a Service or claim; None on a conflict with another manager."""
        path = f"/api/v1/namespaces/{namespace}/{_CORE_PLURALS[obj['kind']]}"
        query = _MANAGER | ({"force": "true"} if force else {})
        name = obj["metadata"]["name"]
        try:
            return await self._call("PATCH", "apply", f"{path}/{name}", obj, _APPLY_PATCH, query)
        except ApiError as error:
            if error.code != 409:
                raise
            return None

    async def patch_status(
        self, namespace: str, name: str, uid: str, status: Object
    ) -> Object | None:
        """Merge into the status; the job's metadata then, or None where it is gone."""
        path = f"/apis/{names.API_VERSION}/namespaces/{namespace}/{names.PLURAL}/{name}/status"
        body = {"metadata": {"uid": uid}, "status": status}
        try:
            return await self._call(
                "PATCH", "patch", path, body, _MERGE_PATCH, _MANAGER, _METADATA_ONLY
            )
        except ApiError as error:
            if error.code not in (404, 409):
                raise
            return None

    async def create_event(self, namespace: str, event: Object) -> None:
        """Tell an event, unless it was told already or the namespace is being deleted."""
        path = f"/api/v1/namespaces/{namespace}/events"
        try:
            await self._call("POST", "create", path, event, _JSON, {})
        except ApiError as error:
            if error.code not in (403, 404, 409):
                raise
            log.debug("event not told: %s", error)

    async def list_uids(self, path: str, selector: str | None) -> set[str]:
        """UIDs of all objects under a path: metadata only."""
        query = {"labelSelector": selector} if selector else {}
        answer = await self._call("GET", "list", path, None, _JSON, query, _METADATA_LIST)
        return {item["metadata"]["uid"] for item in answer["items"] or ()}

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
        for last in (False, True):
            session = await self._connected()
            url = f"{self._server}{path}"
            async with session.request(method, url, data=data, headers=sent, params=query) as got:
                metrics.api_requests.labels(verb, str(got.status)).inc()
                text = await got.read()
                if got.status == 401 and not last:
                    await self.close()
                    continue
                if got.status >= 400:
                    raise ApiError(got.status, _message(text))
                answer: Object = json.loads(text)
                return answer
        raise AssertionError("unreachable")

    async def _connected(self) -> aiohttp.ClientSession:
        if self._session is None:
            info = self._connect()
            self._server = info.server.rstrip("/")
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=_CONNECTIONS, ssl=info.as_ssl_context()),
                headers=info.as_http_headers(),
                timeout=_TIMEOUT,
            )
        return self._session


def _message(text: bytes) -> str:
    try:
        return str(json.loads(text).get("message", ""))[:500]
    except (ValueError, AttributeError):
        return text[:200].decode(errors="replace")
