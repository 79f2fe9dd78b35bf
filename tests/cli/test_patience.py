"""Requests to an API server that hangs, is overloaded or goes away, over real connections."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from kubernetes import client
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from nerf_cli import patience
from nerf_cli.patience import PAUSES, PatientClient, TimedClient

#: What a server does with a connection: send this, close it, or (None) leave it open in silence.
Deed = bytes | None
JOB = b'{"kind": "NeRFJob"}'
PATH = ("nerfops.dev", "v1alpha1", "default", "nerfjobs")


def answer(status: int, body: bytes = b"{}") -> bytes:
    head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nConnection: close\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


@contextmanager
def server(*deeds: Deed) -> Iterator[tuple[str, list[bytes]]]:
    """Does one of them for each connection; its address, and the requests that came."""
    asked: list[bytes] = []
    held: list[socket.socket] = []

    def serve() -> None:
        for deed in deeds:
            connection, _ = listener.accept()
            asked.append(connection.recv(65536))
            if deed is None:
                held.append(connection)
                continue
            connection.sendall(deed)
            connection.close()
        listener.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", asked
    for connection in held:
        connection.close()


def configuration(address: str) -> client.Configuration:
    found = client.Configuration(host=address)
    found.retries = 0
    return found


class Told:
    """A patient client, what it says, and its pauses."""

    def __init__(self, address: str) -> None:
        self.lines: list[str] = []
        self.pauses: list[float] = []
        self.api = PatientClient(configuration(address), self.lines.append, self.pauses.append)


def read(api: client.ApiClient) -> object:
    return client.CustomObjectsApi(api).get_namespaced_custom_object(*PATH, "demo")


def create(told: Told) -> None:
    client.CustomObjectsApi(told.api).create_namespaced_custom_object(*PATH, {})


def test_a_server_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "TIMEOUT", (5.0, 0.2))
    with server(None) as (address, _), pytest.raises(HTTPError, match="timed out"):
        read(TimedClient(configuration(address)))


@pytest.mark.parametrize("trouble", [answer(503), answer(429), answer(500), b""])
def test_a_short_absence_is_waited_for_and_said(trouble: bytes) -> None:
    with server(trouble, trouble, answer(200, JOB)) as (address, asked):
        told = Told(address)
        assert read(told.api) == {"kind": "NeRFJob"}
    assert len(asked) == 3
    assert tuple(told.pauses) == PAUSES[:2]
    [line] = told.lines
    assert "trying again for" in line


def test_patience_ends() -> None:
    with server(*[answer(503)] * (len(PAUSES) + 1)) as (address, _):
        told = Told(address)
        with pytest.raises(ApiException) as caught:
            read(told.api)
    assert caught.value.status == 503
    assert tuple(told.pauses) == PAUSES
    assert 60 <= sum(PAUSES) <= 300


def test_a_refusal_is_an_answer() -> None:
    with server(answer(403)) as (address, _):
        told = Told(address)
        with pytest.raises(ApiException):
            create(told)
    assert told.pauses == []


@pytest.mark.parametrize("trouble", [b"", answer(500)])
def test_what_may_have_been_created_is_not_created_twice(trouble: bytes) -> None:
    with server(trouble, answer(201)) as (address, asked):
        told = Told(address)
        with pytest.raises((HTTPError, ApiException)):
            create(told)
        assert len(asked) == 1
    assert told.pauses == []


def test_what_certainly_was_not_created_is_tried_again() -> None:
    with server(answer(429), answer(201)) as (address, asked):
        told = Told(address)
        create(told)
    assert len(asked) == 2
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
    told = Told(address)
    with pytest.raises(HTTPError):
        create(told)
    assert tuple(told.pauses) == PAUSES
