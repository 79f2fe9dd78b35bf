"""`kubectl nerf logs`, and the last lines of a pod that failed."""

import sys

from kubernetes.client.exceptions import ApiException

from nerf_cli import choosing
from nerf_cli.cluster import Cluster, Object
from nerf_cli.patience import TIMEOUT
from nerf_contract.containers import ours

LAST_LINES = 20


def run(
    cluster: Cluster, name: str, follow: bool, stage: choosing.Stage | None, worker: int | None
) -> None:
    """Print the log of the pod that is meant."""
    cluster.job(name)
    pod = choosing.to_read(cluster.job_pods(name), stage, worker)
    response = cluster.core.read_namespaced_pod_log(
        pod["metadata"]["name"],
        cluster.namespace,
        container=_container(pod),
        follow=follow,
        _request_timeout=(TIMEOUT[0], None) if follow else None,
        _preload_content=False,
    )
    for chunk in response.stream(65536, decode_content=True):
        sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()


def last_words(cluster: Cluster, name: str) -> tuple[str, tuple[str, ...]] | None:
    """Name of the job's pod that failed last, and the end of its log; None without one."""
    pod = choosing.failed(cluster.job_pods(name))
    lines = tail(cluster, pod, LAST_LINES) if pod else None
    return (pod["metadata"]["name"], lines) if pod and lines is not None else None


def tail(cluster: Cluster, pod: Object, lines: int) -> tuple[str, ...] | None:
    """The last lines of a pod's log; None where it is gone, with its node, or may not be read."""
    read = cluster.core.read_namespaced_pod_log
    name, container = pod["metadata"]["name"], _container(pod)
    try:
        text = read(name, cluster.namespace, container=container, tail_lines=lines)
    except ApiException:
        return None
    return tuple(str(text or "").splitlines())


def _container(pod: Object) -> str:
    return str(ours(pod["spec"]["containers"])["name"])
