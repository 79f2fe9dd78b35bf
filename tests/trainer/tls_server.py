"""A web server with a certificate of a test authority, on loopback alone."""

import ssl
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HOST = "photos.example"


@dataclass
class Site:
    """What the server answers, by path, and what it was asked for.

    files: content. redirects: targets. cut: bytes after which a connection is closed, once.
    lengths: what is announced instead of the true length. streams: content that comes piece by
    piece, unannounced, head and all, until the client has had enough.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    status: dict[str, int] = field(default_factory=dict)
    lengths: dict[str, str] = field(default_factory=dict)
    streams: dict[str, Callable[[], Iterable[bytes]]] = field(default_factory=dict)
    cut: int | None = None
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    port: int = 0
    authority: Path = Path()

    def url(self, path: str) -> str:
        """Address of a path."""
        return f"https://{HOST}:{self.port}{path}"


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, site: Site, *args: object) -> None:
        self._site = site
        super().__init__(*args)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        site, start = self._site, self.headers.get("Range")
        site.asked.append((self.path, start))
        if self.path in site.redirects:
            self._head(302, {"Location": site.redirects[self.path], "Content-Length": "0"})
        elif self.path in site.streams:
            with suppress(OSError):  # The client has gone.
                for piece in site.streams[self.path]():
                    self.wfile.write(piece)
        elif self.path in site.files:
            self._send(site.files[self.path], int(start[6:-1]) if start else 0)
        else:
            self._head(site.status.get(self.path, 404), {"Content-Length": "0"})

    def _send(self, data: bytes, start: int) -> None:
        if start and start >= len(data):
            self._head(416, {"Content-Length": "0"})
            return
        body = data[start:]
        length = self._site.lengths.get(self.path, str(len(body)))
        self._head(206 if start else 200, {"Content-Length": length})
        cut, self._site.cut = self._site.cut, None
        self.wfile.write(body[:cut])

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""


def make_certificate(folder: Path) -> Path:
    """A certificate for HOST that is its own authority, with its key beside it."""
    certificate, key = folder / "site.pem", folder / "site.key"
    options = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2")
    names = ("-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}")
    files = ("-keyout", str(key), "-out", str(certificate))
    command = ["openssl", "req", "-x509", *options, *names, *files]
    subprocess.run(command, check=True, capture_output=True)
    return certificate


@contextmanager
def serve(site: Site, certificate: Path) -> Iterator[Site]:
    """Serve a site."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, site))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    site.port, site.authority = server.server_address[1], certificate
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
