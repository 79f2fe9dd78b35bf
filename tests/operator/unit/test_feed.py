"""Jobs of one name, one after the other, whatever is told of them and when."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from operator_support.builders import DEFAULTS, progress

from nerf_operator.cluster.api import Api
from nerf_operator.cluster.apply import Applier
from nerf_operator.cluster.cache import Cache, Key
from nerf_operator.cluster.clock import ServerClock
from nerf_operator.cluster.feed import Feed
from nerf_operator.cluster.reconcile import Reconciler
from nerf_operator.core.observed import Job

Object = dict[str, Any]
DEMO, PHOTOS = Key("lab", "demo"), Key("lab", "photos")


def body(uid: str, version: int, claim: str = PHOTOS.name) -> Object:
    meta = {"namespace": "lab", "name": "demo", "uid": uid, "generation": 1}
    spec = {"dataset": {"claimName": claim, "format": "nerfstudio"}}
    return {"metadata": meta | {"resourceVersion": str(version)}, "spec": spec}


@pytest.fixture
def reconciler() -> Reconciler:
    """One that was told how far the training of the job demo is."""
    api = cast(Api, SimpleNamespace(clock=ServerClock()))
    found = Reconciler(Cache(), api, DEFAULTS)
    found.prober._known[DEMO] = progress()
    return found


def test_of_a_job_that_is_gone_nothing_is_remembered(reconciler: Reconciler) -> None:
    feed = Feed(reconciler)
    feed.see_job(body("first", 1))
    feed.lose_job(body("first", 2))
    assert reconciler.cache.jobs.get(DEMO) is None
    assert reconciler.cache.users(PHOTOS) == []
    assert reconciler.prober.progress(DEMO) is None


def test_the_next_job_inherits_nothing_of_one_whose_end_was_not_told(
    reconciler: Reconciler,
) -> None:
    feed = Feed(reconciler)
    feed.see_job(body("first", 1))
    feed.see_job(body("first", 2))
    assert reconciler.prober.progress(DEMO) is not None
    feed.see_job(body("second", 4))
    assert reconciler.prober.progress(DEMO) is None


def test_a_late_word_on_the_end_of_one_leaves_the_next_alone(reconciler: Reconciler) -> None:
    feed = Feed(reconciler)
    feed.see_job(body("first", 1))
    feed.see_job(body("second", 4))
    reconciler.prober._known[DEMO] = progress()
    feed.lose_job(body("first", 3))
    [(_, job)] = reconciler.cache.jobs.items()
    assert job.uid == "second"
    assert reconciler.cache.users(PHOTOS) == [DEMO]
    assert reconciler.prober.progress(DEMO) is not None


def test_the_next_job_of_a_name_gives_up_the_claims_of_the_one_before(
    reconciler: Reconciler,
) -> None:
    feed = Feed(reconciler)
    feed.see_job(body("first", 1))
    feed.see_job(body("second", 4, claim="other"))
    assert reconciler.cache.users(PHOTOS) == []
    assert reconciler.cache.users(Key("lab", "other")) == [DEMO]


def test_a_pass_that_outlives_its_job_leaves_nothing(reconciler: Reconciler) -> None:
    feed = Feed(reconciler)

    async def prepare(job: Job, actions: object) -> frozenset[str]:
        feed.lose_job(body("first", 2))
        feed.see_job(body("second", 4))
        return frozenset()

    async def create_pods(*_: object) -> None: ...

    reconciler._applier = cast(Applier, SimpleNamespace(prepare=prepare, create_pods=create_pods))
    feed.see_job(body("first", 1))
    asyncio.run(reconciler.reconcile(DEMO))
    assert DEMO not in reconciler._memory
    assert reconciler.prober.progress(DEMO) is None
