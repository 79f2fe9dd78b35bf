"""An operator's calls about the Lease. The server is a stand-in that keeps one in memory."""

import asyncio
from typing import Any

from nerf_operator.cluster.client import Object
from nerf_operator.cluster.election import Election
from nerf_operator.cluster.leases import Leases
from nerf_operator.cluster.refusals import ApiError


class KeptLease(Leases):
    """Refuses writes of another version than the last, as an API server does."""

    def __init__(self) -> None:
        self.lease: Object = {}
        self.version = 0

    async def get(self, namespace: str, name: str) -> Object | None:
        return self.lease or None

    async def create(self, namespace: str, name: str, lease: Object) -> Object:
        return self.write(lease["spec"])

    async def patch(self, namespace: str, name: str, lease: Object) -> Object:
        if lease["metadata"]["resourceVersion"] != str(self.version):
            raise ApiError(409, "the object has been modified")
        return self.write(self.lease["spec"] | lease["spec"])

    def write(self, spec: dict[str, Any]) -> Object:
        self.version += 1
        self.lease = {"metadata": {"resourceVersion": str(self.version)}, "spec": spec}
        return self.lease


async def stop(kept: KeptLease, unanswered_renewal: bool) -> str:
    """Who holds the Lease once its holder was told to stop."""
    election = Election(kept, "system", "lease", "me")
    await election.win()
    if unanswered_renewal:
        kept.write(kept.lease["spec"])
    await election.give_back()
    return str(kept.lease["spec"]["holderIdentity"])


def test_it_is_given_back() -> None:
    assert asyncio.run(stop(KeptLease(), unanswered_renewal=False)) == ""


def test_it_is_given_back_though_a_renewal_was_cut_off() -> None:
    assert asyncio.run(stop(KeptLease(), unanswered_renewal=True)) == ""
