"""Who may use the page: checks of a request's headers.

The token keeps strangers out. The other two checks keep out pages of other sites in the browser of
somebody who has the token: Origin, those that open our websocket; Host, those whose name was made
to lead to us (DNS rebinding).
"""

import hashlib
import hmac
from dataclasses import dataclass
from urllib.parse import urlsplit

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
#: Names of a Service that no public DNS has: by itself, and in its namespace.
CLUSTER_SUFFIXES = ("svc", "svc.cluster.local")


@dataclass(frozen=True)
class Gate:
    """What a request must show.

    service: name of our Service; empty outside Kubernetes. origins: further ones, such as
    https://nerf.example.com of an ingress.
    """

    token: str
    service: str = ""
    origins: frozenset[str] = frozenset()

    @property
    def cookie(self) -> str:
        """Name of the cookie. All ports of a host share cookies, so each viewer has its own."""
        return f"nerf-viewer-{hashlib.sha256(self.token.encode()).hexdigest()[:12]}"

    @property
    def proof(self) -> str:
        """What the cookie holds: proof that its owner had the token, which it does not tell."""
        return hmac.new(self.token.encode(), b"cookie", hashlib.sha256).hexdigest()

    def knows_host(self, host: str) -> bool:
        """Whether the Host header names this machine, our Service or an allowed origin's host."""
        name = _hostname(host)
        if name in LOOPBACK or host.lower() in {urlsplit(o).netloc.lower() for o in self.origins}:
            return True
        service, _, rest = name.partition(".")
        if not self.service or service != self.service:
            return False
        return not rest or rest.partition(".")[2] in CLUSTER_SUFFIXES

    def knows_origin(self, origin: str, host: str) -> bool:
        """Whether the Origin header is of a page of ours, or of an allowed origin."""
        if origin in self.origins:
            return True
        scheme, _, rest = origin.lower().partition("://")
        return scheme in ("http", "https") and rest == host.lower()

    def knows_token(self, given: str | None) -> bool:
        """Whether it is the token, in constant time."""
        return _same(given, self.token)

    def knows_proof(self, given: str | None) -> bool:
        """Whether it is what our cookie holds, in constant time."""
        return _same(given, self.proof)


def _same(given: str | None, wanted: str) -> bool:
    """A header's bytes that are no UTF-8 come as surrogates, which are to be compared, too."""
    if given is None:
        return False
    return hmac.compare_digest(given.encode(errors="surrogatepass"), wanted.encode())


def bearer(header: str) -> str | None:
    """The token of an Authorization header."""
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _hostname(host: str) -> str:
    """The name in a Host header, without the port; empty where there is none."""
    if set(host) & set("@/?#\\"):
        return ""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
