"""An address on this machine that works once, and leads to one that nobody else may know.

What a process is started with, such as a browser and the page that it opens, can be read by every
user of the machine.
"""

import secrets
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HOST = "127.0.0.1"
#: Seconds that a browser may take to start.
LIFETIME_S = 60.0


def lead_to(address: str) -> str:
    """The URL that leads to `address` for who asks first, and for a while only."""
    path = f"/{secrets.token_urlsafe(16)}"
    server = ThreadingHTTPServer((HOST, 0), partial(_Answer, {path: address}))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    end = threading.Timer(LIFETIME_S, _end, [server])
    end.daemon = True
    end.start()
    return f"http://{HOST}:{server.server_address[1]}{path}"


def _end(server: ThreadingHTTPServer) -> None:
    server.shutdown()
    server.server_close()


class _Answer(BaseHTTPRequestHandler):
    timeout = 10

    def __init__(self, left: dict[str, str], *args: object) -> None:
        self._left = left
        super().__init__(*args)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        """Lead on, once."""
        address = self._left.pop(self.path, None)
        self.send_response(404 if address is None else 303)
        if address is not None:
            self.send_header("Location", address)
        self.send_header("Cache-Control", "no-store")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""
