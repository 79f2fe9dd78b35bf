"""A proxy between an operator and the API server that fails on purpose.

What it does to a call is a rule: it may pass the call on or not, kill who called, answer by itself.
What it does to a watch is a tampering: it takes the events, a line each, and hands others on.
"""

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus

import aiohttp
from aiohttp import web

from operator_support.apiserver import ApiServer

Answer = web.StreamResponse
Forward = Callable[[], Awaitable[Answer]]
Rule = Callable[["Call", Forward], Awaitable[Answer]]
Lines = AsyncIterator[bytes]
Tampering = Callable[[Lines], Lines]
_PASSED_ON = ("Accept", "Authorization", "Content-Type")


@dataclass(frozen=True)
class Call:
    """A request of the operator."""

    method: str
    path: str
    watches: bool
    body: bytes

    @property
    def writes(self) -> bool:
        """Whether it may change something that belongs to jobs, or tells of it."""
        return self.method != "GET" and not self.renews

    @property
    def renews(self) -> bool:
        """Whether it is about the Lease."""
        return "/apis/coordination.k8s.io/" in self.path

    @property
    def what(self) -> str:
        """What it does, in the same words for every job of that name."""
        kind = self.path.rsplit("/", 2 if self.method in ("PATCH", "PUT", "DELETE") else 1)
        target = "/".join(kind[1:])
        if self.method == "POST":
            body = json.loads(self.body)
            told = body.get("reason") or body["metadata"]["name"].split("-group-")[0]
            target = f"{target}/{told}"
        return f"{self.method} {target}"


@dataclass(frozen=True)
class Answered:
    """A call that reached the API server, when its answer came, and what it was."""

    call: Call
    code: int
    at: float


async def pass_on(call: Call, forward: Forward) -> Answer:
    """The rule that does nothing."""
    return await forward()


def untouched(lines: Lines) -> Lines:
    """The tampering that does nothing."""
    return lines


class Proxy:
    """Listens on the loopback. `rule` and `tamper` may be changed at any time."""

    def __init__(self, server: ApiServer) -> None:
        self.rule: Rule = pass_on
        self.tamper: Tampering = untouched
        self.answered: list[Answered] = []
        self.port = 0
        self._server = server
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._stop = asyncio.Event()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def writes(self) -> list[Answered]:
        """What wrote, so far."""
        return [one for one in list(self.answered) if one.call.writes]

    @contextmanager
    def listening(self) -> Iterator["Proxy"]:
        """Serve in a thread of its own."""
        thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))
        thread.start()
        self._ready.wait()
        try:
            yield self
        finally:
            self._loop.call_soon_threadsafe(self._stop.set)
            thread.join()
            self._loop.close()

    async def _serve(self) -> None:
        connector = aiohttp.TCPConnector(limit=0, ssl=False)
        async with aiohttp.ClientSession(self._server.url, connector=connector) as self._session:
            app = web.Application(client_max_size=8 * 2**20)
            app.router.add_route("*", "/{path:.*}", self._handle)
            runner = web.AppRunner(
                app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True
            )
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self.port = runner.addresses[0][1]
            self._ready.set()
            await self._stop.wait()
            await runner.cleanup()

    async def _handle(self, request: web.Request) -> Answer:
        watches = request.query.get("watch") == "true"
        call = Call(request.method, request.path, watches, await request.read())

        async def forward() -> Answer:
            return await self._forward(request, call)

        return await self.rule(call, forward)

    async def _forward(self, request: web.Request, call: Call) -> Answer:
        headers = {name: request.headers[name] for name in _PASSED_ON if name in request.headers}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5)
        try:
            async with self._session.request(
                *(call.method, request.rel_url),
                **{"data": call.body or None, "headers": headers, "timeout": timeout},  # type: ignore[arg-type]
            ) as got:
                self.answered.append(Answered(call, got.status, time.monotonic()))
                if call.watches and got.status == 200:
                    return await self._stream(request, got)
                kind = got.headers.get("Content-Type", "application/json")
                body = await got.read()
                return web.Response(body=body, status=got.status, headers={"Content-Type": kind})
        except aiohttp.ClientError:
            return hang_up(request)

    async def _stream(self, request: web.Request, got: aiohttp.ClientResponse) -> Answer:
        answer = web.StreamResponse(headers={"Content-Type": "application/json"})
        await answer.prepare(request)
        async for line in self.tamper(_lines(got)):
            await answer.write(line)
        return answer


async def _lines(got: aiohttp.ClientResponse) -> Lines:
    rest = b""
    async for chunk in got.content.iter_any():
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line + b"\n"


def hang_up(request: web.Request) -> Answer:
    """Close the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def refusal(code: int, message: str, **headers: str) -> Answer:
    """An answer that the API server did not give."""
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure"}
    told = status | {"code": code, "reason": HTTPStatus(code).phrase, "message": message}
    return web.json_response(told, status=code, headers=headers)


class Nth:
    """Counts calls by what they do: `create pod demo-worker-0-0 #1`."""

    def __init__(self) -> None:
        self._seen: Counter[str] = Counter()

    def label(self, call: Call) -> str:
        """The call's name, another one for each time that it is made."""
        self._seen[call.what] += 1
        return f"{call.what} #{self._seen[call.what]}"
