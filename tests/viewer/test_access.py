"""Who is let in to the viewer's page."""

import pytest

from nerf_trainer.viewer.access import Gate, bearer

TOKEN = "0123456789abcdef"
GATE = Gate(TOKEN, service="demo-viewer", origins=frozenset({"https://nerf.example.com"}))


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("localhost", True),
        ("LOCALHOST:8080", True),
        ("127.0.0.1:40123", True),
        ("[::1]:8080", True),
        ("demo-viewer:8080", True),
        ("demo-viewer.default.svc:8080", True),
        ("demo-viewer.default.svc.cluster.local", True),
        ("nerf.example.com", True),
        ("", False),
        ("[::1", False),
        ("evil.com", False),
        ("localhost.evil.com", False),
        ("127.0.0.1.evil.com", False),
        ("demo-viewer.com", False),
        ("demo-viewer.evil.com", False),
        ("demo-viewer.svc.evil.com", False),
        ("other-viewer.default.svc", False),
        ("nerf.example.com.evil.com", False),
        ("evil.com@localhost:x", False),
    ],
)
def test_host(host: str, known: bool) -> None:
    assert GATE.knows_host(host) is known


def test_without_a_service_only_this_machine_is_known() -> None:
    gate = Gate(TOKEN)
    assert gate.knows_host("localhost:1")
    assert not gate.knows_host("")
    assert not gate.knows_host(".default.svc")


@pytest.mark.parametrize(
    ("origin", "known"),
    [
        ("http://localhost:8080", True),
        ("https://localhost:8080", True),
        ("https://nerf.example.com", True),
        ("http://nerf.example.com", False),
        ("http://localhost:9090", False),
        ("http://localhost", False),
        ("http://evil.com", False),
        ("file://localhost:8080", False),
        ("null", False),
        ("", False),
    ],
)
def test_origin(origin: str, known: bool) -> None:
    assert GATE.knows_origin(origin, "localhost:8080") is known


@pytest.mark.parametrize("given", [None, "", TOKEN[:-1], TOKEN + "0", "tökén"])
def test_another_token_is_refused(given: str | None) -> None:
    assert GATE.knows_token(TOKEN)
    assert not GATE.knows_token(given)


def test_two_viewers_on_one_host_have_cookies_of_their_own() -> None:
    assert GATE.cookie != Gate("another-token-of-16").cookie
    assert TOKEN not in GATE.cookie


@pytest.mark.parametrize(
    ("header", "token"),
    [("Bearer abc", "abc"), ("bearer  abc ", "abc"), ("Basic abc", None), ("", None)],
)
def test_bearer(header: str, token: str | None) -> None:
    assert bearer(header) == token


def test_the_cookie_proves_the_token_and_does_not_tell_it() -> None:
    assert GATE.knows_proof(GATE.proof)
    assert TOKEN not in GATE.proof + GATE.cookie
    for other in (None, "", TOKEN, Gate("another-token-16").proof):
        assert not GATE.knows_proof(other)
    assert not GATE.knows_token(GATE.proof)
