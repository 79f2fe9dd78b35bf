"""A NeRFJob on a cluster, as the benchmark of its elasticity sees it."""

import json
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from e2e_support import manifests, processes
from e2e_support.cli import metrics_of
from e2e_support.kube import (
    Job,
    KubectlError,
    Namespace,
    Object,
    cordoned,
    create_namespace,
    kubectl,
    wait_for,
)
from kubernetes import client, config
from urllib3.exceptions import HTTPError

from nerf_contract import names

#: From one question to the next.
PAUSE_SECONDS = 0.1
WAIT_SECONDS = 180.0
#: No step for so long, while a worker that has trained lives, is a hang.
HANG_SECONDS = 30.0


class EndedError(Exception):
    """The training is done: what was waited for will not come."""


@contextmanager
def namespace() -> Iterator[Namespace]:
    """A namespace with the demo's photos on a volume that all nodes can read."""
    place = create_namespace("bench")
    try:
        manifests.render_photos(place)
        yield place
    finally:
        kubectl("delete", "namespace", place.name, "--wait=false")


class PodJob:
    """An elastic job of one or two pods, each with two processes and on a node of its own."""

    def __init__(self, place: Namespace, name: str, steps: int, replicas: int) -> None:
        config.load_kube_config()
        self._api = client.CoreV1Api()
        self._job = Job(place, name)
        self._pods: dict[int, str] = {}
        nodes = json.loads(kubectl("get", "nodes", "-o", "json"))["items"]
        half = min(int(node["status"]["allocatable"]["cpu"]) for node in nodes) * 500
        workers = {"replicas": replicas, "min": 1, "max": 2, "processesPerWorker": 2}
        place.apply(
            manifests.nerf_job(
                name,
                training={"steps": steps, "evalEvery": steps, "threads": 1},
                workers=workers | {"resources": {"requests": {"cpu": f"{half + 100}m"}}},
            )
        )

    def __enter__(self) -> "PodJob":
        return self

    def __exit__(self, *_: object) -> None:
        self._job.delete()

    # --- What is done to it ---

    def scale(self, replicas: int) -> None:
        """As a user or an autoscaler does."""
        self._job.namespace.run("scale", f"nerfjob/{self._job.name}", f"--replicas={replicas}")

    def send(self, index: int, number: signal.Signals, newest: bool = False) -> None:
        """Send a signal to a worker's training processes, or to the newest of them alone."""
        processes.send(self._job, index, number, newest)

    def kill(self, index: int) -> None:
        """Delete a worker's pod without grace."""
        pod = self._job.workers()[index]["metadata"]["name"]
        self._delete(pod)

    def kill_coordinator(self) -> None:
        """Delete the coordinator's pod without grace, once it runs."""
        self._delete(self._coordinator()["metadata"]["name"])

    def keep_coordinator_off(self, node: str) -> None:
        """Where it is on this node, move it to another."""
        pod = self._coordinator()
        if pod["spec"]["nodeName"] == node:
            with cordoned(node):
                self._delete(pod["metadata"]["name"])
                self._coordinator()

    def _coordinator(self) -> Object:
        return wait_for("a coordinator that runs", self._job.coordinator, WAIT_SECONDS)

    def _delete(self, pod: str) -> None:
        self._job.namespace.run("delete", "pod", pod, "--grace-period=0", "--force")

    # --- What is seen of it ---

    def processes(self, index: int) -> list[int]:
        """PIDs of a worker's training processes, in its container."""
        return processes.pids(self._job, index)

    def node_of(self, index: int) -> str:
        """Name of the node that a worker is on."""
        return str(self._job.workers()[index]["spec"]["nodeName"])

    def world(self) -> int:
        """Processes that train together now; 0 where nobody can say."""
        return int(self._status().get("worldSize", 0))

    def pause(self) -> float:
        """For how long worker 0 did not train at the last change, in seconds."""
        return float(self._status()["lastRegroupSeconds"])

    def wait_for_world(self, world: int) -> int:
        """Until a group of this size has done a step. Its number."""
        return self._wait_for_step(lambda status: status.get("worldSize") == world)

    def seconds_to_world(self, world: int, act: Callable[[], None]) -> float:
        """Seconds from the start of `act` to a step that a group of this size has done."""
        begin = time.monotonic()
        act()
        self.wait_for_world(world)
        return time.monotonic() - begin

    def seconds_to_step(self, index: int, act: Callable[[], None], regrouped: bool) -> float:
        """Seconds from the end of `act` to a step of this worker, of a group formed since."""
        before = self._generation(index)
        act()
        begin = time.monotonic()

        def formed(status: dict[str, Any]) -> bool:
            return not regrouped or status.get("generation", 0) > before

        self._wait_for_step(formed, index, HANG_SECONDS)
        return time.monotonic() - begin

    def _generation(self, index: int) -> int:
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            if known := self._status(index).get("generation"):
                return int(known)
        raise TimeoutError(f"worker {index} does not tell its generation\n{self.last_words()}")

    def _wait_for_step(
        self,
        holds: Callable[[dict[str, Any]], bool],
        index: int = 0,
        seconds: float = WAIT_SECONDS,
    ) -> int:
        """Until a worker that trains has done a step since `holds` was first seen of it.

        Raises: EndedError; TimeoutError with what the pods have logged.
        """
        deadline = time.monotonic() + seconds
        first: int | None = None
        while time.monotonic() < deadline:
            status = self._status(index)
            if status.get("phase") == "training" and holds(status):
                first = status["step"] if first is None else first
                if status["step"] > first:
                    return int(status["step"])
            else:
                first = None
            if not status and self._job.condition("Succeeded").get("status") == "True":
                raise EndedError
            time.sleep(PAUSE_SECONDS)
        raise TimeoutError(f"not trained on: {self._status(index)}\n{self.last_words()}")

    def last_words(self) -> str:
        """The last lines that each pod of the job has logged, as far as they can be had."""
        every = f"{names.LABEL_JOB}={self._job.name}"
        options = ("--tail=40", "--prefix", "--timestamps", "--all-containers", "--ignore-errors")
        try:
            return self._job.namespace.run("logs", "-l", every, *options)
        except KubectlError as error:
            return str(error)

    def metrics(self) -> dict[str, Any]:
        """Wait for the end of the training. Its metrics.json."""
        self._job.wait_condition("Succeeded", deadline_s=600)
        with tempfile.TemporaryDirectory() as folder:
            return metrics_of(self._job, Path(folder))

    def _status(self, index: int = 0) -> dict[str, Any]:
        """What a worker tells; {} while it cannot be asked."""
        try:
            if index not in self._pods:
                self._pods[index] = self._job.workers()[index]["metadata"]["name"]
            pod = f"{self._pods[index]}:{names.TRAINER_HTTP_PORT}"
            answer = self._api.connect_get_namespaced_pod_proxy_with_path(
                *(pod, self._job.namespace.name, "status"),
                _request_timeout=2,
                _preload_content=False,
            )
            return dict(json.loads(answer.data))
        except (KubectlError, KeyError, client.ApiException, HTTPError):
            self._pods.pop(index, None)
            return {}
