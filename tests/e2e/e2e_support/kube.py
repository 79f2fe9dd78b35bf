"""What the end-to-end tests say to the cluster, through kubectl alone: as a user would."""

import json
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml

ROOT = Path(__file__).resolve().parents[3]
LOCALKUBE = str(ROOT / "tools/localkube/localkube")
Object = dict[str, Any]
T = TypeVar("T")


class KubectlError(RuntimeError):
    """kubectl said no; its words are the message."""


def kubectl(*args: str, stdin: str | None = None, timeout: float = 120) -> str:
    """Output of kubectl. Raises KubectlError with its words."""
    done = subprocess.run(
        ["kubectl", *args], input=stdin, text=True, capture_output=True, timeout=timeout
    )
    if done.returncode:
        raise KubectlError(f"kubectl {' '.join(args)}: {done.stderr.strip()}")
    return done.stdout


def wait_for(what: str, probe: Callable[[], T | None], deadline_s: float) -> T:
    """The first true value of `probe`, asked twice a second. Raises TimeoutError naming `what`.

    An API server that is away for a moment counts as "not yet".
    """
    end = time.monotonic() + deadline_s
    last: object = None
    while time.monotonic() < end:
        try:
            if value := probe():
                return value
        except (KubectlError, subprocess.TimeoutExpired) as error:
            last = error
        time.sleep(0.5)
    raise TimeoutError(f"not within {deadline_s:.0f} s: {what} (last error: {last})")


@contextmanager
def cordoned(node: str) -> Iterator[None]:
    """No pod is placed on the node meanwhile."""
    kubectl("cordon", node)
    try:
        yield
    finally:
        kubectl("uncordon", node)


@dataclass(frozen=True)
class Namespace:
    """A namespace of the test's own."""

    name: str

    def run(self, *args: str, **kwargs: Any) -> str:
        """kubectl in this namespace."""
        return kubectl("-n", self.name, *args, **kwargs)

    def apply(self, *objects: Object) -> str:
        """Apply objects; raises KubectlError where the API server rejects one."""
        return self.run("apply", "-f", "-", stdin=yaml.safe_dump_all(objects))

    def get(self, kind: str, name: str) -> Object | None:
        """One object, or None where there is none."""
        text = self.run("get", kind, name, "-o", "json", "--ignore-not-found")
        return json.loads(text) if text.strip() else None

    def items(self, kind: str, selector: str = "") -> list[Object]:
        """All objects of a kind, by label selector."""
        extra = ["-l", selector] if selector else []
        items: list[Object] = json.loads(self.run("get", kind, "-o", "json", *extra))["items"]
        return items

    def events(self, name: str) -> list[str]:
        """`reason: message` of the events about one NeRFJob, oldest first."""
        field = f"--field-selector=involvedObject.kind=NeRFJob,involvedObject.name={name}"
        items = json.loads(self.run("get", "events", field, "-o", "json"))["items"]
        items.sort(key=lambda event: event["metadata"]["creationTimestamp"])
        return [f"{event['reason']}: {event['message']}" for event in items]

    def job(self, name: str) -> "Job":
        """A NeRFJob of this namespace."""
        return Job(self, name)


def create_namespace(prefix: str) -> Namespace:
    """An empty namespace of a name of its own, whose pods have to be restricted ones."""
    namespace = Namespace(f"{prefix}-{uuid.uuid4().hex[:6]}")
    kubectl("create", "namespace", namespace.name)
    label = "pod-security.kubernetes.io/enforce=restricted"
    kubectl("label", "namespace", namespace.name, label)
    wait_for("default service account", lambda: namespace.get("sa", "default"), 30)
    return namespace


@dataclass(frozen=True)
class Job:
    """A NeRFJob, and what the tests ask of it."""

    namespace: Namespace
    name: str

    def status(self) -> Object:
        """`.status`, or {} while there is none."""
        found = self.namespace.get("nerfjob", self.name)
        return found.get("status", {}) if found else {}

    def condition(self, type_: str) -> Object:
        """A condition; {} before it was written."""
        conditions = self.status().get("conditions", [])
        return next((c for c in conditions if c["type"] == type_), {})

    def step(self) -> int:
        """Steps completed, as the status tells."""
        progress = self.status().get("progress") or {}
        return int(progress.get("step", 0))

    def pods(self) -> list[Object]:
        """Pods of the job that are not being deleted."""
        pods = self.namespace.items("pods", f"nerfops.dev/job={self.name}")
        return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]

    def identities(self) -> dict[str, int]:
        """UID of each pod, with the restarts of its container."""
        return {
            pod["metadata"]["uid"]: sum(
                c["restartCount"] for c in pod["status"]["containerStatuses"]
            )
            for pod in self.pods()
        }

    def workers(self) -> dict[int, Object]:
        """The running worker pod of each index."""
        running = [pod for pod in self.pods() if pod["status"].get("phase") == "Running"]
        labelled = [
            pod for pod in running if "nerfops.dev/worker-index" in pod["metadata"]["labels"]
        ]
        return {int(p["metadata"]["labels"]["nerfops.dev/worker-index"]): p for p in labelled}

    def coordinator(self) -> Object | None:
        """The coordinator's pod that runs, if one does."""
        running = (pod for pod in self.pods() if pod["status"].get("phase") == "Running")
        return next((pod for pod in running if "-coordinator-" in pod["metadata"]["name"]), None)

    def replace_pod(self, index: int) -> None:
        """Delete a worker's pod, and wait until another one runs in its place."""
        old = self.workers()[index]["metadata"]
        self.namespace.run("delete", "pod", old["name"], "--now")

        def replaced() -> bool:
            now = self.workers().get(index)
            return now is not None and now["metadata"]["uid"] != old["uid"]

        wait_for(f"another pod for worker {index}", replaced, 30)

    def wait_condition(self, type_: str, status: str = "True", deadline_s: float = 60) -> Object:
        """The condition once it has that status."""
        return wait_for(
            f"{self.name}: {type_}={status}",
            lambda: found if (found := self.condition(type_)).get("status") == status else None,
            deadline_s,
        )

    def wait_step(self, step: int, deadline_s: float = 120) -> int:
        """The step reported once it is at least `step`; fails early where the job ended."""

        def probe() -> int | None:
            if self.condition("Failed").get("status") == "True":
                raise AssertionError(f"{self.name} failed: {self.condition('Failed')}")
            return now if (now := self.step()) >= step else None

        return wait_for(f"{self.name}: step {step}", probe, deadline_s)

    def delete(self, deadline_s: float = 60) -> None:
        """Delete the job and wait until none of its children is left."""
        self.namespace.run("delete", "nerfjob", self.name, "--wait=false")
        self.wait_gone(deadline_s)

    def wait_gone(self, deadline_s: float = 60) -> None:
        """Wait until none of its children is left."""
        wait_for(f"{self.name}: all children gone", lambda: not self.children(), deadline_s)

    def children(self) -> list[str]:
        """Names of everything the operator made for this job."""
        selector = f"nerfops.dev/job={self.name}"
        text = self.namespace.run("get", "pods,services,pvc", "-l", selector, "-o", "name")
        return text.split()
