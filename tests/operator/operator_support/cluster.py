"""What the tests say to the API server, and what they play: users, kubelets, the scheduler."""

import json
import urllib.error
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from operator_support.apiserver import ApiServer, wait_until

Object = dict[str, Any]
MERGE = "application/merge-patch+json"
JOBS = "/apis/nerfops.dev/v1alpha1"
#: A digest as the container runtime reports it.
IMAGE_ID = "localhost/nerf-trainer@sha256:" + "b" * 64
PATHS = {
    "nerfjobs": JOBS,
    "pods": "/api/v1",
    "services": "/api/v1",
    "persistentvolumeclaims": "/api/v1",
    "events": "/api/v1",
    "secrets": "/api/v1",
    "limitranges": "/api/v1",
    "resourcequotas": "/api/v1",
    "serviceaccounts": "/api/v1",
    "roles": "/apis/rbac.authorization.k8s.io/v1",
    "rolebindings": "/apis/rbac.authorization.k8s.io/v1",
}


def rejection(error: urllib.error.HTTPError) -> str:
    """The API server's words."""
    return str(json.loads(error.read())["message"])


@dataclass(frozen=True)
class Namespace:
    """A namespace of one test."""

    server: ApiServer
    name: str

    def path(self, plural: str, name: str = "") -> str:
        """URL path of a collection or of one object."""
        base = f"{PATHS[plural]}/namespaces/{self.name}/{plural}"
        return f"{base}/{name}" if name else base

    def create(self, plural: str, obj: Object) -> Object:
        """Create with strict validation, as kubectl does. Raises urllib.error.HTTPError."""
        query = "?fieldValidation=Strict"
        made: Object = self.server.request("POST", self.path(plural) + query, obj)
        return made

    def list(self, plural: str) -> list[Object]:
        """All objects of a kind."""
        found: list[Object] = self.server.request("GET", self.path(plural))["items"]
        return found

    def get(self, plural: str, name: str) -> Object | None:
        """An object, or None."""
        try:
            found: Object = self.server.request("GET", self.path(plural, name))
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
            return None
        return found

    def patch(self, plural: str, name: str, patch: Object) -> Object:
        """Merge patch; `name` may go on to a subresource."""
        done: Object = self.server.request("PATCH", self.path(plural, name), patch, MERGE)
        return done

    def delete(self, plural: str, name: str) -> None:
        """Delete."""
        self.server.request("DELETE", self.path(plural, name))

    # --- Users -----------------------------------------------------------------------------------

    def claim(self, name: str = "photos", mode: str = "ReadWriteMany") -> None:
        """A user's volume with photos on it."""
        spec = {"accessModes": [mode], "resources": {"requests": {"storage": "1Gi"}}}
        self.create("persistentvolumeclaims", {"metadata": {"name": name}, "spec": spec})

    def job(self, name: str = "demo", **sections: Any) -> Object:
        """A job of two workers; keyword arguments replace sections of its spec."""
        return self.create("nerfjobs", nerf_job(name, **sections))

    def status(self, name: str = "demo") -> Object:
        """The job's status; {} before there is one."""
        found = self.get("nerfjobs", name)
        return found.get("status", {}) if found else {}

    def condition(self, type_: str, name: str = "demo") -> Object:
        """One of its conditions; {} before it was written."""
        found = self.status(name).get("conditions", [])
        return next((c for c in found if c["type"] == type_), {})

    def await_condition(
        self, type_: str, reason: str, status: str = "True", name: str = "demo", seconds: float = 10
    ) -> Object:
        """The condition once it has that reason and status."""

        def probe() -> Object | None:
            found = self.condition(type_, name)
            there = (found.get("reason"), found.get("status")) == (reason, status)
            return found if there else None

        try:
            return dict(wait_until(f"{type_}={status} ({reason})", probe, seconds))
        except TimeoutError as error:
            raise AssertionError(f"{error}: {self.status(name).get('conditions')}") from None

    def pods(self) -> dict[str, Object]:
        """Pods by name."""
        return {pod["metadata"]["name"]: pod for pod in self.list("pods")}

    def await_pods(self, *names: str, seconds: float = 10) -> dict[str, Object]:
        """Pods once there are exactly those of these names."""
        wait_until(f"pods {names}", lambda: set(self.pods()) == set(names), seconds)
        return self.pods()

    def events(self) -> dict[str, str]:
        """Messages of the events about jobs, by reason."""
        return {e["reason"]: e["message"] for e in self.list("events")}

    # --- The scheduler ---------------------------------------------------------------------------

    def place_pod(self, name: str, node: str) -> None:
        """The pod gets a node; from now on only its kubelet can end it."""
        binding = {"metadata": {"name": name}, "target": {"kind": "Node", "name": node}}
        self.server.request("POST", self.path("pods", f"{name}/binding"), binding)

    def refuse_pod(self, name: str, words: str) -> None:
        """No node takes the pod."""
        found = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
        conditions = [found | {"message": words}]
        self.patch("pods", f"{name}/status", {"status": {"conditions": conditions}})

    # --- Kubelets --------------------------------------------------------------------------------

    def run_pod(self, name: str, ip: str = "127.0.0.1", ready: bool = True) -> None:
        """The pod runs."""
        status = {
            "phase": "Running",
            "podIP": ip,
            "podIPs": [{"ip": ip}],
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
            "containerStatuses": [_container({"running": {}})],
        }
        self.patch("pods", f"{name}/status", {"status": status})

    def end_pod(self, name: str, code: int, message: str = "", reason: str = "Error") -> None:
        """The pod's container ends; code 0 is success. Failures tell no time: back-off is short."""
        end = {"exitCode": code, "reason": reason, "message": message}
        if not code:  # From then on the others have time for their farewell.
            end["finishedAt"] = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        status = {
            "phase": "Failed" if code else "Succeeded",
            "conditions": [{"type": "Ready", "status": "False"}],
            "containerStatuses": [_container({"terminated": end})],
        }
        self.patch("pods", f"{name}/status", {"status": status})

    def hold_pod(self, name: str, reason: str, message: str) -> None:
        """The pod's container waits."""
        waiting = {"waiting": {"reason": reason, "message": message}}
        self.patch(
            "pods", f"{name}/status", {"status": {"containerStatuses": [_container(waiting)]}}
        )


def _container(state: Object) -> Object:
    return {
        "name": "trainer",
        "image": "localhost/nerf-trainer:cpu",
        "imageID": "" if "waiting" in state else IMAGE_ID,
        "ready": "running" in state,
        "restartCount": 0,
        "state": state,
    }


def nerf_job(name: str = "demo", **sections: Any) -> Object:
    """A NeRFJob of two workers, for photos with poses."""
    dataset = {"claimName": "photos", "format": "nerfstudio"}
    spec = {"dataset": dataset, "workers": {"replicas": 2}} | sections
    return {
        "apiVersion": "nerfops.dev/v1alpha1",
        "kind": "NeRFJob",
        "metadata": {"name": name},
        "spec": spec,
    }
