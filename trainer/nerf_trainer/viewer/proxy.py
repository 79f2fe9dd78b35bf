"""The proxy in front of viser lets in who has the token, to the page and its websocket.

Nothing else of viser can be reached, and of what a browser may tell it only where its camera is and
what is clicked on.
"""

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from nerf_contract import names
from nerf_trainer.viewer.access import Gate, bearer

MOST_PAGES = 8
#: Seconds after which a page for which there was no room asks again.
ASK_AGAIN = 5
#: Seconds between two questions whether a browser is still there.
HEARTBEAT = 20
#: Bytes of a websocket message, from a browser and from viser.
LARGEST_WORD, LARGEST_PICTURE = 1 << 16, 1 << 24
#: Kinds of viser's messages that a browser may send.
ALLOWED = frozenset({"ViewerCameraMessage", "GuiUpdateMessage"})
HEADERS = {
    # viser's page is one file that unpacks its script, so scripts in the page must be allowed; but
    # whatever they do, they can only talk to us.
    "Content-Security-Policy": "default-src 'none'; script-src 'unsafe-inline' 'wasm-unsafe-eval'; "
    "style-src 'unsafe-inline'; img-src 'self' data: blob:; font-src data:; connect-src 'self' "
    "data: blob:; worker-src blob: data:; base-uri 'none'; form-action 'none'; "
    "frame-src 'self'; frame-ancestors 'self'",
    "X-Frame-Options": "SAMEORIGIN",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
PAGE = (Path(__file__).parent / "page.html").read_text(encoding="utf-8")
HOW_TO_GET_IN = "This page needs its token. Open it by: kubectl nerf view NAME\n"


class Proxy:
    """upstream: host:port of viser. still: a JPEG of the scene, or None where there is none yet.
    expect: called when a page is about to open."""

    def __init__(
        self, upstream: str, still: Callable[[], bytes | None], expect: Callable[[], None]
    ) -> None:
        self._upstream = upstream
        self._still = still
        self._expect = expect
        self._packed_scene = b""
        self._pages = 0
        self._session: aiohttp.ClientSession

    def app(self, gate: Callable[[], Gate]) -> web.Application:
        """The application, to be run. gate: as it is now."""
        app = web.Application(middlewares=[guard(gate)])
        app.on_response_prepare.append(_add_headers)
        app.cleanup_ctx.append(self._lifetime)
        app.router.add_get("/", self._page)
        app.router.add_get("/scene", self._scene)
        app.router.add_get("/still.jpg", self._picture)
        app.router.add_get("/healthz", _health)
        return app

    async def _lifetime(self, _: web.Application) -> AsyncIterator[None]:
        async with aiohttp.ClientSession() as self._session:
            async with self._session.get(f"http://{self._upstream}/") as answer:
                answer.raise_for_status()
                page = await answer.read()
            self._packed_scene = gzip.compress(page)
            yield

    async def _scene(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._relay(request)
        headers = {"Content-Encoding": "gzip"}
        return web.Response(body=self._packed_scene, content_type="text/html", headers=headers)

    async def _page(self, _: web.Request) -> web.Response:
        self._check_room()
        self._expect()
        return web.Response(text=PAGE, content_type="text/html")

    async def _picture(self, _: web.Request) -> web.Response:
        picture = self._still()
        if picture is None:
            raise web.HTTPNotFound(text="There is no picture before the first checkpoint.\n")
        return web.Response(body=picture, content_type="image/jpeg")

    async def _relay(self, request: web.Request) -> web.StreamResponse:
        """Carry messages between a browser and viser until one of them ends it."""
        self._check_room()
        self._pages += 1
        try:
            return await self._carry(request)
        finally:
            self._pages -= 1

    def _check_room(self) -> None:
        """Turn one page too many away. It asks again: a place may become free."""
        if self._pages >= MOST_PAGES:
            raise web.HTTPServiceUnavailable(
                text=f"{MOST_PAGES} pages are open, the most that are served. This one opens once "
                "another is closed.\n",
                headers={"Refresh": str(ASK_AGAIN)},
            )

    async def _carry(self, request: web.Request) -> web.WebSocketResponse:
        asked = request.headers.get("Sec-WebSocket-Protocol", "")
        protocols = [name.strip() for name in asked.split(",") if name.strip()]
        async with self._session.ws_connect(
            f"ws://{self._upstream}/", protocols=protocols, max_msg_size=LARGEST_PICTURE
        ) as viser:
            agreed = [viser.protocol] if viser.protocol else []
            browser = web.WebSocketResponse(
                protocols=agreed, max_msg_size=LARGEST_WORD, heartbeat=HEARTBEAT, compress=False
            )
            await browser.prepare(request)
            ways = [
                asyncio.ensure_future(_upwards(browser, viser)),
                asyncio.ensure_future(_downwards(viser, browser)),
            ]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
                await browser.close()
            return browser


async def _upwards(browser: web.WebSocketResponse, viser: aiohttp.ClientWebSocketResponse) -> None:
    async for message in browser:
        if message.type is aiohttp.WSMsgType.BINARY and _kind(message.data) in ALLOWED:
            await viser.send_bytes(message.data)


async def _downwards(
    viser: aiohttp.ClientWebSocketResponse, browser: web.WebSocketResponse
) -> None:
    async for message in viser:
        if message.type is aiohttp.WSMsgType.BINARY:
            await browser.send_bytes(message.data)


def _kind(message: bytes) -> str:
    """The kind of a message of viser's client; empty for what is none."""
    try:
        return msgspec.msgpack.decode(message, type=_Message).type
    except msgspec.MsgspecError:
        return ""


class _Message(msgspec.Struct):
    type: str


def guard(current: Callable[[], Gate]) -> Middleware:
    """Turn away whom the gate does not know; exchange a token in the address for a cookie."""

    @web.middleware
    async def checked(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path == "/healthz":  # The kubelet asks by the pod's address.
            return await handler(request)
        gate = current()
        _check_site(gate, request)
        told = request.query.get(names.TOKEN_KEY)
        if told is not None and gate.knows_token(told):
            return _welcome(gate, request)
        cookie = request.cookies.get(gate.cookie)
        shown = bearer(request.headers.get("Authorization", ""))
        if told is None and (gate.knows_proof(cookie) or gate.knows_token(shown)):
            return await handler(request)
        raise web.HTTPUnauthorized(text=HOW_TO_GET_IN, headers={"WWW-Authenticate": "Bearer"})

    return checked


def _check_site(gate: Gate, request: web.Request) -> None:
    host = request.headers.get("Host", "")
    if not gate.knows_host(host):
        raise web.HTTPForbidden(
            text=f"{host[:200]!a} is not a name of this page. Use localhost, or start the viewer "
            "with --allow-origin.\n"
        )
    reads = request.method in ("GET", "HEAD") and "Upgrade" not in request.headers
    if not reads and not gate.knows_origin(request.headers.get("Origin", ""), host):
        raise web.HTTPForbidden(text="Only a page of this viewer may do that.\n")


def _welcome(gate: Gate, request: web.Request) -> web.Response:
    """Set the cookie, and lead to the address without the token."""
    answer = web.Response(status=303, headers={"Location": "/"})
    secure = request.headers.get("X-Forwarded-Proto", request.scheme) == "https"
    answer.set_cookie(
        *(gate.cookie, gate.proof), httponly=True, samesite="Strict", secure=secure, path="/"
    )
    return answer


async def _add_headers(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)


async def _health(_: web.Request) -> web.Response:
    return web.Response(text="ok\n")
