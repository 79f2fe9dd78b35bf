"""How the API server is asked: pooled, counted, logged in anew where a token has expired."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import aiohttp
import kopf

from nerf_contract import names
from nerf_operator import metrics
from nerf_operator.cluster import refusals
from nerf_operator.cluster.clock import ServerClock
from nerf_operator.cluster.refusals import NotLeadingError

Object = dict[str, Any]
Query = Mapping[str, str]
Headers = Mapping[str, str]

_TIMEOUT = aiohttp.ClientTimeout(total=15)
#: A watch is told something every minute: a bookmark if nothing else.
_WATCH_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=70)
_CONNECTIONS = 32
_JSON = "application/json"
#: Whose the fields are that a write sets.
MANAGER = {"fieldManager": names.FIELD_MANAGER}
_NO_QUERY: Query = MappingProxyType({})


@dataclass(eq=False)
class Login:
    """Connections of one user. calls: that are under way. over: it is used for no further ones."""

    server: str
    session: aiohttp.ClientSession
    calls: int = 0
    over: bool = False


class Client:
    """Calls as the user whom `connect` logs in; a rejected token is read anew, once a call.

    may_write: asked before each call that changes something. A no raises NotLeadingError.
    connections: at a time; 0 for as many as there are calls, as of watches, which do not end.
    clock: that of the API server, as its answers tell.
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
        self._login: Login | None = None

    async def close(self) -> None:
        """Close all connections."""
        if self._login is not None:
            login, self._login = self._login, None
            await login.session.close()

    async def read_clock(self) -> None:
        """Ask for what everybody may read, so that `clock` is right."""
        await self.call("GET", "get", "/version")

    async def call(
        self,
        method: str,
        verb: str,
        path: str,
        body: Object | None = None,
        query: Query = _NO_QUERY,
        *,
        kind: str = _JSON,
        headers: Headers | None = None,
    ) -> Object:
        """The answer to one call. Raises ApiError.

        verb: what it is counted as. kind: of the body. headers: more than the usual ones.
        """
        data = None if body is None else json.dumps(body).encode()
        sent = {"Content-Type": kind, "Accept": _JSON} | dict(headers or {})
        if method != "GET" and not self._may_write():
            raise NotLeadingError(f"{verb} {path}")
        for last in (False, True):
            asked = self.clock.ours()
            async with (
                self._logged_in() as login,
                login.session.request(
                    method, login.server + path, data=data, headers=sent, params=query
                ) as got,
            ):
                metrics.api_requests.labels(verb, str(got.status)).inc()
                self.clock.heard(got.headers.get("Date"), asked)
                text = await got.read()
                if got.status == 401 and not last:
                    self._log_out(login)
                    continue
                if got.status >= 400:
                    raise refusals.read(got.status, got.headers, text)
                answer: Object = json.loads(text)
                return answer
        raise AssertionError("unreachable")

    async def pages(
        self, path: str, query: Query, headers: Headers | None = None
    ) -> AsyncIterator[Object]:
        """A list, in as many parts as `limit` in the query makes of it."""
        more = ""
        while True:
            asked = {**query, "continue": more} if more else query
            page = await self.call("GET", "list", path, query=asked, headers=headers)
            yield page
            more = page["metadata"].get("continue")
            if not more:
                return

    @asynccontextmanager
    async def stream(self, path: str, query: Query) -> AsyncIterator[aiohttp.StreamReader]:
        """What a watch tells: a JSON object a line."""
        sent = {"Accept": _JSON}
        async with (
            self._logged_in() as login,
            login.session.get(
                login.server + path, params=query, headers=sent, timeout=_WATCH_TIMEOUT
            ) as got,
        ):
            metrics.api_requests.labels("watch", str(got.status)).inc()
            if got.status == 401:
                self._log_out(login)  # Whoever tries again logs in anew.
            if got.status >= 400:
                raise refusals.read(got.status, got.headers, await got.read())
            yield got.content

    @asynccontextmanager
    async def _logged_in(self) -> AsyncIterator[Login]:
        """The login for one call. Who is the last to use one that is over closes it."""
        if self._login is None:
            self._login = self._log_in()
        login = self._login
        login.calls += 1
        try:
            yield login
        finally:
            login.calls -= 1
            if login.over and not login.calls:
                await login.session.close()

    def _log_in(self) -> Login:
        info = self._connect()
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._connections, ssl=info.as_ssl_context()),
            headers=info.as_http_headers(),
            timeout=_TIMEOUT,
        )
        return Login(info.server.rstrip("/"), session)

    def _log_out(self, login: Login) -> None:
        """Use it for no further calls. It stays open for those under way: closing it would cancel
        whoever waits for a connection."""
        login.over = True
        if self._login is login:
            self._login = None
