"""The coordinator over real HTTP on loopback."""

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from elastic_processes import HOST, free_port
from pods import wait_until

from nerf_trainer.coordination import client
from nerf_trainer.coordination.client import Client, RefusedError, UnreachableError
from nerf_trainer.coordination.membership import Settings
from nerf_trainer.coordination.messages import (
    NO_GENERATION,
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
from nerf_trainer.coordination.server import MAX_REQUEST_BYTES, Server

PROMPT = Settings(min_pods=2, member_timeout=2.0, grace=0.0)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server(PROMPT, HOST, 0)
    made.start()
    yield made
    made.stop()


def client_of(server: Server) -> Client:
    return Client(f"{HOST}:{server.port}")


def join_of(pod: int, attempt: int = 1, life: int = 0, step: int = 0, seen: int = 0) -> Join:
    who = Identity(MemberId(pod, 0), Incarnation(0, life), 1, writer=pod == 0)
    return Join(who, attempt, step, seen, f"{HOST}:{1000 + pod}", NO_GENERATION, 0)


def beat_of(join: Join, generation: int) -> Heartbeat:
    return Heartbeat(join.member, GenerationId(generation, 7), 2, generation)


def join_together(server: Server, *joins: Join) -> dict[int, Placement]:
    """Pod -> its placement; every join is sent from a thread of its own until it is placed."""
    placed: dict[int, Placement] = {}

    def ask(join: Join) -> None:
        reply = client_of(server).join(join)
        if reply.placement:
            placed[join.member.id.pod] = reply.placement

    threads = [threading.Thread(target=ask, args=(join,)) for join in joins]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    return placed


def request(
    server: Server, method: str, path: str, body: bytes = b"", authorization: str | None = None
) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(HOST, server.port, timeout=5)
    headers = {} if authorization is None else {"Authorization": authorization}
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    return response.status, json.loads(response.read())


def test_join_leave_replace(server: Server) -> None:
    placed = join_together(server, join_of(0), join_of(1))
    generation = placed[0].generation
    assert placed[0] == Placement(generation, 0, 2, 0, 0, f"{HOST}:1000")
    assert placed[1] == Placement(generation, 1, 2, 0, 0, f"{HOST}:1000")
    assert generation.number == 1
    gone = join_of(1).member
    client_of(server).send(Goodbye(1, gone.incarnation, 0), 2.0)
    replacement = join_of(1, life=1)
    placed = join_together(server, replacement, join_of(0, attempt=2, step=5))
    assert (placed[1].generation.number, placed[1].source) == (2, 0)
    reply = client_of(server).send(beat_of(join_of(1), 1), 2.0)
    assert reply.verdict is Verdict.FENCED


def test_a_new_coordinator_on_the_same_port_goes_on_counting() -> None:
    port = free_port()
    first = Server(PROMPT, HOST, port)
    first.start()
    member = client_of(first)
    join_together(first, join_of(0), join_of(1))
    first.stop()
    with pytest.raises(UnreachableError, match=str(port)):
        member.send(beat_of(join_of(0), 1), 1.0)
    second = Server(PROMPT, HOST, port)
    second.start()
    for pod in (0, 1):
        last = member.send(beat_of(join_of(pod), 1), 1.0)
    assert last.verdict is Verdict.CURRENT
    assert second.coordinator.status()["generation"] == 1
    placed = join_together(second, join_of(0, attempt=2, seen=1), join_of(1, attempt=2, seen=1))
    assert placed[0].generation.number == 2
    second.stop()


def test_status_shows_the_membership(server: Server) -> None:
    client_of(server).send(beat_of(join_of(1), 3), 2.0)
    code, status = request(server, "GET", "/status")
    assert code == 200
    assert status["group"] == {"number": 3, "worldSize": 2, "members": ["1.0"], "over": False}
    assert [m["id"] for m in status["members"]] == ["1.0"]
    assert request(server, "GET", "/healthz") == (200, {})


def test_a_silent_member_disappears_without_further_messages(server: Server) -> None:
    client_of(server).send(beat_of(join_of(1), 3), 2.0)
    wait_until(lambda: not server.coordinator.status()["members"], "the member is given up", 5)


def test_a_member_whose_process_is_dead_is_not_waited_for() -> None:
    patient = Server(Settings(grace=0, member_timeout=60, suspect_timeout=60), HOST, 0)
    patient.start()
    join = patient.coordinator.join
    with socket.create_server((HOST, 0)) as store:
        # It cannot be alone, as it does not read checkpoints: the other comes and makes a group.
        other = replace(join_of(1), store=f"{HOST}:{store.getsockname()[1]}")
        assert join(other, seconds=0).placement is None
        assert _world(join(join_of(0), seconds=0)) == 2
        again = join_of(0, attempt=2, step=5)
        assert join(again, seconds=0.5).placement is None, "it may only be slow"
    assert _world(join(again, seconds=10)) == 1
    patient.stop()


def _world(reply: Reply) -> int:
    """Size of the group that a member is placed in."""
    assert reply.placement is not None
    return reply.placement.world_size


@pytest.mark.parametrize(
    ("path", "body", "why"),
    [
        ("/v1/join", b"{", "not JSON"),
        ("/v1/join", b"\xff", "not JSON"),
        ("/v1/join", b"[]", "expected exactly the fields"),
        ("/v1/heartbeat", encode(join_of(0)), "expected exactly the fields"),
        ("/v1/join", encode(join_of(0)).replace(b'"step": 0', b'"step": "0"'), "Join.step"),
        ("/v1/join", encode(join_of(0)).replace(b'"step": 0', b'"step": true'), "Join.step"),
        ("/v1/join", encode(join_of(0)).replace(b'"step": 0', b'"step": -1'), "Join.step"),
        ("/v1/join", b" " * (MAX_REQUEST_BYTES + 1), "at most"),
        ("/v1/other", b"{}", "no such message"),
    ],
    ids=["torn", "bytes", "list", "other kind", "text", "bool", "negative", "long", "path"],
)
def test_a_bad_message_is_refused_with_its_reason(
    server: Server, path: str, body: bytes, why: str
) -> None:
    code, reply = request(server, "POST", path, body)
    assert code == 400
    assert why in reply["error"]


@pytest.mark.parametrize(
    "message",
    [
        join_of(3),
        beat_of(join_of(1), 2),
        Goodbye(1, Incarnation(2, 3), None),
        Reply(Verdict.CHANGING),
        Reply(Verdict.CURRENT, Placement(GenerationId(1, 5), 0, 2, 0, None, "h:1")),
    ],
)
def test_messages_survive_the_wire(message: Any) -> None:
    assert decode(type(message), encode(message)) == message


def test_a_local_rank_beyond_the_pod_is_refused() -> None:
    with pytest.raises(MessageError, match="local rank 1 of 1"):
        Identity(MemberId(0, 1), Incarnation(0, 0), 1, writer=False)


@pytest.mark.parametrize("address", ["", "host", "host:", "host:x", ":1"])
def test_a_bad_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="HOST:PORT"):
        Client(address)


