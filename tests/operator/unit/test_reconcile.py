"""When the first word on a job is written: at once, or with what its pods have to tell."""

import asyncio
from dataclasses import replace
from typing import Any, cast

import pytest
from operator_support.builders import DEFAULTS, at, claim, job

from nerf_operator.cluster.api import Api
from nerf_operator.cluster.cache import Cache, Key
from nerf_operator.cluster.clock import ServerClock
from nerf_operator.cluster.reconcile import CROWD_SECONDS, Reconciler
from nerf_operator.cluster.refusals import ApiError
from nerf_operator.core.observed import Job

Object = dict[str, Any]
DEMO, OTHER = Key("lab", "demo"), Key("lab", "other")


class Server:
    """Makes whatever it is asked for, but for pods if told so. calls: by kind, in order."""

    def __init__(self, clock: ServerClock) -> None:
        self.calls: list[str] = []
        self.told: Object = {}
        self.clock = clock
        self.refusal: ApiError | None = None

    async def create_child(self, namespace: str, obj: Object) -> Object:
        return self._made(obj["kind"], obj)

    async def create_pod(self, namespace: str, pod: Object) -> Object:
        if self.refusal is not None:
            raise self.refusal
        return self._made("Pod", pod)

    async def create_secret(self, namespace: str, secret: Object) -> None:
        self._made("Secret", secret)

    async def replace_status(self, job: Job, status: Object) -> Object:
        self.told = status
        return self._made("status", {"metadata": {}})

    async def create_event(self, namespace: str, event: Object) -> None:
        self._made("Event", event)

    def _made(self, kind: str, obj: Object) -> Object:
        self.calls.append(kind)
        version = str(100 + len(self.calls))
        meta = {
            "uid": version,
            "resourceVersion": version,
            "creationTimestamp": "2026-01-01T00:00Z",
        }
        return obj | {"metadata": obj["metadata"] | meta}


class Lab:
    """A reconciler of one job that is new, and its clock."""

    def __init__(self, subject: Job | None = None) -> None:
        self.seconds = 0.0
        self.server = Server(ServerClock(lambda: at(self.seconds)))
        cache = Cache()
        cache.put_job(subject or job())
        cache.claims.put(Key("lab", "photos"), claim())
        api = cast(Api, self.server)
        self.reconciler = Reconciler(cache, api, DEFAULTS)

    async def after(self, seconds: float, *waiting: Key) -> list[str]:
        """What a pass at that time calls, while these jobs wait for theirs."""
        for key in waiting:
            self.reconciler.queue.add(key)
        self.seconds = seconds
        self.server.calls.clear()
        await self.reconciler.reconcile(DEMO)
        return self.server.calls


def test_a_job_that_is_alone_is_told_of_at_once() -> None:
    async def passes() -> None:
        calls = await Lab().after(0)
        assert calls.count("Pod") == 2
        assert calls[-1] == "status"

    asyncio.run(passes())


def test_what_only_another_version_knows_is_given_back() -> None:
    async def passes() -> None:
        lab = Lab(replace(job(), unknown_status={"mood": "good"}))
        await lab.after(0)
        assert lab.server.told["mood"] == "good" and lab.server.told["conditions"]

    asyncio.run(passes())


def test_in_a_crowd_pods_come_first_and_the_word_on_them_a_second_later() -> None:
    async def passes() -> None:
        lab = Lab()
        calls = await lab.after(0, OTHER)
        assert (calls.count("Pod"), calls.count("status")) == (2, 0)
        assert await lab.after(CROWD_SECONDS / 2, OTHER) == []
        assert await lab.after(CROWD_SECONDS, OTHER) == ["status"]

    asyncio.run(passes())


def test_what_was_told_once_is_told_of_at_once_in_any_crowd() -> None:
    async def passes() -> None:
        lab = Lab()
        await lab.after(0)
        lab.reconciler.cache.claims.remove(Key("lab", "photos"), "photos", claim().uid)
        assert "status" in await lab.after(0, OTHER)

    asyncio.run(passes())


DENIED = 'admission webhook "policy.example.com" denied the request: no team label'
AWAY = 'Internal error occurred: failed calling webhook "policy.example.com": connection refused'


@pytest.mark.parametrize(
    ("code", "words"), [(400, "no team label"), (403, "quota"), (409, DENIED), (500, AWAY)]
)
def test_a_pod_that_is_not_admitted_is_told_of_whatever_the_code(code: int, words: str) -> None:
    async def passes() -> None:
        lab = Lab()
        lab.server.refusal = ApiError(code, words)
        await lab.after(0)
        [told] = [c for c in lab.server.told["conditions"] if c["type"] == "WorkersReady"]
        assert told["reason"] == "Rejected" and words in told["message"]

    asyncio.run(passes())


def test_a_server_in_trouble_is_asked_again_and_refuses_nothing() -> None:
    async def passes() -> None:
        lab = Lab()
        lab.server.refusal = ApiError(500, "etcdserver: request timed out")
        with pytest.raises(ApiError, match="timed out"):
            await lab.after(0)

    asyncio.run(passes())
