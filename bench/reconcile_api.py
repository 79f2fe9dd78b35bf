"""A lean client of the API server: pooled calls and watches, as its administrator."""

import json
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any

import aiohttp

Object = dict[str, Any]
JOBS = "/apis/nerfops.dev/v1alpha1"
PLURALS = {
    "nerfjobs": JOBS,
    "pods": "/api/v1",
    "services": "/api/v1",
    "secrets": "/api/v1",
    "persistentvolumeclaims": "/api/v1",
    "events": "/api/v1",
}
_CONNECTIONS = 32
_MERGE = "application/merge-patch+json"
_STRATEGIC = "application/strategic-merge-patch+json"
_PROTOBUF = "application/vnd.kubernetes.protobuf"


class Client:
    """Calls over at most 32 connections, and watches over others."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    async def __aenter__(self) -> "Client":
        self._calls = self._session(_CONNECTIONS)
        self._watches = self._session(0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._calls.close()
        await self._watches.close()

    def _session(self, limit: int) -> aiohttp.ClientSession:
        # A test server's certificate is its own; it listens on the loopback alone.
        connector = aiohttp.TCPConnector(limit=limit, ssl=False)
        return aiohttp.ClientSession(
            self._url,
            headers=self._headers,
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=None),
        )

    async def create(self, path: str, body: Object) -> Object:
        """Create an object. Raises aiohttp.ClientResponseError."""
        return await self._call("POST", path, body, "application/json")

    async def patch(self, path: str, body: Object) -> Object:
        """Merge patch. Raises aiohttp.ClientResponseError."""
        return await self._call("PATCH", path, body, _MERGE)

    async def report(self, path: str, body: Object) -> None:
        """Patch as kubelets do, which read protobuf. Raises aiohttp.ClientResponseError."""
        kinds = {"Content-Type": _STRATEGIC, "Accept": _PROTOBUF}
        data = json.dumps(body)
        async with self._calls.request("PATCH", path, data=data, headers=kinds) as answer:
            answer.raise_for_status()
            await answer.read()

    async def delete(self, path: str) -> Object:
        """Delete an object. Raises aiohttp.ClientResponseError."""
        return await self._call("DELETE", path, None, "application/json")

    async def list(self, path: str) -> list[Object]:
        """All objects under a path."""
        found: list[Object] = (await self._call("GET", path, None, ""))["items"]
        return found

    async def _call(self, method: str, path: str, body: Object | None, kind: str) -> Object:
        data = None if body is None else json.dumps(body)
        headers = {"Content-Type": kind}
        async with self._calls.request(method, path, data=data, headers=headers) as answer:
            answer.raise_for_status()
            decoded: Object = await answer.json()
            return decoded

    async def watch(self, path: str, only: str = "") -> AsyncIterator[tuple[str, Object]]:
        """Types and objects of events, without end; of what is there already first.

        only: a type; events of others are not even decoded, which would take CPU from the operator.
        The server ends the watch of a client that lags behind. The next one begins anew, so an
        object may be ADDED more than once.
        """
        beginning = f'{{"type":"{only}"'.encode() if only else b""
        while True:
            async with self._watches.get(path, params={"watch": "1"}) as answer:
                answer.raise_for_status()
                async for line in answer.content:
                    if line.startswith(beginning):
                        event = json.loads(line)
                        yield event["type"], event["object"]


def path(plural: str, namespace: str, name: str = "") -> str:
    """URL path of the objects of a kind in a namespace, or of one of them."""
    base = f"{PLURALS[plural]}/namespaces/{namespace}/{plural}"
    return f"{base}/{name}" if name else base
