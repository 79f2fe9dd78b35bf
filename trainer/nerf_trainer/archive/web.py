"""HTTPS from public addresses only: what a job fetches must not reach into the cluster's network,
but for those of its networks that an administrator has named.

A host is looked up once, and the connection goes to the address that was checked, so that a name
which is answered differently the next time gains nothing.
"""

import http.client
import ipaddress
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from nerf_contract.names import ENV_ARCHIVE_NETWORKS
from nerf_contract.reasons import ARCHIVE_INVALID, ARCHIVE_UNREACHABLE
from nerf_trainer.failures import TrainerFailure

TIMEOUT_SECONDS = 30
#: For an answer's head: a server that sends a byte now and then meets no timeout of a socket.
HEAD_SECONDS = 60.0
#: What stays as it is in the path of an address; all else that is no letter or digit is encoded.
PLAIN = "/%:=&?~+!$,;'@()*[]"
FIELD = "dataset.archive.url"
VOLUME_INSTEAD = "put the photos on a PersistentVolumeClaim, and name it as dataset.claimName"
MAX_REDIRECTS = 5
#: Answers that another try will not change.
FINAL = frozenset({400, 401, 403, 404, 405, 410, 451})
#: IPv6 addresses that lead to IPv4 ones or to a site, though they look global.
TRANSLATED = tuple(
    ipaddress.ip_network(network)
    for network in ("64:ff9b::/96", "64:ff9b:1::/48", "::/96", "fec0::/10")
)
REDIRECTS = frozenset({301, 302, 303, 307, 308})


def resolve(host: str, port: int) -> list[str]:
    """All addresses of a host. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the Internet: not to this machine, cluster or link."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if any(ip in network for network in TRANSLATED if ip.version == network.version):
        return False
    inner = getattr(ip, "ipv4_mapped", None) or getattr(ip, "sixtofour", None)
    teredo = getattr(ip, "teredo", None)
    hidden = [part for part in (inner, *(teredo or ())) if part is not None]
    return all(part.is_global and not part.is_multicast for part in (ip, *hidden))


def allowed(environment: Mapping[str, str] = os.environ) -> Callable[[str], bool]:
    """Which addresses archives come from: public ones, and those in the networks that whoever
    installed the operator has named (NERF_ARCHIVE_NETWORKS). Raises ValueError."""
    listed = environment.get(ENV_ARCHIVE_NETWORKS, "").split(",")
    networks = [ipaddress.ip_network(cidr) for cidr in listed if cidr]

    def check(address: str) -> bool:
        ip = ipaddress.ip_address(address.partition("%")[0])
        return any(ip in network for network in networks) or is_public(address)

    return check


def connect(address: str, port: int) -> socket.socket:
    """A TCP connection."""
    return socket.create_connection((address, port), timeout=TIMEOUT_SECONDS)


@dataclass(frozen=True)
class Web:
    """How the web is reached. Only tests use another one."""

    resolve: Callable[[str, int], list[str]] = resolve
    allowed: Callable[[str], bool] = is_public
    connect: Callable[[str, int], socket.socket] = connect
    pause: Callable[[float], None] = time.sleep
    trust: ssl.SSLContext = field(default_factory=ssl.create_default_context)

    def get(self, url: str, headers: dict[str, str]) -> http.client.HTTPResponse:
        """Follow redirects to an answer of 200, 206 or 416.

        Raises TrainerFailure: ArchiveInvalid where another try will not help, else
        ArchiveUnreachable.
        """
        for _ in range(MAX_REDIRECTS + 1):
            answer = self._ask(_checked(url), headers)
            if answer.status not in REDIRECTS:
                return _usable(url, answer)
            answer.close()
            url = _joined(url, answer.headers.get("Location", ""))
        raise invalid(
            f"more than {MAX_REDIRECTS} redirects follow one another. Give the address of the file"
        )

    def _ask(self, url: SplitResult, headers: dict[str, str]) -> http.client.HTTPResponse:
        host, port = url.hostname or "", url.port or 443
        path = quote((url.path or "/") + (f"?{url.query}" if url.query else ""), safe=PLAIN)
        try:
            connection = _Connection(host, port, self._address(host, port), self)
            connection.connect()
            with patience(connection.sock.fileno(), HEAD_SECONDS):
                connection.request("GET", path, headers={"User-Agent": "nerf-operator"} | headers)
                answer = connection.getresponse()
        except ssl.SSLCertVerificationError as error:
            raise invalid(
                f"the certificate of {host} is not trusted ({error.verify_message}). Use a server "
                f"with one of a public authority for that name, or {VOLUME_INSTEAD}"
            ) from error
        except (OSError, http.client.HTTPException) as error:
            raise unreachable(
                f"{host} does not answer ({error or type(error).__name__})"
            ) from error
        return answer

    def _address(self, host: str, port: int) -> str:
        """The first address of a host, all of whose addresses are allowed."""
        try:
            found = self.resolve(host, port)
        except OSError as error:
            raise unreachable(f"the name {host} is not known ({error.strerror})") from error
        except ValueError as error:
            raise invalid(f"{host[:200]} is not a host's name. Correct {FIELD}") from error
        private = [address for address in found if not self.allowed(address)]
        if private:
            raise invalid(
                f"{host} is {private[0]}, which is not a public address. Use a public server, or "
                f"{VOLUME_INSTEAD}"
            )
        return found[0]


class _Connection(http.client.HTTPSConnection):
    """A connection to one address, whose certificate must be that of the host's name."""

    def __init__(self, host: str, port: int, address: str, web: Web) -> None:
        super().__init__(host, port, timeout=TIMEOUT_SECONDS)
        self._address = address
        self._web = web

    def connect(self) -> None:
        """Connect to the address that was checked."""
        plain = self._web.connect(self._address, self.port)
        with patience(plain.fileno(), HEAD_SECONDS):
            self.sock = self._web.trust.wrap_socket(plain, server_hostname=self.host)


