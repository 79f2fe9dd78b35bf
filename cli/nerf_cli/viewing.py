"""`kubectl nerf view`: the viewer's page, through a tunnel that ends on this machine alone."""

import base64
import re
import socket
import subprocess
import time
import webbrowser
from collections.abc import Callable
from typing import IO

from kubernetes.client.exceptions import ApiException

from nerf_cli import one_time
from nerf_cli.cluster import Cluster, Object, need_kubectl
from nerf_cli.errors import UserError, missing
from nerf_cli.meter import Say
from nerf_contract import children, names

ADDRESS = "127.0.0.1"
#: How long a viewer that was just asked for may take to be there.
START_DEADLINE_S = 180
RETRY_S = 1.0


def run(
    cluster: Cluster, name: str, port: int | None, enable: bool, open_browser: bool, say: Say
) -> None:
    """Serve the viewer on a port here until the process is interrupted. Raises UserError.

    enable: turn the job's viewer on where it is off.
    """
    need_kubectl()
    job = cluster.job(name)
    if enable and not _is_enabled(job):
        cluster.patch_job(name, {"spec": {"viewer": {"enabled": True}}})
        say(f"spec.viewer.enabled of {name} is true now")
    else:
        check_enabled(job)
    token = _await_token(cluster, name, say)
    port = port or free_port()
    address = f"http://{ADDRESS}:{port}/?{names.TOKEN_KEY}={token}"
    tunnel = _Tunnel(cluster, name, port, say)
    tunnel.run(lambda: _opened(address, open_browser, say))


def check_enabled(job: Object) -> None:
    """Raises UserError where the job has no viewer."""
    name = job["metadata"]["name"]
    if not _is_enabled(job):
        raise UserError(
            f"The job {name!r} has no viewer. `kubectl nerf view {name} --enable` turns it on: "
            "spec.viewer.enabled."
        )


def _is_enabled(job: Object) -> bool:
    return bool(job["spec"].get("viewer", {}).get("enabled"))


def _await_token(cluster: Cluster, name: str, say: Say) -> str:
    deadline, told = time.monotonic() + START_DEADLINE_S, False
    while (token := _token(cluster, children.viewer(name))) is None:
        if time.monotonic() > deadline:
            raise UserError(
                f"The viewer of {name!r} does not start. `kubectl nerf explain {name}` and "
                f"`kubectl nerf logs {name} --stage viewer` may tell why."
            )
        if not told:
            say("waiting for the viewer")
            told = True
        time.sleep(RETRY_S)
    return token


def _token(cluster: Cluster, secret: str) -> str | None:
    try:
        found = cluster.core.read_namespaced_secret(secret, cluster.namespace)
    except ApiException as error:
        if missing(error):
            return None
        raise
    encoded = (found.data or {}).get(names.TOKEN_KEY)
    return base64.b64decode(encoded).decode() if encoded else None


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        return int(probe.getsockname()[1])


def _opened(address: str, open_browser: bool, say: Say) -> None:
    say(f"the viewer: {address}")
    say("Ctrl-C ends it; the job goes on")
    if open_browser:
        webbrowser.open(one_time.lead_to(address))


class _Tunnel:
    """kubectl port-forward, started again whenever the pod behind it is replaced."""

    def __init__(self, cluster: Cluster, name: str, port: int, say: Say) -> None:
        service, target = children.viewer(name), f"{port}:{names.VIEWER_PORT}"
        self._cluster, self._name = cluster, name
        self._argv = [
            *cluster.kubectl,
            *("port-forward", f"--address={ADDRESS}", f"service/{service}", target),
        ]
        self._say = say
        self._deadline = time.monotonic() + START_DEADLINE_S
        self._told = ""

    def run(self, ready: Callable[[], None]) -> None:
        """Forward for ever; `ready` is called once, when it is possible for the first time."""
        while True:
            with subprocess.Popen(
                self._argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            ) as process:
                try:
                    assert process.stdout is not None
                    words = self._serve(process.stdout, ready)
                finally:
                    process.terminate()
            self._again(words)

    def _serve(self, output: IO[bytes], ready: Callable[[], None]) -> str:
        """Read what kubectl says until it ends: its last word."""
        words = ""
        for line in output:
            words = line.decode(errors="replace").strip()
            if not words.startswith("Forwarding from"):
                continue
            if not self._told:
                ready()
            elif self._told != "ready":
                self._say("the viewer is back")
            self._told, self._deadline = "ready", float("inf")
        return words

    def _again(self, words: str) -> None:
        """Wait a moment. Raises UserError where it is of no use, as the job is gone."""
        if re.search("unable to listen|address already in use", words):
            raise UserError(f"{words.rstrip('.')}. Choose another port by --port.")
        if time.monotonic() > self._deadline:
            raise UserError(f"The viewer cannot be reached: {words}")
        self._cluster.job(self._name)
        if self._told == "ready":
            self._say("the viewer's pod is gone; waiting for the next one")
            self._told = "gone"
        time.sleep(RETRY_S)
