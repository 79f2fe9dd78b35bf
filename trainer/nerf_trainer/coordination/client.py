"""Talk to the coordinator. Every failure is an `UnreachableError`: try again later."""

import http.client
import socket
from typing import Any

from nerf_trainer.coordination.messages import (
    Goodbye,
    Heartbeat,
    Join,
    MessageError,
    Reply,
    decode,
    encode,
)
from nerf_trainer.coordination.server import POLL_SECONDS
from nerf_trainer.coordination.token import header

_PATHS = {Heartbeat: "/v1/heartbeat", Join: "/v1/join", Goodbye: "/v1/goodbye"}
_MAX_REPLY_BYTES = 4096
#: The packets to a pod that is gone are lost: who waited for as long as an answer may take would
#: miss the next coordinator's first seconds. Long enough for one that has to be sent again.
CONNECT_SECONDS = 1.5


class UnreachableError(Exception):
    """No answer now: no network, no such name, or nobody there."""


class RefusedError(UnreachableError):
    """An answer, but none that this process can use: it has another token or another version."""


class Client:
    """One coordinator, by name.

    address: host:port. The name is looked up again only after a failure, so that training does
    not depend on the cluster's DNS, yet follows a Service that was made anew.
    token: of the job; None where it has none.
    """

    def __init__(self, address: str, token: str | None = None) -> None:
        host, _, port = address.rpartition(":")
        if not host or not port.isdecimal():
            raise ValueError(f"the coordinator's address must be HOST:PORT, not {address!r}")
        self._name = host.strip("[]")
        self._port = int(port)
        self._headers = {"Content-Type": "application/json"} | header(token)
        self._ip: str | None = None

    def send(self, message: Heartbeat | Join | Goodbye, seconds: float) -> Reply:
        """Deliver `message`; waits at most about `seconds` at each stage, less for a connection.

        Raises: UnreachableError; RefusedError where somebody answers, but nothing that helps.
        """
        try:
            return self._post(_PATHS[type(message)], encode(message), seconds)
        except (OSError, http.client.HTTPException, MessageError) as error:
            self._ip = None
            kind = RefusedError if isinstance(error, MessageError) else UnreachableError
            raise kind(f"{self._name}:{self._port}: {error}") from error

    def join(self, message: Join) -> Reply:
        """One long poll."""
        return self.send(message, POLL_SECONDS + 1.0)

    def _post(self, path: str, body: bytes, seconds: float) -> Reply:
        ip = self._ip or self._resolve()
        connecting = min(seconds, CONNECT_SECONDS)
        connection = http.client.HTTPConnection(ip, self._port, timeout=connecting)
        try:
            connection.connect()
            connection.sock.settimeout(seconds)
            connection.request("POST", path, body, self._headers)
            reply = _read(connection.getresponse())
        finally:
            connection.close()
        self._ip = ip
        return reply

    def _resolve(self) -> str:
        found: Any = socket.getaddrinfo(self._name, self._port, type=socket.SOCK_STREAM)
        return str(found[0][4][0])


def _read(response: http.client.HTTPResponse) -> Reply:
    body = response.read(_MAX_REPLY_BYTES)
    if response.status >= 500:
        raise http.client.HTTPException(_told(response, body))
    if response.status == 401:
        raise MessageError(f"{_told(response, body)}. All pods of a job need the same token.")
    if response.status != 200:
        raise MessageError(f"{_told(response, body)}. All pods of a job need the same version.")
    return decode(Reply, body)


def _told(response: http.client.HTTPResponse, body: bytes) -> str:
    return f"HTTP {response.status}: {body.decode(errors='replace')}"
