"""What Prometheus scrapes of a cluster, through `kubectl proxy`: any that kubectl can reach.

Debian's Prometheus has no service discovery for Kubernetes: pods are listed here, for its file_sd.
"""

import json
import re
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nerf_contract import names

Object = dict[str, Any]
OPERATOR = "nerf-operator"
LIST_SECONDS = 2.0
_PODS = "/api/v1/pods"
#: The proxy may list pods and read their metrics, nothing else.
_PATHS = rf"^({_PODS}|/api/v1/namespaces/[^/]+/pods/[^/]+/proxy/metrics)$"
_WRITES = "^(POST|PUT|PATCH|DELETE)$"


@contextmanager
def discovering(file: Path) -> Iterator[list[Object]]:
    """Keep the file up to date with what is to be scraped; yields the scrape configurations.

    Raises RuntimeError where kubectl reaches no cluster.
    """
    stop = threading.Event()
    with _proxy() as address:
        _write(file, address)
        thread = threading.Thread(target=_follow, args=(file, address, stop))
        thread.start()
        try:
            found = [{"files": [str(file)], "refresh_interval": "2s"}]
            yield [{"job_name": "pods", "file_sd_configs": found}]
        finally:
            stop.set()
            thread.join()


@contextmanager
def _proxy() -> Iterator[str]:
    """A proxy to the cluster that kubectl talks to; yields its host:port on loopback."""
    argv = ["kubectl", "proxy", "--address=127.0.0.1", "--port=0"]
    limits = [f"--accept-paths={_PATHS}", f"--reject-methods={_WRITES}"]
    with subprocess.Popen([*argv, *limits], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.search(r"127\.0\.0\.1:\d+", process.stdout.readline())
        try:
            if found is None:
                raise RuntimeError("kubectl reaches no cluster")
            yield found[0]
        finally:
            process.terminate()


def _follow(file: Path, proxy: str, stop: threading.Event) -> None:
    while not stop.wait(LIST_SECONDS):
        try:
            _write(file, proxy)
        except OSError as error:
            print(f"observe: pods cannot be listed: {error}", flush=True)


def _write(file: Path, proxy: str) -> None:
    selector = f"labelSelector={names.LABEL_APP}%20in%20({names.APP_TRAINER},{OPERATOR})"
    with urllib.request.urlopen(f"http://{proxy}{_PODS}?{selector}", timeout=10) as answer:
        pods = json.load(answer)["items"]
    draft = file.with_suffix(".draft")
    draft.write_text(json.dumps(targets(pods, proxy)))
    draft.rename(file)


def targets(pods: list[Object], proxy: str) -> list[Object]:
    """For file_sd: every process of the workers that run, and the operators, behind the proxy."""
    return [
        {"targets": [proxy], "labels": _labels(pod["metadata"], port["containerPort"])}
        for pod in pods
        if pod["status"].get("phase") == "Running" and _tells(pod["metadata"]["labels"])
        for container in pod["spec"]["containers"]
        for port in container.get("ports", ())
        if re.fullmatch(names.HTTP_PORTS, port.get("name", ""))
    ]


def _tells(labels: dict[str, str]) -> bool:
    """Pods that prepare photos or show a scene have no metrics."""
    worker = labels.get(names.LABEL_COMPONENT) == names.COMPONENT_WORKER
    return worker or labels[names.LABEL_APP] == OPERATOR


def _labels(metadata: Object, port: int) -> dict[str, str]:
    namespace, pod, labels = metadata["namespace"], metadata["name"], metadata["labels"]
    return {
        "__metrics_path__": f"/api/v1/namespaces/{namespace}/pods/{pod}:{port}/proxy/metrics",
        "instance": f"{pod}:{port}",
        "namespace": namespace,
        "pod": pod,
        "job": labels.get(names.LABEL_JOB, labels[names.LABEL_APP]),
    }
