"""Calls to the API server while tokens expire."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import kopf
from aiohttp import web

from nerf_operator.cluster.client import Client


class Server:
    """Admits one token, and answers the first `together` calls at one time.

    refused: calls that came with another token. go: what a watch waits for before it ends.
    """

    def __init__(self, token: str, together: int = 1) -> None:
        self.token = token
        self.refused = 0
        self.go = asyncio.Event()
        self._barrier = asyncio.Barrier(together)
        self._first = together
        app = web.Application()
        app.router.add_get("/watch", self._watch)
        app.router.add_get("/{name}", self._answer)
        self._runner = web.AppRunner(app)

    @asynccontextmanager
    async def url(self) -> AsyncIterator[str]:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        try:
            yield f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        finally:
            await self._runner.cleanup()

    @property
    def connections(self) -> int:
        assert self._runner.server is not None
        return len(self._runner.server.connections)

    async def _answer(self, request: web.Request) -> web.Response:
        if self._first:
            self._first -= 1
            await self._barrier.wait()
        if request.headers["Authorization"] != f"Bearer {self.token}":
            self.refused += 1
            return web.json_response({"message": "Unauthorized"}, status=401)
        return web.json_response({"path": request.path})

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        told = web.StreamResponse()
        await told.prepare(request)
        await told.write(b"first\n")
        await self.go.wait()
        await told.write(b"last\n")
        return told


def test_who_waits_for_a_connection_is_served_though_the_token_has_expired() -> None:
    async def calls() -> None:
        server, tokens = Server("new", together=2), ["old", "new"]
        async with asyncio.timeout(10), server.url() as url:
            client = Client(
                lambda: kopf.ConnectionInfo(server=url, token=tokens.pop(0)), connections=2
            )
            asked = [client.call("GET", "get", f"/{number}") for number in range(6)]
            answers = await asyncio.gather(*asked)
            await client.close()
        assert [answer["path"] for answer in answers] == [f"/{number}" for number in range(6)]
        assert (tokens, server.refused) == ([], 6), "one login, and each call once in vain"

    asyncio.run(calls())


def test_a_watch_outlives_the_login_of_another_and_its_connections_are_closed_after_it() -> None:
    async def calls() -> None:
        server = Server("old")
        async with asyncio.timeout(10), server.url() as url:
            client = Client(lambda: kopf.ConnectionInfo(server=url, token=server.token))
            async with client.stream("/watch", {}) as watched:
                assert await watched.readline() == b"first\n"
                await client.call("GET", "get", "/a")
                server.token = "new"
                await client.call("GET", "get", "/b")
                server.go.set()
                assert await watched.readline() == b"last\n"
            while server.connections > 1:
                await asyncio.sleep(0.01)
            await client.close()

    asyncio.run(calls())