def _checked(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError:
        raise invalid(f"{url[:200]} is not an address. Correct {FIELD}") from None
    if parts.scheme != "https" or not parts.hostname or parts.username or not port_is_valid:
        raise invalid(f"it leads to {url[:200]}, and only https is fetched. Correct {FIELD}")
    return parts


def _joined(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError:
        raise invalid(f"it leads to {location[:200]}, which is not an address") from None


def _usable(url: str, answer: http.client.HTTPResponse) -> http.client.HTTPResponse:
    if answer.status in (200, 206, 416):
        return answer
    answer.close()
    told = f"{urlsplit(url).hostname} answers {answer.status} {answer.reason}"
    if answer.status in FINAL:
        raise invalid(f"{told}. Correct {FIELD}, or let the server give the file to everyone")
    raise unreachable(told)


@contextmanager
def patience(connection: int, seconds: float) -> Iterator[None]:
    """Cut a connection, by its file descriptor, that is at something for longer than that.

    Raises TrainerFailure (ArchiveUnreachable) then.
    """
    over = threading.Event()
    own = socket.socket(fileno=os.dup(connection))  # It outlives the one that is given.

    def cut() -> None:
        over.set()
        with suppress(OSError):
            own.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    except Exception:
        if not over.is_set():
            raise
    finally:
        timer.cancel()
        timer.join()
        own.close()
    if over.is_set():
        raise unreachable(f"the server is too slow: {seconds:g} s were not enough for what it sent")


def invalid(why: str) -> TrainerFailure:
    """The archive can never be used."""
    return TrainerFailure(ARCHIVE_INVALID, f"dataset.archive: {why}.")


def unreachable(why: str) -> TrainerFailure:
    """The archive could not be fetched now."""
    return TrainerFailure(ARCHIVE_UNREACHABLE, f"dataset.archive: {why}. It is tried again.")
