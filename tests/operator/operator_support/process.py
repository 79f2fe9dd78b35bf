"""The operator as a process of its own, with the rights that the chart gives it and no others."""

import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from operator_support.apiserver import ApiServer, end_with_parent, free_port, wait_until
from operator_support.chart import ROOT, render

ACCOUNT = "/api/v1/namespaces/nerf-system/serviceaccounts/nerf-nerf-operator"
GROUPS = {
    "CustomResourceDefinition": "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "Namespace": "/api/v1/namespaces",
    "ServiceAccount": "/api/v1/namespaces/nerf-system/serviceaccounts",
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
}
LEASES = "/apis/coordination.k8s.io/v1/namespaces/nerf-system/leases"
_RBAC = "/apis/rbac.authorization.k8s.io/v1/namespaces/nerf-system"
#: kopf imports the client library of the command line where it finds it; the image has none.
_AS_IN_ITS_IMAGE = (
    "import runpy, sys; sys.modules['kubernetes'] = None; "
    "runpy.run_module('nerf_operator', run_name='__main__', alter_sys=True)"
)
_READS = re.compile('verb="(list|watch|get)"')


def allow_lease(server: ApiServer) -> None:
    """Give the rights that the chart gives to several operators, and no Lease is there yet."""
    server.request("DELETE", LEASES)
    paths = {"Role": f"{_RBAC}/roles", "RoleBinding": f"{_RBAC}/rolebindings"}
    for obj in render("replicas=2"):
        if obj["kind"] in paths:
            with suppress(urllib.error.HTTPError):  # It is there already.
                server.request("POST", paths[obj["kind"]], obj)


def install(server: ApiServer) -> Path:
    """Install manifests/install.yaml but for its Deployment: the operator account's kubeconfig."""
    text = (ROOT / "manifests" / "install.yaml").read_text()
    for obj in yaml.safe_load_all(text):
        if obj["kind"] in GROUPS:
            server.request("POST", GROUPS[obj["kind"]], obj)
    jobs = "/apis/nerfops.dev/v1alpha1/nerfjobs"
    wait_until("the CRD is served", lambda: _served(server, jobs))
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    answer = server.request("POST", f"{ACCOUNT}/token", body)
    return server.write_kubeconfig(server.folder / "operator", answer["status"]["token"])


def _served(server: ApiServer, path: str) -> bool:
    try:
        return bool(server.request("GET", path))
    except OSError:
        return False


@dataclass
class Operator:
    """`python -m nerf_operator`, as a container would run it."""

    kubeconfig: Path
    log: Path
    namespaces: str = ""
    #: Its name among several; "": it is the only one.
    identity: str = ""
    more_env: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    port: int = 0

    def start(self) -> None:
        """Start, and wait until it is ready."""
        self.launch()
        wait_until("the operator is ready", self.ready)

    def launch(self) -> None:
        """Start, and wait for nothing."""
        self.port = self.port or free_port()
        paths = [str(ROOT / "contract"), str(ROOT / "operator")]
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.log.parent),
            "PYTHONPATH": os.pathsep.join(paths),
            "KUBECONFIG": str(self.kubeconfig),
            "TRAINER_IMAGE": "localhost/nerf-trainer:cpu",
            "WATCH_NAMESPACES": self.namespaces,
            "HTTP_PORT": str(self.port),
            **self.more_env,
        }
        if self.identity:
            lease = {"LEASE_NAME": "nerf-nerf-operator", "POD_NAMESPACE": "nerf-system"}
            env |= lease | {"POD_NAME": self.identity}
        argv = [sys.executable, "-c", _AS_IN_ITS_IMAGE]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                argv, env=env, stdout=log, stderr=log, preexec_fn=end_with_parent
            )

    def ready(self) -> bool:
        """Whether /readyz says so."""
        try:
            return bool(self.ask("/readyz"))
        except OSError:
            return False

    def ask(self, path: str) -> str:
        """An answer of its HTTP server."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
            return str(answer.read().decode())

    def writes(self) -> dict[str, float]:
        """API calls so far that write, by verb and code."""
        calls = self.calls()
        return {labels: count for labels, count in calls.items() if not _READS.search(labels)}

    def calls(self) -> dict[str, float]:
        """API calls so far but for watches, by verb and code."""
        calls = self.metric("nerf_operator_api_requests_total{")
        return {labels: count for labels, count in calls.items() if 'verb="watch"' not in labels}

    def leads(self) -> bool:
        """Whether it is the one that works."""
        try:
            return self.metric("nerf_operator_leader ") == {"nerf_operator_leader": 1.0}
        except OSError:
            return False

    def passes(self) -> float:
        """Passes over a job that have ended so far."""
        return sum(self.metric("nerf_operator_reconcile_seconds_count").values())

    def metric(self, start: str) -> dict[str, float]:
        """Metrics whose lines start with this."""
        lines = (line for line in self.ask("/metrics").splitlines() if line.startswith(start))
        pairs = (line.rsplit(maxsplit=1) for line in lines)
        return {labels: float(value) for labels, value in pairs}

    def kill(self) -> None:
        """End it without a warning, as a lost node would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None
