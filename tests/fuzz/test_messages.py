"""The coordinator takes bytes from whoever reaches its port, and messages from its members."""

import json
import socket
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import pytest
from hostile import DEEP, HUGE, damaged, fuzzed, mutated, texts
from hypothesis import example, given
from hypothesis import strategies as st

from nerf_trainer.coordination import membership
from nerf_trainer.coordination.members import State
from nerf_trainer.coordination.membership import Settings, Tick
from nerf_trainer.coordination.messages import (
    GenerationId,
    Goodbye,
    Heartbeat,
    Identity,
    Incarnation,
    Join,
    MemberId,
    MessageError,
    Placement,
    Reply,
    Verdict,
    decode,
    encode,
)
from nerf_trainer.coordination.server import Server

WHO = Identity(MemberId(0, 0), Incarnation(0, 0), 1, writer=True)
JOIN = Join(WHO, 1, 0, 0, "10.0.0.1:29500", GenerationId(1, 7), 1)
BEAT = Heartbeat(WHO, GenerationId(1, 7), 1, 1)
GOODBYE = Goodbye(0, Incarnation(0, 0), None)
REPLY = Reply(Verdict.CURRENT, Placement(GenerationId(1, 7), 0, 1, 0, None, "10.0.0.1:29500"))
SETTINGS = Settings(min_pods=1, member_timeout=2.0, grace=0.0)


def check(message: Any, data: bytes) -> None:
    """It is understood, and says the same again, or it is refused by name."""
    try:
        found = decode(type(message), data)
    except MessageError as error:
        assert str(error)
        return
    assert decode(type(message), encode(found)) == found


@pytest.mark.parametrize("message", [JOIN, BEAT, GOODBYE, REPLY], ids=lambda m: type(m).__name__)
def test_a_message_is_understood_or_refused(message: Any) -> None:
    @fuzzed
    @given(texts(asdict(message)))
    @example(DEEP)
    @example(b"9" * 10_000)
    def run(data: bytes) -> None:
        check(message, data)

    run()


@fuzzed
@given(st.lists(st.one_of(*(mutated(asdict(m)) for m in (JOIN, BEAT, GOODBYE))), max_size=8))
@example([asdict(BEAT) | {"seen": HUGE}])
def test_members_that_speak_strangely_stop_nobody(documents: list[Any]) -> None:
    """Whatever is understood of it, the state machine goes on, and an answer fits its reader."""
    state = State(started=0.0, epoch=1)
    now = 0.0
    for document in documents:
        for kind in (Join, Heartbeat, Goodbye):
            try:
                event = decode(kind, json.dumps(document).encode())
            except MessageError:
                continue
            decided = membership.decide(SETTINGS, state, event, now)
            assert len(encode(decided.reply)) < 4096
            state, now = decided.state, now + 0.1
    state = membership.decide(SETTINGS, state, Tick(), now + 10).state
    assert membership.decide(SETTINGS, state, JOIN, now + 10).reply.verdict in Verdict


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    made = Server(SETTINGS, "127.0.0.1", 0, token="right")
    made.start()
    yield made
    made.stop()


REQUEST = (
    b"POST /v1/join HTTP/1.1\r\nHost: demo\r\nAuthorization: Bearer wrong\r\n"
    b"Content-Length: 2\r\n\r\n{}"
)


def answer(server: Server, data: bytes) -> bytes:
    """What the server says to these bytes, up to the end of the connection."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        found = b""
        try:
            while more := connection.recv(65536):
                found += more
        except ConnectionResetError:
            return found
    return found


def test_bytes_of_strangers_change_nothing(
    server: Server, capfd: pytest.CaptureFixture[str]
) -> None:
    @fuzzed
    @given(damaged(REQUEST) | st.binary(max_size=200))
    @example(REQUEST.replace(b"Content-Length: 2", b"Content-Length: " + b"9" * 5000))
    @example(REQUEST.replace(b"Content-Length: 2", b"Content-Length: -1"))
    @example(REQUEST.replace(b"wrong", b"\xff\xfe"))
    def run(data: bytes) -> None:
        told = answer(server, data)
        assert b" 200 " not in told.split(b"\r\n")[0] or data.startswith(b"GET /healthz")

    run()
    assert server.coordinator.status()["members"] == []
    assert "Traceback" not in capfd.readouterr().err
    assert b" 200 " in answer(server, b"GET /healthz HTTP/1.1\r\n\r\n")
