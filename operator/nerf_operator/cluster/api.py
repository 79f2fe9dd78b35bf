"""What the operator asks of the API server about jobs and what belongs to them."""

import logging
from collections import Counter

from nerf_contract import names
from nerf_operator.cluster import parse
from nerf_operator.cluster.client import MANAGER, Client, Object
from nerf_operator.cluster.refusals import ApiError
from nerf_operator.core.observed import Job

log = logging.getLogger(__name__)

#: What the calls below, and the watches, need: (API group, resource) -> verbs.
PERMISSIONS: dict[tuple[str, str], frozenset[str]] = {
    (names.GROUP, names.PLURAL): frozenset({"list", "watch", "delete"}),
    (names.GROUP, f"{names.PLURAL}/status"): frozenset({"update"}),
    ("", "pods"): frozenset({"list", "watch", "create", "delete"}),
    ("", "nodes"): frozenset({"list", "watch"}),
    ("", "services"): frozenset({"list", "watch", "create", "patch"}),
    ("", "persistentvolumeclaims"): frozenset({"list", "watch", "create", "patch"}),
    # The token of a viewer: drawn, and never read.
    ("", "secrets"): frozenset({"create"}),
    ("", "events"): frozenset({"create"}),
}

#: What fencing jobs in needs, where the administrator wants that.
FENCE_PERMISSIONS: dict[tuple[str, str], frozenset[str]] = {
    ("networking.k8s.io", "networkpolicies"): frozenset({"create"}),
}

_STRATEGIC_PATCH = "application/strategic-merge-patch+json"
_APPLY_PATCH = "application/apply-patch+yaml"
_METADATA_ONLY = {"Accept": "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"}
_METADATA_LIST = {"Accept": "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"}
#: Of 2 to 3 kB each: a page is in memory as a whole.
_METADATA_PAGE = "250"
#: Pods of others that hold what they ask for, in pages that are small in memory.
_OF_OTHERS = {
    "labelSelector": f"{names.LABEL_MANAGED_BY}!={names.FIELD_MANAGER}",
    "fieldSelector": "spec.nodeName!=,status.phase!=Succeeded,status.phase!=Failed",
    "limit": "250",
}
_CORE_PLURALS = {"Service": "services", "PersistentVolumeClaim": "persistentvolumeclaims"}


class Api(Client):
    """The few calls that change the cluster, and the lists that no watch brings."""

    async def create_pod(self, namespace: str, pod: Object) -> Object | None:
        """The pod as created, or None where one of that name exists."""
        return await self._create(f"/api/v1/namespaces/{namespace}/pods", pod)

    async def create_child(self, namespace: str, obj: Object) -> Object | None:
        """The Service or claim as created, or None where one of that name exists."""
        return await self._create(_core_path(namespace, obj), obj)

    async def create_secret(self, namespace: str, secret: Object) -> None:
        """A Secret, unless one of that name exists."""
        await self._create(f"/api/v1/namespaces/{namespace}/secrets", secret)

    async def create_policy(self, namespace: str, policy: Object) -> None:
        """A NetworkPolicy, unless one of that name exists."""
        path = f"/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies"
        await self._create(path, policy)

    async def _create(self, path: str, obj: Object) -> Object | None:
        try:
            return await self.call("POST", "create", path, obj, MANAGER)
        except ApiError as error:
            if not error.exists:
                raise
            return None

    async def delete_pod(self, namespace: str, name: str, uid: str) -> Object | None:
        """The pod while it ends, or None where it is gone or another one has its name."""
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}}
        path = f"/api/v1/namespaces/{namespace}/pods/{name}"
        try:
            answer = await self.call("DELETE", "delete", path, body)
        except ApiError as error:
            if not error.gone:
                raise
            return None
        # One without a version was deleted by someone else at the same moment.
        ends = answer.get("kind") == "Pod" and "resourceVersion" in answer["metadata"]
        return answer if ends else None

    async def delete_job(self, namespace: str, name: str, uid: str) -> None:
        """Delete a NeRFJob, unless it is gone or another one has its name."""
        path = f"/apis/{names.API_VERSION}/namespaces/{namespace}/{names.PLURAL}/{name}"
        body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": uid},
            "propagationPolicy": "Background",
        }
        try:
            await self.call("DELETE", "delete", path, body)
        except ApiError as error:
            if not error.gone:
                raise

    async def apply(self, namespace: str, obj: Object, force: bool) -> Object | None:
        """Server-side apply of a Service or claim; None on a conflict with another manager."""
        path = _core_path(namespace, obj)
        query = MANAGER | ({"force": "true"} if force else {})
        name = obj["metadata"]["name"]
        try:
            return await self.call(
                "PATCH", "apply", f"{path}/{name}", obj, query, kind=_APPLY_PATCH
            )
        except ApiError as error:
            if not error.owned:
                raise
            return None

    async def release_claim(self, namespace: str, name: str, uid: str, owner: str) -> Object | None:
        """The claim without this owner, or None where it is gone or another one has its name.

        Nothing else of it is sent: its size, for one, is its user's to change.
        """
        path = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/{name}"
        body = {"metadata": {"uid": uid, "ownerReferences": [{"$patch": "delete", "uid": owner}]}}
        try:
            return await self.call("PATCH", "patch", path, body, MANAGER, kind=_STRATEGIC_PATCH)
        except ApiError as error:
            if not error.gone:
                raise
            return None

    async def replace_status(self, job: Job, status: Object) -> Object | None:
        """Put a whole status in the place of the one that was seen; the job's metadata then, or
        None where it is gone or another one has its name.

        Raises where the job is no longer of that version. The spec is left out, and stays. To merge
        a patch, the API server would write out and read in the whole job, managed fields and all.
        """
        jobs = f"/apis/{names.API_VERSION}/namespaces/{job.namespace}/{names.PLURAL}"
        seen = {"name": job.name, "uid": job.uid, "resourceVersion": job.version}
        body = {
            "apiVersion": names.API_VERSION,
            "kind": names.KIND,
            "metadata": {**job.metadata, **seen},
            "status": status,
        }
        path = f"{jobs}/{job.name}/status"
        try:
            return await self.call("PUT", "update", path, body, MANAGER, headers=_METADATA_ONLY)
        except ApiError as error:
            if not error.gone:
                raise
            return None

    async def create_event(self, namespace: str, event: Object) -> None:
        """Tell an event, unless it was told already or the namespace is being deleted."""
        path = f"/api/v1/namespaces/{namespace}/events"
        try:
            await self.call("POST", "create", path, event)
        except ApiError as error:
            if error.code not in (403, 404) and not error.exists:
                raise
            log.debug("event not told: %s", error)

    async def list_uids(self, path: str, selector: str | None) -> set[str]:
        """UIDs of all objects under a path: metadata only."""
        query = {"limit": _METADATA_PAGE} | ({"labelSelector": selector} if selector else {})
        found: set[str] = set()
        async for page in self.pages(path, query, _METADATA_LIST):
            found.update(item["metadata"]["uid"] for item in page["items"] or ())
        return found

    async def foreign_gpus(self) -> dict[str, int]:
        """GPUs that pods of others hold, by the name of the node."""
        held: Counter[str] = Counter()
        async for page in self.pages("/api/v1/pods", _OF_OTHERS):
            for pod in page["items"] or ():
                held[pod["spec"]["nodeName"]] += parse.gpus(pod)
        return dict(held)


def _core_path(namespace: str, obj: Object) -> str:
    return f"/api/v1/namespaces/{namespace}/{_CORE_PLURALS[obj['kind']]}"
