"""A small pod that holds a volume while files are copied, and goes when that is done."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from nerf_cli.cluster import Cluster, Object, need_kubectl
from nerf_cli.errors import UserError, missing, sentence
from nerf_cli.patience import AWAY
from nerf_cli.shell import ConnectionLostError, Shell
from nerf_contract import children, names
from nerf_contract.pod_security import CONTAINER_SECURITY, POD_SECURITY

MOUNT = "/volume"
CONTAINER = "copy"
#: The pod ends by itself after this, should nobody be left to delete it.
LIFETIME_S = 3600
START_DEADLINE_S = 300
POLL_S = 0.5
#: A pod that starts as it should is not talked about.
QUIET_S = 6
_HOPELESS = frozenset({"ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"})


@dataclass(frozen=True)
class Mount:
    """What the pod mounts, and where it must run.

    claim: name of the PersistentVolumeClaim. together: only one node may mount it at a time, so
    the pod stays with others of the dataset. node: the one that must be taken, if any.
    """

    claim: str
    image: str
    read_only: bool = False
    together: bool = False
    node: str | None = None


class VolumePod:
    """The pod. `with` deletes it at the end, whatever happens."""

    def __init__(self, cluster: Cluster, mount: Mount, say: Callable[[str], None]) -> None:
        need_kubectl()
        self._cluster = cluster
        self._mount = mount
        self._say = say
        self._name: str | None = None

    def __enter__(self) -> "VolumePod":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._delete()

    def shell(self) -> Shell:
        """A way into the running pod, which is made, or made anew, where there is none.

        Raises UserError where it does not start, ConnectionLostError while the API server is away.
        """
        try:
            return self._shell()
        except HTTPError as error:
            raise ConnectionLostError(sentence(error)) from error
        except ApiException as error:
            if error.status not in AWAY:
                raise
            raise ConnectionLostError(sentence(error)) from error

    def _shell(self) -> Shell:
        if self._name is None or not _ready(self._read()):
            self._delete()
            self._name = f"nerf-copy-{secrets.token_hex(4)}"
            body = manifest(self._name, self._mount)
            self._cluster.core.create_namespaced_pod(self._cluster.namespace, body)
            self._await_start()
        inside = ("exec", "-i", self._name, f"--container={CONTAINER}", "--")
        return Shell((*self._cluster.kubectl, *inside))

    def _await_start(self) -> None:
        begin, told = time.monotonic(), ""
        while not _ready(pod := self._read()):
            why, passed = waiting_for(pod), time.monotonic() - begin
            if _hopeless(pod) or passed > START_DEADLINE_S:
                raise UserError(f"The pod that mounts {self._mount.claim!r} does not start: {why}")
            if passed > QUIET_S and why != told:
                self._say(f"waiting for the pod that mounts {self._mount.claim!r}: {why}")
                told = why
            time.sleep(POLL_S)

    def _read(self) -> Object:
        try:
            pod = self._cluster.core.read_namespaced_pod(self._name, self._cluster.namespace)
        except ApiException as error:
            if missing(error):
                return {}
            raise
        plain: Object = self._cluster.api.sanitize_for_serialization(pod)
        return plain

    def _delete(self) -> None:
        if self._name is None:
            return
        try:
            self._cluster.core.delete_namespaced_pod(self._name, self._cluster.namespace)
        except HTTPError:
            self._say(f"the pod {self._name} could not be deleted; it ends within an hour")
        except ApiException as error:
            if not missing(error):
                raise
        self._name = None


def holder(pods: list[Object], claim: str) -> str | None:
    """The node of a running pod that mounts the claim."""
    for pod in pods:
        sources = [v.get("persistentVolumeClaim") or {} for v in pod["spec"].get("volumes", [])]
        ended = pod["status"].get("phase") in ("Succeeded", "Failed")
        node: str | None = pod["spec"].get("nodeName")
        if not ended and node and any(s.get("claimName") == claim for s in sources):
            return node
    return None


def waiting_for(pod: Object) -> str:
    """Why the pod is not ready, in the cluster's words."""
    if not pod:
        return "it was deleted."
    status = pod.get("status", {})
    if status.get("phase") in ("Succeeded", "Failed"):
        return f"it ended: {status.get('message') or status.get('reason') or 'no reason given'}."
    for waiting in _waiting(pod):
        if waiting.get("message"):
            return f"{waiting.get('reason')}: {waiting['message']}"
    for condition in status.get("conditions", []):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return f"no node takes it: {condition.get('message', '')}"
    return "its volume is not mounted, or its image not there, yet (`kubectl describe pod`)."


def _waiting(pod: Object) -> list[Object]:
    statuses = pod.get("status", {}).get("containerStatuses", [])
    return [s["state"]["waiting"] for s in statuses if s.get("state", {}).get("waiting")]


def _hopeless(pod: Object) -> bool:
    ended = pod.get("status", {}).get("phase") in ("Succeeded", "Failed")
    return not pod or ended or any(w.get("reason") in _HOPELESS for w in _waiting(pod))


def _ready(pod: Object) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    going = pod.get("metadata", {}).get("deletionTimestamp")
    return not going and any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def manifest(name: str, mount: Mount) -> Object:
    """The pod, as Pod Security `restricted` wants it."""
    labels = {names.LABEL_COMPONENT: names.COMPONENT_COPY}
    spec: Object = {
        "restartPolicy": "Never",
        "activeDeadlineSeconds": LIFETIME_S,
        "terminationGracePeriodSeconds": 0,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": POD_SECURITY,
        "containers": [_container(mount)],
        "volumes": [{"name": "volume", "persistentVolumeClaim": {"claimName": mount.claim}}],
    }
    if mount.together:
        shared = {names.LABEL_DATASET_CLAIM: children.claim_label(mount.claim)}
        labels |= shared
        spec["affinity"] = _same_node(shared)
    elif mount.node is not None:
        spec["affinity"] = _on_node(mount.node)
    metadata = {"name": name, "labels": labels}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _container(mount: Mount) -> Object:
    return {
        "name": CONTAINER,
        "image": mount.image,
        "command": ["sleep", str(LIFETIME_S)],
        "resources": {
            "requests": {"cpu": "50m", "memory": "64Mi"},
            "limits": {"memory": "512Mi"},
        },
        "securityContext": CONTAINER_SECURITY,
        "volumeMounts": [{"name": "volume", "mountPath": MOUNT, "readOnly": mount.read_only}],
    }


def _same_node(labels: Object) -> Object:
    """Beside every pod of the namespace with these labels, and so beside its own kind."""
    term = {"labelSelector": {"matchLabels": labels}, "topologyKey": "kubernetes.io/hostname"}
    return {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}


def _on_node(node: str) -> Object:
    field = {"key": "metadata.name", "operator": "In", "values": [node]}
    required = {"nodeSelectorTerms": [{"matchFields": [field]}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}
