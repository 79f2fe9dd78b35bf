"""The coordinator: membership over HTTP, one POST a message.

POST /v1/heartbeat   Heartbeat -> Reply
POST /v1/join        Join      -> Reply; held back for some seconds while there is no group
POST /v1/goodbye     Goodbye   -> Reply
GET  /status         the membership as JSON, for people
GET  /healthz        200

Where the job has a token, all but /healthz want it: 401 without, and nothing is decoded.
"""

import ipaddress
import json
import logging
import os
import random
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from nerf_trainer.coordination import membership
from nerf_trainer.coordination.members import Member, State, suspects
from nerf_trainer.coordination.membership import Event, Settings, Tick
from nerf_trainer.coordination.messages import (
    Goodbye,
    Heartbeat,
    Join,
    MessageError,
    Reply,
    Verdict,
    decode,
    encode,
)
from nerf_trainer.coordination.token import shown

log = logging.getLogger(__name__)

MAX_REQUEST_BYTES = 4096
#: How long a join is held back before the member has to ask again. Short: others wait for one who
#: waits for the answer of a coordinator that is gone.
POLL_SECONDS = 2.0
TICK_SECONDS = 0.1
#: How long a suspect's machine may take to say that nobody listens at its store's port.
PROBE_SECONDS = 0.2
#: A connection that sends nothing for this long is closed.
IDLE_SECONDS = 5.0


class Coordinator:
    """The state machine behind a lock, with a clock and a log."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._changed = threading.Condition()
        self._state = State(started=clock(), epoch=time.time_ns())

    def handle(self, event: Event) -> Reply:
        """Let `event` happen now."""
        with self._changed:
            return self._handle(event)

    def join(self, event: Join, seconds: float = POLL_SECONDS) -> Reply:
        """Like `handle`, but wait up to `seconds` for a placement."""
        with self._changed:
            reply = self._handle(event)
            if reply.verdict is not Verdict.CURRENT or reply.placement:
                return reply
            self._changed.wait_for(lambda: self._answer(event).placement, seconds)
            return self._answer(event)

    def suspects(self) -> list[Member]:
        """Those who may have broken the group."""
        with self._changed:
            return [self._state.members[id] for id in suspects(self._state)]

    def status(self) -> dict[str, Any]:
        """The membership as plain JSON types."""
        with self._changed:
            return _describe(self._state, self._clock())

    def _handle(self, event: Event) -> Reply:
        decision = membership.decide(self._settings, self._state, event, self._clock())
        self._state = decision.state
        for note in decision.notes:
            log.info(note)
        self._changed.notify_all()
        return decision.reply

    def _answer(self, event: Join) -> Reply:
        return membership.answer(self._state, event)


def _describe(state: State, now: float) -> dict[str, Any]:
    group = state.group
    return {
        "generation": state.number,
        "group": group
        and {
            "number": group.id.number,
            "worldSize": group.world_size,
            "members": sorted(map(str, group.members)),
            "over": group.over,
        },
        "members": [
            {
                "id": str(id),
                "incarnation": asdict(member.identity.incarnation),
                "generation": member.generation.number,
                "waiting": member.waiting,
                "aside": member.aside,
                "step": member.step,
                "silentSeconds": round(now - member.heard, 3),
            }
            for id, member in sorted(state.members.items())
        ],
    }


class Server:
    """Serves a coordinator from daemon threads.

    host: address to bind. port: 0 takes a free one. token: what requests must show, or None.
    Raises: OSError when the address cannot be bound.
    """

    def __init__(self, settings: Settings, host: str, port: int, token: str | None = None) -> None:
        self.coordinator = Coordinator(settings)
        self._http = _http_server(self.coordinator, host, port, token)
        # The processes that an agent forks would hold its port.
        os.register_at_fork(after_in_child=self._http.socket.close)
        self._stopped = threading.Event()
        bound, self.port = self._http.server_address[:2]
        self.host = str(bound)

    def start(self) -> None:
        """Begin to serve; returns at once."""
        serve = self._http.serve_forever
        threading.Thread(target=serve, args=(0.05,), name="coordinator", daemon=True).start()
        threading.Thread(target=self._tick, name="coordinator-tick", daemon=True).start()
        log.info("coordinator listens on %s:%s", self.host, self.port)

    def stop(self) -> None:
        """End; requests held back are dropped."""
        self._stopped.set()
        self._http.shutdown()
        self._http.server_close()

    def _tick(self) -> None:
        while not self._stopped.wait(TICK_SECONDS):
            self.coordinator.handle(Tick())
            if suspects := self.coordinator.suspects():
                # One at a time: each may take its time, and others must not wait for that.
                self._ask_for(random.choice(suspects))

    def _ask_for(self, suspect: Member) -> None:
        """Give up a member whose machine says that it is dead."""
        if suspect.join and _is_deserted(suspect.join.store):
            who = suspect.identity
            log.info("lost %s: nobody listens at %s", who.id, suspect.join.store)
            self.coordinator.handle(Goodbye(who.id.pod, who.incarnation, who.id.local_rank))


def _is_deserted(address: str) -> bool:
    """Whether the process that listened at host:port is dead. Silence proves nothing."""
    host, _, port = address.rpartition(":")
    try:
        ip = ipaddress.ip_address(host.strip("[]"))  # Names could take long to be looked up.
        socket.create_connection((str(ip), int(port)), PROBE_SECONDS).close()
    except ConnectionRefusedError:
        return True
    except (OSError, ValueError, OverflowError):
        return False
    return False


def _http_server(
    coordinator: Coordinator, host: str, port: int, token: str | None
) -> ThreadingHTTPServer:
    class HttpServer(ThreadingHTTPServer):
        address_family = _family(host)
        daemon_threads = True
        request_queue_size = 128

    class Handler(_Handler):
        pass

    Handler.coordinator, Handler.token = coordinator, token
    return HttpServer((host, port), Handler)


def _family(host: str) -> socket.AddressFamily:
    try:
        version = ipaddress.ip_address(host).version
    except ValueError:
        version = 4
    return socket.AF_INET6 if version == 6 else socket.AF_INET


_UNAUTHORIZED = "the request does not show the job's token"


class _Handler(BaseHTTPRequestHandler):
    coordinator: Coordinator
    token: str | None
    timeout = IDLE_SECONDS

    def do_GET(self) -> None:
        if self.path == "/healthz":
            self._send(200, b"{}")
        elif not self._may_speak():
            self._fail(401, _UNAUTHORIZED)
        elif self.path == "/status":
            self._send(200, json.dumps(self.coordinator.status()).encode())
        else:
            self._fail(404, f"no such page: {self.path}")

    def do_POST(self) -> None:
        try:
            body = self._body()
            if not self._may_speak():
                self._fail(401, _UNAUTHORIZED)
                return
            reply = self._dispatch(body)
        except MessageError as error:
            self._fail(400, str(error))
        else:
            self._send(200, encode(reply))

    def _dispatch(self, body: bytes) -> Reply:
        match self.path:
            case "/v1/heartbeat":
                return self.coordinator.handle(decode(Heartbeat, body))
            case "/v1/join":
                return self.coordinator.join(decode(Join, body))
            case "/v1/goodbye":
                return self.coordinator.handle(decode(Goodbye, body))
            case _:
                raise MessageError(f"no such message: {self.path}")

    def _may_speak(self) -> bool:
        return shown(self.token, self.headers.get("Authorization"))

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or len(length) > 9 or int(length) > MAX_REQUEST_BYTES:
            raise MessageError(f"a message needs a length of at most {MAX_REQUEST_BYTES} bytes")
        return self.rfile.read(int(length))

    def _fail(self, code: int, why: str) -> None:
        log.warning("refused %s from %s: %s", self.path, self.client_address[0], why)
        self._send(code, json.dumps({"error": why}).encode())

    def _send(self, code: int, body: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        with suppress(ConnectionError):  # Who waited for a place may have left.
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Be silent: two requests a second and member are not worth a line each."""
