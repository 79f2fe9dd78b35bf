"""What exists under the name of a child, and is none, is never written to."""

import asyncio
from typing import Any, cast

from operator_support.builders import job

from nerf_operator.cluster.announce import Announcer
from nerf_operator.cluster.api import Api
from nerf_operator.cluster.apply import Applier
from nerf_operator.cluster.cache import Cache
from nerf_operator.core import render
from nerf_operator.core.actions import Apply, Fence

Object = dict[str, Any]


class Occupied:
    """An API in which every name is taken. done: the calls, in order."""

    def __init__(self) -> None:
        self.done: list[tuple[str, str]] = []

    async def create_child(self, namespace: str, child: Object) -> None:
        self.done.append(("create", child["metadata"]["name"]))

    async def create_policy(self, namespace: str, policy: Object) -> None:
        self.done.append(("create", policy["metadata"]["name"]))

    async def apply(self, namespace: str, obj: Object, force: bool) -> Object:
        self.done.append(("apply", obj["metadata"]["name"]))
        return obj


def prepared(action: Apply | Fence) -> tuple[frozenset[str], list[tuple[str, str]]]:
    """Names that are not ours to have, and the calls."""
    api = Occupied()
    applier = Applier(cast(Api, api), Cache(), cast(Announcer, None))
    return asyncio.run(applier.prepare(job(), [action])), api.done


def test_a_service_of_someone_else_is_not_applied_to() -> None:
    """Where it has no selector an apply would add ours, and nobody would object."""
    taken, calls = prepared(Apply(render.service(job()), force=False))
    assert taken == {"demo"}
    assert calls == [("create", "demo")]


def test_that_of_a_viewer_neither_and_it_stops_no_training() -> None:
    taken, calls = prepared(Apply(render.viewer_service(job()), force=False))
    assert taken == frozenset()
    assert calls == [("create", "demo-viewer")]


def test_a_claim_of_someone_else_neither() -> None:
    taken, calls = prepared(Apply(render.checkpoint_claim(job()), force=False))
    assert taken == {"demo-checkpoint"}
    assert calls == [("create", "demo-checkpoint")]


def test_a_policy_is_created_or_left_alone() -> None:
    _, calls = prepared(Fence({"kind": "NetworkPolicy", "metadata": {"name": "fence"}}))
    assert calls == [("create", "fence")]
