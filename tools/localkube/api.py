"""A small client of the API server, quicker to start than kubectl."""

import json
import ssl
import urllib.error
import urllib.request
from typing import Any

from localkube.config import Instance
from localkube.errors import ClusterError

FIELD_MANAGER = "localkube"
Object = dict[str, Any]


class Api:
    """The administrator's access to the API server."""

    def __init__(self, instance: Instance, timeout: float = 10) -> None:
        self._url = instance.api_url
        self._timeout = timeout
        self._tls = ssl.create_default_context(cafile=str(instance.pki / "ca.crt"))
        self._tls.load_cert_chain(instance.pki / "admin.crt", instance.pki / "admin.key")

    def request(self, method: str, path: str, body: Object | None = None, kind: str = "") -> str:
        """Send one request; raises ClusterError with the server's words."""
        request = urllib.request.Request(
            self._url + path,
            method=method,
            data=json.dumps(body).encode() if body is not None else None,
            headers={"Content-Type": kind} if kind else {},
        )
        try:
            with urllib.request.urlopen(
                request, timeout=self._timeout, context=self._tls
            ) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            words = error.read().decode(errors="replace")
            raise ClusterError(f"{method} {path}: {error.code} {words}") from error
        except OSError as error:
            raise ClusterError(f"the API server at {self._url} does not answer: {error}") from error

    def is_ready(self) -> bool:
        """Whether /readyz says ok."""
        try:
            return self.request("GET", "/readyz") == "ok"
        except ClusterError:
            return False

    def get(self, path: str) -> Object:
        """The object or list at this path."""
        found: Object = json.loads(self.request("GET", path))
        return found

    def find(self, path: str) -> Object | None:
        """The object at this path, or None if it does not exist."""
        try:
            return self.get(path)
        except ClusterError as error:
            if isinstance(error.__cause__, urllib.error.HTTPError) and error.__cause__.code == 404:
                return None
            raise

    def apply(self, path: str, manifest: Object) -> None:
        """Server-side apply of one object to its own path."""
        query = f"{path}?fieldManager={FIELD_MANAGER}&force=true"
        self.request("PATCH", query, manifest, "application/apply-patch+yaml")

    def delete(self, path: str) -> None:
        """Delete the object if it exists."""
        if self.find(path):
            self.request("DELETE", path)
