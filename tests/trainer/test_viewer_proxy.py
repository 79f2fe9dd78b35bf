"""Who reaches the page through the proxy, and what they may send."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

pytest.importorskip("torch", reason="runs in the trainer image")

import aiohttp
import msgspec
from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestServer

from nerf_contract.reasons import CONFIG_INVALID
from nerf_trainer.failures import TrainerFailure
from nerf_trainer.viewer.__main__ import create_gate, watched_gate
from nerf_trainer.viewer.access import Gate
from nerf_trainer.viewer.page import start_server
from nerf_trainer.viewer.proxy import ALLOWED, LARGEST_WORD, MOST_PAGES, Proxy

pytestmark = pytest.mark.torch

TOKEN = "0123456789abcdef"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
CAMERA_MOVED = msgspec.msgpack.encode({"type": "ViewerCameraMessage", "wxyz": [1, 0, 0, 0]})
SHARE = msgspec.msgpack.encode({"type": "ShareUrlRequest"})
PATIENCE = 20


class House:
    """A proxy in front of what takes viser's place: it answers each message with the same."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.expected = 0
        self.still: bytes | None = b"a jpeg"
        self.token = TOKEN
        self.url = ""
        self.session: aiohttp.ClientSession

    async def viser(self, request: web.Request) -> web.StreamResponse:
        if "Upgrade" not in request.headers:
            return web.Response(text="<html>viser</html>", content_type="text/html")
        end = web.WebSocketResponse(protocols=["viser-v1"])
        await end.prepare(request)
        async for message in end:
            self.received.append(message.data)
            await end.send_bytes(message.data)
        return end

    def expect(self) -> None:
        self.expected += 1

    def connect(self, **headers: str) -> aiohttp.client._WSRequestContextManager:
        """A page's websocket; by default from a page of ours, with the token."""
        headers = {"Origin": self.url, **BEARER, **headers}
        return self.session.ws_connect(
            f"{self.url}/scene", headers=headers, protocols=["viser-v1"], max_msg_size=0
        )


@asynccontextmanager
async def house() -> AsyncIterator[House]:
    built = House()
    inner = web.Application()
    inner.router.add_get("/", built.viser)
    async with TestServer(inner, host="127.0.0.1") as viser:
        proxy = Proxy(f"127.0.0.1:{viser.port}", lambda: built.still, built.expect)
        async with (
            TestServer(proxy.app(lambda: Gate(built.token)), host="127.0.0.1") as front,
            aiohttp.ClientSession() as built.session,
        ):
            built.url = f"http://127.0.0.1:{front.port}"
            yield built


def run(test: Callable[[House], Awaitable[None]]) -> None:
    async def inside() -> None:
        async with house() as built:
            await test(built)

    asyncio.run(asyncio.wait_for(inside(), PATIENCE))


@pytest.mark.parametrize("path", ["/", "/scene", "/still.jpg", "/nowhere", "/?token=", "/?token=x"])
def test_nothing_without_the_token(path: str) -> None:
    async def test(at: House) -> None:
        async with at.session.get(at.url + path, allow_redirects=False) as answer:
            assert answer.status == 401
            assert "kubectl nerf view" in await answer.text()

    run(test)


def test_a_wrong_token_is_refused_even_beside_the_right_cookie() -> None:
    async def test(at: House) -> None:
        headers = {"Cookie": f"{Gate(TOKEN).cookie}={Gate(TOKEN).proof}"}
        async with at.session.get(f"{at.url}/?token=x", headers=headers) as answer:
            assert answer.status == 401

    run(test)


def test_the_token_is_exchanged_for_a_cookie_and_leaves_the_address() -> None:
    async def test(at: House) -> None:
        async with at.session.get(f"{at.url}/?token={TOKEN}", allow_redirects=False) as answer:
            assert answer.status == 303
            assert answer.headers["Location"] == "/"
            assert answer.headers["Cache-Control"] == "no-store"
            cookie = answer.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert TOKEN not in cookie
        headers = {"Cookie": cookie.partition(";")[0]}
        async with at.session.get(at.url, headers=headers) as answer:
            assert answer.status == 200
            assert TOKEN not in await answer.text()
        assert at.expected == 1

    run(test)


