"""What the API server's refusals mean."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import kopf
import pytest
from operator_support.cluster import IMAGE_ID, Namespace, nerf_job

from nerf_operator.cluster import api as calls
from nerf_operator.cluster import parse
from nerf_operator.cluster.api import Api
from nerf_operator.cluster.refusals import ApiError, NotLeadingError

FAILED = {"phase": "Failed"}
OTHER = "00000000-0000-0000-0000-000000000000"


def call(lab: Namespace, what: Callable[[Api], Awaitable[Any]]) -> Any:
    """The answer to a call."""

    async def run() -> Any:
        token = lab.server.token
        api = Api(lambda: kopf.ConnectionInfo(server=lab.server.url, token=token, insecure=True))
        try:
            return await what(api)
        finally:
            await api.close()

    return asyncio.run(run())


def pod(name: str = "one") -> dict[str, Any]:
    containers = [{"name": "trainer", "image": IMAGE_ID}]
    return {"metadata": {"name": name}, "spec": {"containers": containers}}


def test_what_is_there_is_not_made_twice(bare: Namespace) -> None:
    assert call(bare, lambda api: api.create_pod(bare.name, pod()))["kind"] == "Pod"
    assert call(bare, lambda api: api.create_pod(bare.name, pod())) is None


def test_a_pod_that_several_delete_at_once_is_gone(bare: Namespace) -> None:
    async def delete(api: Api, uid: str) -> list[Any]:
        calls = (api.delete_pod(bare.name, "one", uid) for _ in range(8))
        return await asyncio.gather(*calls)

    for _ in range(10):
        uid = bare.create("pods", pod())["metadata"]["uid"]
        left = call(bare, lambda api, uid=uid: delete(api, uid))
        assert all(found is None or found["metadata"]["resourceVersion"] for found in left)
        assert bare.pods() == {}


def test_another_object_of_that_name_is_left_alone(bare: Namespace) -> None:
    bare.create("pods", pod())
    bare.create("nerfjobs", nerf_job())
    for name in ("one", "missing"):
        assert call(bare, lambda api, n=name: api.delete_pod(bare.name, n, OTHER)) is None
    call(bare, lambda api: api.delete_job(bare.name, "demo", OTHER))
    assert set(bare.pods()) == {"one"}
    assert bare.get("nerfjobs", "demo") is not None


def test_all_are_listed_however_many_pages_it_takes(
    bare: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "_METADATA_PAGE", "2")
    names = [f"pod-{number}" for number in range(5)]
    made = {bare.create("pods", pod(name))["metadata"]["uid"] for name in names}
    assert call(bare, lambda api: api.list_uids(bare.path("pods"), None)) == made
    assert call(bare, lambda api: api.list_uids(bare.path("services"), None)) == set()


def tell(lab: Namespace, seen: dict[str, Any], status: dict[str, Any]) -> dict[str, Any] | None:
    """The metadata of a job after its status was replaced, or None where it is gone."""
    told: dict[str, Any] | None = call(lab, lambda api: api.replace_status(parse.job(seen), status))
    return told


def test_a_status_is_never_written_to_the_next_job_of_that_name(bare: Namespace) -> None:
    old = bare.create("nerfjobs", nerf_job())
    bare.delete("nerfjobs", "demo")
    assert tell(bare, old, FAILED) is None
    bare.create("nerfjobs", nerf_job())
    assert tell(bare, old, FAILED) is None
    assert bare.status().get("phase") != "Failed"


@pytest.mark.usefixtures("alone")
def test_a_status_is_never_written_over_one_that_was_not_seen(bare: Namespace) -> None:
    seen = bare.create("nerfjobs", nerf_job())
    assert tell(bare, seen, FAILED) is not None
    with pytest.raises(ApiError, match="409"):
        tell(bare, seen, {"phase": "Pending"})
    assert bare.status()["phase"] == "Failed"


@pytest.mark.usefixtures("alone")
def test_a_status_replaces_the_one_before_and_nothing_else_of_the_job(bare: Namespace) -> None:
    labelled = {"labels": {"team": "one"}, "annotations": {"why": "to see"}}
    made = bare.create("nerfjobs", nerf_job() | {"metadata": {"name": "demo"} | labelled})
    progress = {"step": 1, "totalSteps": 2, "percent": 50}
    assert tell(bare, made, {"phase": "Running", "progress": progress}) is not None
    assert tell(bare, bare.get("nerfjobs", "demo"), FAILED) is not None
    left = bare.get("nerfjobs", "demo")
    assert (left["status"], left["spec"]) == (FAILED, made["spec"])
    assert left["metadata"].items() >= labelled.items()
    [theirs] = made["metadata"]["managedFields"]
    assert theirs in left["metadata"]["managedFields"]


def test_fields_of_another_manager_are_told_from_other_conflicts(bare: Namespace) -> None:
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "one"}}
    spec = {"ports": [{"port": 80}], "selector": {"a": "theirs"}}
    bare.create("services", service | {"spec": spec})
    ours = service | {"spec": spec | {"selector": {"a": "ours"}}}
    assert call(bare, lambda api: api.apply(bare.name, ours, False)) is None


def test_who_may_not_write_sends_nothing() -> None:
    async def run() -> None:
        api = Api(lambda: kopf.ConnectionInfo(server="http://127.0.0.1:9"), lambda: False)
        with pytest.raises(NotLeadingError):
            await api.create_pod("lab", pod())

    asyncio.run(run())


@pytest.mark.parametrize("reason", ["Conflict", "AlreadyExists"])
def test_a_conflict_of_quotas_is_no_object_that_exists(reason: str) -> None:
    error = ApiError(409, "Operation cannot be fulfilled on resourcequotas", reason)
    assert error.exists is (reason == "AlreadyExists")
    assert not error.gone
    assert not error.owned
