"""What the cache believes is compared with what the API server has."""

import asyncio

import kopf
from operator_support.builders import pod
from operator_support.cluster import Namespace

from nerf_operator.cluster import parse, resync
from nerf_operator.cluster.api import Api
from nerf_operator.cluster.cache import Cache, Key

BOTH = ("demo-worker-0-0", "demo-worker-1-0")


def test_ghosts_are_dropped_and_nothing_else(lab: Namespace) -> None:
    lab.job()
    real = lab.await_pods(*BOTH)
    cache, demo = Cache(), Key(lab.name, "demo")
    for found in real.values():
        cache.pods.put(demo, parse.pod(found))
    cache.pods.put(demo, pod(2))
    for namespaces in ((lab.name,), ()):
        asyncio.run(_resync(lab, cache, namespaces))
        assert {found.name for found in cache.pods.group(demo)} == set(BOTH)


async def _resync(lab: Namespace, cache: Cache, namespaces: tuple[str, ...]) -> None:
    token = lab.server.token
    api = Api(lambda: kopf.ConnectionInfo(server=lab.server.url, token=token, insecure=True))
    try:
        await resync.remove_ghosts(cache, api, namespaces)
    finally:
        await api.close()


def test_an_empty_cluster_is_no_error(bare: Namespace) -> None:
    asyncio.run(_resync(bare, Cache(), (bare.name,)))
