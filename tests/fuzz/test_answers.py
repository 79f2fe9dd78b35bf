"""A pod answers the operator's question as it likes: that costs no more than a moment."""

import asyncio
import gzip
import json
from collections.abc import Awaitable, Callable

from aiohttp import web
from test_told import PROGRESS

from nerf_contract.progress import Told
from nerf_operator.cluster import probe
from nerf_operator.cluster.cache import Key
from nerf_operator.cluster.probe import Prober

DEMO = Key("lab", "demo")
Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def asked(answering: Answering) -> Told | None:
    """What is heard of a pod that answers so."""
    app = web.Application()
    app.router.add_get("/status", answering)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    heard = asyncio.Event()
    prober = Prober(lambda key: heard.set(), port=runner.addresses[0][1])
    running = asyncio.create_task(prober.run())
    try:
        prober.aim(DEMO, "127.0.0.1")
        await asyncio.wait_for(heard.wait(), 30)
        return prober.progress(DEMO)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await runner.cleanup()


def test_an_answer_is_heard() -> None:
    async def answering(_: web.Request) -> web.StreamResponse:
        return web.json_response(PROGRESS)

    assert asyncio.run(asked(answering)) is not None


def test_an_answer_without_end_is_not_read() -> None:
    sent = 0

    async def answering(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        answer = web.StreamResponse()
        await answer.prepare(request)
        while True:
            await answer.write(b" " * 65536)
            sent += 65536

    assert asyncio.run(asked(answering)) is None
    assert sent < 100 * probe.MAX_BYTES, "what the sockets' buffers hold, and no more"


def test_an_answer_that_is_packed_is_not_unpacked() -> None:
    async def answering(_: web.Request) -> web.StreamResponse:
        body = gzip.compress(json.dumps(PROGRESS).encode())
        return web.Response(body=body, headers={"Content-Encoding": "gzip"})

    assert asyncio.run(asked(answering)) is None


def test_a_pod_does_not_lead_elsewhere() -> None:
    async def answering(_: web.Request) -> web.StreamResponse:
        raise web.HTTPFound("/status?again")

    assert asyncio.run(asked(answering)) is None
