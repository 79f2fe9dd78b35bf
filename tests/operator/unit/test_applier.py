"""What exists under the name of a child, and is none, is never written to."""

import asyncio
from typing import Any, cast

import pytest
from operator_support.builders import job

from nerf_operator.cluster.announce import Announcer
from nerf_operator.cluster.api import Api
from nerf_operator.cluster.apply import Applier
from nerf_operator.cluster.cache import Cache
from nerf_operator.cluster.refusals import ApiError
from nerf_operator.core import render
from nerf_operator.core.actions import Apply, DrawToken, Fence

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


class Full:
    """An API of a namespace whose quota is used up."""

    async def create_child(self, namespace: str, child: Object) -> None:
        raise ApiError(403, "exceeded quota: count/services", "Forbidden")

    async def create_secret(self, namespace: str, secret: Object) -> None:
        raise ApiError(403, "exceeded quota: count/secrets", "Forbidden")


def applier(api: Occupied | Full) -> Applier:
    return Applier(cast(Api, api), Cache(), cast(Announcer, None))


def prepared(action: Apply | Fence) -> tuple[frozenset[str], list[tuple[str, str]]]:
    """Names that are not ours to have, and the calls."""
    api = Occupied()
    return asyncio.run(applier(api).prepare(job(), [action])), api.done


VIEWER_TOKEN = DrawToken(render.token_secret(job(), "demo-viewer"))
GROUP_TOKEN = DrawToken(render.token_secret(job(), "demo-group"))
VIEWER_SERVICE = Apply(render.viewer_service(job()), force=False)
SERVICE = Apply(render.service(job(), 0), force=False)


@pytest.mark.parametrize("action", [VIEWER_SERVICE, VIEWER_TOKEN])
def test_what_a_viewer_is_refused_is_told_and_stops_no_training(
    action: Apply | DrawToken, caplog: pytest.LogCaptureFixture
) -> None:
    assert asyncio.run(applier(Full()).prepare(job(), [action])) == frozenset()
    assert "for the viewer: 403: exceeded quota" in caplog.text


@pytest.mark.parametrize("action", [SERVICE, GROUP_TOKEN])
def test_what_a_training_is_refused_stops_it(action: Apply | DrawToken) -> None:
    with pytest.raises(ApiError, match="exceeded quota"):
        asyncio.run(applier(Full()).prepare(job(), [action]))


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
