"""kopf as a mere watcher: how it is configured, and how it connects."""

import random
import ssl
from collections.abc import Iterator
from typing import Any

import kopf

from nerf_operator.cluster import watching


class Backoffs:
    """Pauses of kopf's own calls while the API server is away: jittered, without end."""

    def __iter__(self) -> Iterator[float]:
        pause = 0.5
        while True:
            yield pause * random.uniform(0.7, 1.3)
            pause = min(5.0, pause * 2)


class NoDiffs(kopf.DiffBaseStorage):
    """kopf compares nothing: `plan` decides by what is, not by what has changed."""

    def build(self, **_: Any) -> kopf.BodyEssence:
        """Nothing to compare."""
        return kopf.BodyEssence()

    def fetch(self, **_: Any) -> kopf.BodyEssence | None:
        """Nothing was stored."""
        return None

    def store(self, **_: Any) -> None:
        """Nothing is stored, so no annotation is written."""


def configure(settings: kopf.OperatorSettings) -> None:
    """kopf as a mere watcher: it writes nothing, and never gives up."""
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.peering.standalone = True
    settings.persistence.diffbase_storage = NoDiffs()
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 330
    settings.watching.connect_timeout = 10
    settings.watching.chunk_size = watching.PAGE
    settings.networking.request_timeout = 60
    settings.networking.connect_timeout = 10
    settings.networking.error_backoffs = Backoffs()
    # A worker per object is only needed while its event is handled, which takes microseconds.
    # No worker_limit: one that waits for this long would hold up the event of another object.
    settings.queueing.idle_timeout = 0.2


class Connection(kopf.ConnectionInfo):
    """Credentials that also accept the authorities of clusters as they are.

    Since Python 3.13 a CA must have extensions that RFC 5280 asks for and that the certificates of
    many clusters lack. Signatures, names and dates are verified as before.
    """

    def as_ssl_context(self) -> ssl.SSLContext:
        """A context that verifies the server, without VERIFY_X509_STRICT."""
        context = super().as_ssl_context()
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        return context


def connect(settings: kopf.OperatorSettings) -> kopf.ConnectionInfo:
    """Credentials: of the pod's service account, else of the kubeconfig."""
    for login in (kopf.login_with_service_account, kopf.login_with_kubeconfig):
        info = login(settings=settings)
        if info is not None:
            return Connection(**vars(info))
    raise kopf.LoginError("neither a service account nor a kubeconfig is there; set KUBECONFIG")
