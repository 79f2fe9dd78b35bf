"""/healthz, /readyz and /metrics of the operator."""

from collections.abc import Callable

from aiohttp import web

from nerf_operator import metrics

#: What is wrong, or None.
Problem = Callable[[], str | None]


async def serve(
    host: str, port: int, problem: Problem, unready: Problem, measure: Callable[[], None]
) -> web.AppRunner:
    """Serve until the runner is cleaned up. `measure` sets the gauges when asked."""

    async def healthz(request: web.Request) -> web.Response:
        return _answer(problem())

    async def readyz(request: web.Request) -> web.Response:
        return _answer(problem() or unready())

    async def exposition(request: web.Request) -> web.Response:
        measure()
        return web.Response(body=metrics.exposition(), content_type="text/plain")

    app = web.Application()
    app.add_routes(
        [
            web.get("/healthz", healthz),
            web.get("/readyz", readyz),
            web.get("/metrics", exposition),
        ]
    )
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner


def _answer(wrong: str | None) -> web.Response:
    return web.Response(text=wrong or "ok", status=503 if wrong else 200)
