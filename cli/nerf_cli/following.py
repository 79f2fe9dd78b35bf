"""Following a job by a watch of the API server, through its restarts and the watch's end."""

import time
from collections.abc import Iterator
from typing import Any

from kubernetes import watch
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from nerf_cli.cluster import Cluster, Object
from nerf_cli.errors import sentence
from nerf_cli.meter import Say
from nerf_cli.patience import AWAY
from nerf_contract import names

#: A watch is asked for this long; then the job is read again, in case something was missed.
WATCH_S = 60
RETRY_S = 2.0


class TimeIsUpError(Exception):
    """The deadline came before the job ended."""


def follow(cluster: Cluster, name: str, say: Say, deadline: float | None) -> Iterator[Object]:
    """The job, now and after each change, until it is deleted.

    deadline: by `time.monotonic()`; raises TimeIsUpError then. An API server that is away is waited
    for, and said once.
    """
    away = False
    while True:
        try:
            job = cluster.find_job(name)
            away = False
            if job is None:
                return
            yield job
            yield from _changes(cluster, job, _seconds(deadline))
        except (ApiException, HTTPError) as error:
            if isinstance(error, ApiException) and error.status not in AWAY:
                raise
            _seconds(deadline)
            if not away:
                say(f"{sentence(error)} Waiting for it.")
            away = True
            time.sleep(RETRY_S)


def _seconds(deadline: float | None) -> int:
    """How long to watch. Raises TimeIsUpError."""
    if deadline is None:
        return WATCH_S
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeIsUpError
    return max(1, min(WATCH_S, round(left)))


def _changes(cluster: Cluster, job: Object, seconds: int) -> Iterator[Object]:
    """Later versions of the job, for so many seconds or until the watch ends or it is deleted."""
    watcher = watch.Watch()
    options: dict[str, Any] = {
        "field_selector": f"metadata.name={job['metadata']['name']}",
        "resource_version": job["metadata"]["resourceVersion"],
        "timeout_seconds": seconds,
        "_request_timeout": (5, seconds + 10),
    }
    path = (names.GROUP, names.VERSION, cluster.namespace, names.PLURAL)
    try:
        stream = watcher.stream(cluster.custom.list_namespaced_custom_object, *path, **options)
        for event in stream:
            if event["type"] == "DELETED":
                return
            yield event["object"]
    except ApiException as error:
        if error.status != 410:  # Gone: what we know is too old to go on from; it is read again.
            raise
    finally:
        watcher.stop()
