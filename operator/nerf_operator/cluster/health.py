"""/healthz and /metrics of the operator."""

from collections.abc import Callable

from aiohttp import web

from nerf_operator import metrics


async def serve(host: str, port: int, problem: Callable[[], str | None]) -> web.AppRunner:
    """Serve until the runner is cleaned up. `problem` says what is wrong, or None."""

    async def healthz(request: web.Request) -> web.Response:
        wrong = problem()
        return web.Response(text=wrong or "ok", status=503 if wrong else 200)

    async def exposition(request: web.Request) -> web.Response:
        return web.Response(body=metrics.exposition(), content_type="text/plain")

    app = web.Application()
    app.add_routes([web.get("/healthz", healthz), web.get("/metrics", exposition)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner
