"""The worker's HTTP server: /metrics, /status and /healthz.

It answers before photos are read, or torch is imported where the process was not forked with it, so
that a worker that is still starting says so.
"""

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from nerf_contract import names
from nerf_trainer.metrics import TrainerMetrics
from nerf_trainer.progress import Board
from nerf_trainer.stage import StageBoard

Answer = tuple[int, str, bytes]  # status, content type, body
PROMETHEUS_TEXT = "text/plain; version=0.0.4; charset=utf-8"


class StatusServer:
    """Serves in a daemon thread until the process ends, or `close`. A stage has no metrics."""

    def __init__(
        self, board: Board | StageBoard, metrics: TrainerMetrics | None, host: str, port: int
    ) -> None:
        routes = {"/status": lambda: _status(board), "/healthz": lambda: _health(board)}
        if metrics is not None:
            routes["/metrics"] = lambda: (200, PROMETHEUS_TEXT, metrics.text())
        self._server = ThreadingHTTPServer((host, port), partial(_Handler, routes))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that are listened on."""
        host, port = self._server.server_address[:2]
        return str(host), int(port)

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


def start_server(
    board: Board | StageBoard, metrics: TrainerMetrics | None = None, local_rank: int = 0
) -> StatusServer:
    """Listen on the port of this process: for all in a pod, else for this machine alone.

    Outside a pod another training may hold the port; any free one does then.
    """
    port = names.TRAINER_HTTP_PORT + local_rank
    if names.ENV_POD_IP in os.environ:
        return StatusServer(board, metrics, "", port)
    try:
        return StatusServer(board, metrics, "127.0.0.1", port)
    except OSError:
        return StatusServer(board, metrics, "127.0.0.1", 0)


def _status(board: Board | StageBoard) -> Answer:
    body = board.progress.model_dump_json(by_alias=True)
    return 200, "application/json", body.encode()


def _health(board: Board | StageBoard) -> Answer:
    if board.ready.is_set():
        return 200, "text/plain", b"ok\n"
    return 503, "text/plain", b"still starting\n"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30

    def __init__(self, routes: dict[str, Callable[[], Answer]], *args: object) -> None:
        self._routes = routes
        super().__init__(*args)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        route = self._routes.get(self.path.partition("?")[0])
        status, kind, body = route() if route else (404, "text/plain", b"not found\n")
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        with suppress(ConnectionError):  # Who asked may have stopped waiting.
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Requests are not worth a log line."""