def test_a_name_that_does_not_resolve_is_just_unreachable() -> None:
    with pytest.raises(UnreachableError):
        Client("no-such-host.invalid:1").send(Goodbye(0, Incarnation(0, 0), None), 0.5)


def test_a_connection_is_not_waited_for_as_long_as_an_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Packets to a pod that is gone are lost."""
    waited = []

    def connect(address: Any, timeout: float, *_: Any) -> None:
        waited.append(timeout)
        raise TimeoutError

    monkeypatch.setattr(client.socket, "create_connection", connect)
    with pytest.raises(UnreachableError):
        Client("127.0.0.1:1").join(join_of(0))
    assert waited == [client.CONNECT_SECONDS]


@pytest.mark.parametrize("kind", ["message", "path"])
def test_another_version_is_a_refusal(
    server: Server, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    if kind == "path":
        monkeypatch.setattr(client, "_PATHS", {Join: "/v2/join"})
    else:
        monkeypatch.setattr(client, "encode", lambda message: b'{"field": "of another version"}')
    with pytest.raises(RefusedError, match=r"HTTP 400: .*same version"):
        client_of(server).join(join_of(0))


def test_a_member_of_another_config_is_told_at_once(server: Server) -> None:
    """Not after the seconds for which a join is held back."""
    client_of(server).send(beat_of(join_of(0), 1), 2.0)
    other = join_of(1)
    other = replace(other, member=replace(other.member, config="other"))
    assert client_of(server).send(other, 2.0) == Reply(Verdict.MISFIT)


@pytest.fixture
def guarded() -> Iterator[Server]:
    made = Server(PROMPT, HOST, 0, token="right")
    made.start()
    yield made
    made.stop()


def test_members_that_show_the_token_are_heard(guarded: Server) -> None:
    member = Client(f"{HOST}:{guarded.port}", "right")
    member.send(beat_of(join_of(1), 3), 2.0)
    code, status = request(guarded, "GET", "/status", authorization="Bearer right")
    assert (code, [m["id"] for m in status["members"]]) == (200, ["1.0"])


@pytest.mark.parametrize("token", [None, "", "wrong", "rightly", "righ", "\xe9"])
def test_without_the_token_nothing_is_heard(guarded: Server, token: str | None) -> None:
    member = Client(f"{HOST}:{guarded.port}", token)
    for message in (join_of(0), beat_of(join_of(0), 3), Goodbye(0, Incarnation(9, 9), None)):
        with pytest.raises(RefusedError, match=r"HTTP 401: .*show the job's token.*same token"):
            member.send(message, 2.0)
    assert not guarded.coordinator.status()["members"]


@pytest.mark.parametrize("authorization", [None, "right", "Basic right", "bearer right", "Bearer"])
def test_without_the_token_nothing_is_decoded_or_told(
    guarded: Server, authorization: str | None
) -> None:
    for method, path in (("POST", "/v1/join"), ("POST", "/v1/other"), ("GET", "/status")):
        code, reply = request(guarded, method, path, b"{", authorization)
        assert (code, list(reply)) == (401, ["error"])
    assert request(guarded, "GET", "/healthz") == (200, {})
