"""The calls of an election."""

from nerf_operator.cluster.client import MANAGER, Client, Object
from nerf_operator.cluster.refusals import ApiError

#: What an election needs, in the operator's own namespace.
LEASE_PERMISSIONS: dict[tuple[str, str], frozenset[str]] = {
    ("coordination.k8s.io", "leases"): frozenset({"get", "create", "patch"}),
}

_MERGE_PATCH = "application/merge-patch+json"


class Leases(Client):
    """Reads and writes Leases."""

    async def get(self, namespace: str, name: str) -> Object | None:
        """A Lease, or None where there is none."""
        try:
            return await self.call("GET", "get", _path(namespace, name))
        except ApiError as error:
            if error.code != 404:
                raise
            return None

    async def create(self, namespace: str, name: str, lease: Object) -> Object:
        """The Lease as created."""
        named = lease | {"metadata": {"name": name}}
        return await self.call("POST", "create", _path(namespace), named, MANAGER)

    async def patch(self, namespace: str, name: str, lease: Object) -> Object:
        """The Lease after a merge."""
        path = _path(namespace, name)
        return await self.call("PATCH", "patch", path, lease, MANAGER, kind=_MERGE_PATCH)


def _path(namespace: str, name: str = "") -> str:
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
    return f"{path}/{name}" if name else path
