"""What Prometheus scrapes of a cluster, through `kubectl proxy`: any that kubectl can reach."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from nerf_contract import names

#: It may list pods and read their metrics, nothing else.
_PATHS = r"^/api/v1/(pods|namespaces/[^/]+/pods/[^/]+/proxy/metrics)$"
_WRITES = "^(POST|PUT|PATCH|DELETE)$"
OPERATOR = "nerf-operator"


@contextmanager
def door() -> Iterator[str]:
    """A proxy to the cluster that kubectl talks to; yields its host:port on loopback."""
    argv = ["kubectl", "proxy", "--address=127.0.0.1", "--port=0"]
    limits = [f"--accept-paths={_PATHS}", f"--reject-methods={_WRITES}"]
    with subprocess.Popen([*argv, *limits], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.search(r"127\.0\.0\.1:\d+", process.stdout.readline())
        try:
            if found is None:
                raise RuntimeError("kubectl proxy did not come up")
            yield found[0]
        finally:
            process.terminate()


def scrapes(proxy: str) -> list[dict[str, Any]]:
    """Scrape configurations: every process of every worker pod, and the operator."""
    return [
        _pods(proxy, "workers", names.APP_TRAINER, _meta("label", names.LABEL_JOB), _WORKERS),
        _pods(proxy, "operator", OPERATOR, _meta("label", names.LABEL_APP), []),
    ]


def _meta(kind: str, name: str) -> str:
    """The label of service discovery for a label of the pod."""
    return f"__meta_kubernetes_pod_{kind}_{re.sub('[^a-zA-Z0-9_]', '_', name)}"


_NAMESPACE, _POD = "__meta_kubernetes_namespace", "__meta_kubernetes_pod_name"
_PORT = "__meta_kubernetes_pod_container_port"


def _keep(source: str, pattern: str) -> dict[str, Any]:
    return {"source_labels": [source], "action": "keep", "regex": pattern}


def _copy(source: str, target: str) -> dict[str, Any]:
    return {"source_labels": [source], "target_label": target}


_WORKERS = [_keep(_meta("label", names.LABEL_COMPONENT), names.COMPONENT_WORKER)]


def _pods(proxy: str, title: str, app: str, job: str, more: list[dict[str, Any]]) -> dict[str, Any]:
    chosen = {"role": "pod", "label": f"{names.LABEL_APP}={app}"}
    return {
        "job_name": title,
        "kubernetes_sd_configs": [
            {"role": "pod", "api_server": f"http://{proxy}", "selectors": [chosen]}
        ],
        "relabel_configs": [
            *more,
            _keep("__meta_kubernetes_pod_phase", "Running"),
            _keep(f"{_PORT}_name", r"http(-\d+)?"),
            _copy(_NAMESPACE, "namespace"),
            _copy(_POD, "pod"),
            _copy(job, "job"),
            {
                "source_labels": [_NAMESPACE, _POD, f"{_PORT}_number"],
                "regex": "(.+);(.+);(.+)",
                "target_label": "__metrics_path__",
                "replacement": "/api/v1/namespaces/$1/pods/$2:$3/proxy/metrics",
            },
            {"target_label": "__address__", "replacement": proxy},
            _copy(_POD, "instance"),
        ],
    }