def test_after_a_change_of_the_token_neither_it_nor_its_cookie_is_good() -> None:
    async def test(at: House) -> None:
        old = {"Cookie": f"{Gate(TOKEN).cookie}={Gate(TOKEN).proof}"}
        at.token = "fedcba9876543210"
        for headers in (BEARER, old):
            async with at.session.get(at.url, headers=headers) as answer:
                assert answer.status == 401
        headers = {"Authorization": f"Bearer {at.token}"}
        async with at.session.get(at.url, headers=headers) as answer:
            assert answer.status == 200

    run(test)


def test_a_token_in_a_file_is_read_anew_unless_it_is_no_good(tmp_path: Path) -> None:
    file = tmp_path / "token"
    environment = {"NERF_VIEWER_TOKEN_FILE": str(file)}
    with pytest.raises(TrainerFailure):
        watched_gate(environment, [])
    file.write_text(f"{TOKEN}\n")
    gate = watched_gate(environment, [])
    assert gate().knows_token(TOKEN)
    file.write_text("fedcba9876543210")
    assert gate().knows_token("fedcba9876543210")
    for bad in ("", "short"):
        file.write_text(bad)
        assert gate().knows_token("fedcba9876543210")
    file.unlink()
    assert gate().knows_token("fedcba9876543210")


def test_a_redirect_never_leads_elsewhere() -> None:
    async def test(at: House) -> None:
        url = f"{at.url}//evil.com/?token={TOKEN}"
        async with at.session.get(url, allow_redirects=False) as answer:
            assert answer.headers["Location"] == "/"

    run(test)


def test_the_page_the_scene_and_the_still() -> None:
    async def test(at: House) -> None:
        for path, text in {
            "/": 'src="still.jpg"',
            "/scene": "viser",
            "/still.jpg": "a jpeg",
        }.items():
            async with at.session.get(at.url + path, headers=BEARER) as answer:
                assert answer.status == 200
                assert text in await answer.text()
        at.still = None
        async with at.session.get(f"{at.url}/still.jpg", headers=BEARER) as answer:
            assert answer.status == 404

    run(test)


@pytest.mark.parametrize("path", ["/", "/scene", "/healthz", "/nowhere"])
def test_every_answer_has_the_security_headers(path: str) -> None:
    async def test(at: House) -> None:
        async with at.session.get(at.url + path) as answer:
            policy = answer.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "connect-src 'self'" in policy
            assert answer.headers["X-Frame-Options"] == "SAMEORIGIN"
            assert answer.headers["Referrer-Policy"] == "no-referrer"
            assert answer.headers["Cache-Control"] == "no-store"

    run(test)


def test_the_kubelet_needs_no_token_and_comes_by_any_name() -> None:
    async def test(at: House) -> None:
        headers = {"Host": "10.1.2.3:8080"}
        async with at.session.get(f"{at.url}/healthz", headers=headers) as answer:
            assert (answer.status, await answer.text()) == (200, "ok\n")

    run(test)


def test_a_name_that_was_made_to_lead_here_is_refused() -> None:
    async def test(at: House) -> None:
        async with at.session.get(at.url, headers={**BEARER, "Host": "evil.com"}) as answer:
            assert answer.status == 403
            assert "--allow-origin" in await answer.text()

    run(test)


@pytest.mark.parametrize("origin", ["http://evil.com", "null", "http://127.0.0.1:1"])
def test_a_foreign_origin_is_refused(origin: str) -> None:
    async def test(at: House) -> None:
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await at.connect(Origin=origin)
        assert caught.value.status == 403
        headers = {**BEARER, "Origin": origin}
        async with at.session.post(at.url, headers=headers) as answer:
            assert answer.status == 403
        assert at.received == []

    run(test)


