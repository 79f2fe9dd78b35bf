"""Finding objects that are gone although no watch said so.

A watch that falls too far behind starts again from a list; deletions in between are lost on it.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nerf_contract import names
from nerf_operator.cluster.api import Api
from nerf_operator.cluster.cache import Cache, Key, Record, Table

log = logging.getLogger(__name__)

MANAGED = f"{names.LABEL_MANAGED_BY}={names.FIELD_MANAGER}"


@dataclass(frozen=True)
class Kind:
    """A kind that is cached: where it lies, and which of its objects are watched."""

    prefix: str
    plural: str
    selector: str | None
    table: Table[Any]
    of_cluster: bool = False

    def path(self, namespace: str | None) -> str:
        """Path of its list, in one namespace or in all; what is in none has but one."""
        scope = f"/namespaces/{namespace}" if namespace else ""
        return f"{self.prefix}{scope}/{self.plural}"

    def paths(self, namespaces: Sequence[str]) -> list[str]:
        """Paths of all lists: in these namespaces or, if there are none, in all of the cluster.

        Whoever looks after some namespaces only may not read what is in none.
        """
        if not namespaces:
            return [self.path(None)]
        return [] if self.of_cluster else [self.path(name) for name in namespaces]


def kinds(cache: Cache) -> tuple[Kind, ...]:
    """Everything that is cached."""
    return (
        Kind(f"/apis/{names.API_VERSION}", names.PLURAL, None, cache.jobs),
        Kind("/api/v1", "pods", MANAGED, cache.pods),
        Kind("/api/v1", "services", MANAGED, cache.services),
        Kind("/api/v1", "persistentvolumeclaims", None, cache.claims),
        Kind("/api/v1", "nodes", None, cache.nodes, of_cluster=True),
    )


async def remove_ghosts(cache: Cache, api: Api, namespaces: Sequence[str]) -> set[Key]:
    """Drop what no longer exists from the cache. The jobs that this concerns."""
    affected: set[Key] = set()
    for kind in kinds(cache):
        known = [(group, record) for group, record in kind.table.items()]
        exist: set[str] = set()
        for path in kind.paths(namespaces):
            exist |= await api.list_uids(path, kind.selector)
        for group, record in known:
            if record.uid not in exist:
                log.info("%s %s is gone, unnoticed by its watch", kind.plural, record.name)
                _remove(cache, kind, group, record)
                affected.update(cache.users(group) if kind.table is cache.claims else [group])
    return affected


def _remove(cache: Cache, kind: Kind, group: Key, record: Record) -> None:
    if kind.table is cache.pods:
        cache.lose_pod(group, record.name, record.uid)
    elif kind.table is cache.jobs:
        cache.remove_job(group, record.uid)
    else:
        kind.table.remove(group, record.name, record.uid)
