"""A real API server for tests: etcd, kube-apiserver and, for garbage collection, its controllers.

There is no kubelet and no scheduler: the tests say themselves what becomes of a pod.
"""

import ctypes
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Object = dict[str, Any]
CONTROLLERS = "garbage-collector-controller,namespace-controller,serviceaccount-controller"


class ApiServerError(RuntimeError):
    """A server did not start; the message holds its last words."""


def end_with_parent() -> None:
    """For a new process: get SIGKILL when the tests end, however they do."""
    set_parent_death_signal = 1
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)


def find_hyperkube() -> Path:
    """The binary with all servers in it, as `make setup` builds it. Raises ApiServerError."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nerf-operator"
    found = sorted(cache.glob("localkube/*/hyperkube"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise ApiServerError(f"no hyperkube under {cache}; run `make setup`")
    return found[-1]


def free_port() -> int:
    """A TCP port of the loopback that nobody listens on."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port: int = server.getsockname()[1]
        return port


def wait_until(what: str, probe: Callable[[], Any], seconds: float = 30) -> Any:
    """The first true answer of `probe`. Raises TimeoutError naming `what`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = probe()
        if found:
            return found
        time.sleep(0.05)
    raise TimeoutError(f"not within {seconds:.0f} s: {what}")


@dataclass
class ApiServer:
    """A running API server. `kubeconfig` is its administrator's."""

    folder: Path
    hyperkube: Path
    port: int
    etcd_port: int
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    #: Of a server that lives for seconds, on the loopback, and holds nothing.
    token: str = "test-administrator"

    @property
    def url(self) -> str:
        """Where it serves."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def kubeconfig(self) -> Path:
        """Credentials of a member of system:masters."""
        return self.folder / "admin.kubeconfig"

    def request(self, method: str, path: str, body: Any = None, kind: str = "") -> Any:
        """One call as the administrator: the decoded answer. Raises urllib.error.HTTPError."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method)
        request.add_header("Authorization", f"Bearer {self.token}")
        request.add_header("Content-Type", kind or "application/json")
        with urllib.request.urlopen(request, timeout=20, context=_INSECURE) as answer:
            return json.loads(answer.read())

    def ready(self) -> bool:
        """Whether it serves, with its default roles in place."""
        try:
            request = urllib.request.Request(f"{self.url}/readyz")
            request.add_header("Authorization", f"Bearer {self.token}")
            with urllib.request.urlopen(request, timeout=2, context=_INSECURE) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def write_kubeconfig(self, path: Path, token: str, url: str = "") -> Path:
        """A kubeconfig (JSON is YAML) for the holder of a token; `url` is that of a proxy."""
        cluster = {"server": url or self.url, "insecure-skip-tls-verify": True}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": "test", "user": {"token": token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "current-context": "test",
        }
        path.write_text(json.dumps(config))
        return path

    def start_server(self) -> None:
        """Start (again) the API server, and wait until it is ready."""
        self._spawn("kube-apiserver", *_apiserver_flags(self))
        self._await("kube-apiserver", self.ready, 60)

    def stop_server(self) -> None:
        """End the API server; etcd keeps what it stored."""
        process = self.processes.pop("kube-apiserver")
        process.kill()
        process.wait()

    def _spawn(self, name: str, *flags: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            argv = [str(self.hyperkube), name, *flags]
            self.processes[name] = subprocess.Popen(
                argv, stdout=log, stderr=log, cwd=self.folder, preexec_fn=end_with_parent
            )

    def _await(self, name: str, probe: Callable[[], bool], seconds: float) -> None:
        process = self.processes[name]
        with suppress(TimeoutError):
            wait_until(name, lambda: probe() or process.poll() is not None, seconds)
        if process.poll() is not None or not probe():
            raise ApiServerError((self.folder / f"{name}.log").read_text()[-2000:])

    def start(self) -> None:
        """Start the API server, with an empty store."""
        _make_keys(self.folder)
        self.write_kubeconfig(self.kubeconfig, self.token)
        (self.folder / "tokens.csv").write_text(f"{self.token},admin,admin,system:masters\n")
        self._spawn("etcd", *_etcd_flags(self))
        self._await("etcd", lambda: _listens(self.etcd_port), 30)
        self.start_server()

    def start_controllers(self) -> None:
        """Start the controllers. Garbage collection knows the kinds that there are by now.

        It looks for new ones every 30 s only, and what belongs to them stays for longer than that.
        """
        self._spawn(
            *("kube-controller-manager", f"--kubeconfig={self.kubeconfig}"),
            *("--leader-elect=false", f"--controllers={CONTROLLERS}", "--secure-port=0"),
            f"--service-account-private-key-file={self.folder}/sa.key",
        )

    def stop(self) -> None:
        """End everything."""
        for process in reversed(self.processes.values()):
            process.kill()
            process.wait()


_INSECURE = ssl.create_default_context()
_INSECURE.check_hostname = False
_INSECURE.verify_mode = ssl.CERT_NONE


@contextmanager
def running() -> Iterator[ApiServer]:
    """A fresh API server, gone without a trace afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="nerf-apiserver-"))
    server = ApiServer(folder, find_hyperkube(), free_port(), free_port())
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=0.5).close()
    except OSError:
        return False
    return True


def _make_keys(folder: Path) -> None:
    key = folder / "sa.key"
    subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
    public = ["openssl", "rsa", "-in", str(key), "-pubout", "-out", str(folder / "sa.pub")]
    subprocess.run(public, check=True, capture_output=True)


def _etcd_flags(server: ApiServer) -> tuple[str, ...]:
    url = f"http://127.0.0.1:{server.etcd_port}"
    return (
        f"--data-dir={server.folder}/etcd",
        f"--listen-client-urls={url}",
        f"--advertise-client-urls={url}",
        f"--listen-peer-urls=http://127.0.0.1:{free_port()}",
        "--log-level=warn",
        "--unsafe-no-fsync",
    )


def _apiserver_flags(server: ApiServer) -> tuple[str, ...]:
    folder = server.folder
    return (
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={server.port}",
        f"--etcd-servers=http://127.0.0.1:{server.etcd_port}",
        f"--cert-dir={folder}/certs",
        "--service-cluster-ip-range=10.0.0.0/16",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={folder}/sa.pub",
        f"--service-account-signing-key-file={folder}/sa.key",
        f"--token-auth-file={folder}/tokens.csv",
        "--authorization-mode=RBAC",
        "--disable-admission-plugins=ServiceAccount",
        "--endpoint-reconciler-type=none",
        "--profiling=false",
    )