def test_a_websocket_without_an_origin_is_refused() -> None:
    async def test(at: House) -> None:
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await at.session.ws_connect(f"{at.url}/scene", headers=BEARER)
        assert caught.value.status == 403

    run(test)


def test_a_websocket_without_the_token_is_refused() -> None:
    async def test(at: House) -> None:
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await at.connect(Authorization="Bearer x")
        assert caught.value.status == 401

    run(test)


def test_messages_go_both_ways_and_only_those_that_a_page_needs() -> None:
    async def test(at: House) -> None:
        async with at.connect() as page:
            assert page.protocol == "viser-v1"
            for message in (SHARE, b"\xff\x00", CAMERA_MOVED):
                await page.send_bytes(message)
            await page.send_str("text")
            await page.send_bytes(CAMERA_MOVED)
            assert [(await page.receive()).data for _ in range(2)] == [CAMERA_MOVED] * 2
        assert at.received == [CAMERA_MOVED] * 2

    run(test)


def test_the_messages_that_pass_are_of_visers_own_kinds() -> None:
    from viser import _messages

    assert {name for name in ALLOWED if hasattr(_messages, name)} == ALLOWED


def test_a_message_that_is_too_large_ends_the_connection() -> None:
    async def test(at: House) -> None:
        async with at.connect() as page:
            await page.send_bytes(b"x" * (LARGEST_WORD + 1))
            message = await page.receive()
            assert message.type in (WSMsgType.CLOSE, WSMsgType.CLOSED)
            assert page.close_code == 1009
        assert at.received == []

    run(test)


def test_no_more_pages_than_are_allowed_and_a_closed_one_makes_room() -> None:
    async def test(at: House) -> None:
        pages = [await at.connect() for _ in range(MOST_PAGES)]
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await at.connect()
        assert caught.value.status == 503
        async with at.session.get(at.url, headers=BEARER) as answer:
            assert answer.status == 503
            assert answer.headers["Refresh"]
            assert "opens once another is closed" in await answer.text()
        assert at.expected == 0
        await pages[0].close()
        while True:  # The proxy learns of it a moment later.
            try:
                pages[0] = await at.connect()
                break
            except aiohttp.WSServerHandshakeError:
                await asyncio.sleep(0)
        for page in pages:
            await page.close()

    run(test)


def test_viser_listens_on_loopback_alone_and_publishes_nothing() -> None:
    server = start_server()
    try:
        assert socket.inet_aton(server.get_host())[0] == 127
        assert server.request_share_url() is None
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", server.get_port()), timeout=5)
        socket.create_connection((server.get_host(), server.get_port()), timeout=5).close()
    finally:
        server.stop()


@pytest.mark.parametrize("token", ["", "short", "0123456789abcdé!", "0123456789\nabcdef"])
def test_without_a_good_token_it_does_not_start(token: str) -> None:
    with pytest.raises(TrainerFailure, match=r"NERF_VIEWER_TOKEN.*openssl") as caught:
        create_gate({"NERF_VIEWER_TOKEN": token}, [])
    assert caught.value.reason == CONFIG_INVALID


@pytest.mark.parametrize("origin", ["nerf.example.com", "ftp://a", "https://a/b", "*"])
def test_an_origin_that_no_browser_sends_is_refused(origin: str) -> None:
    with pytest.raises(TrainerFailure, match="--allow-origin"):
        create_gate({"NERF_VIEWER_TOKEN": TOKEN}, [origin])


def test_a_job_in_a_cluster_knows_its_service() -> None:
    environment = {"NERF_VIEWER_TOKEN": TOKEN, "NERF_JOB_NAME": "demo"}
    gate = create_gate(environment, ["https://nerf.example.com"])
    assert gate.knows_host("demo-viewer.default.svc:8080")
    assert gate.knows_host(urlsplit("https://nerf.example.com").netloc)
