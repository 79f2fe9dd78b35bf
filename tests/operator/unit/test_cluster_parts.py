"""The cache, the queue and the parsing, without a cluster."""

import asyncio
import time
from dataclasses import replace

import pytest
from operator_support.builders import DEFAULTS, NOW, ended, job, observed, pod, running

from nerf_contract.v1alpha1 import NeRFJobStatus
from nerf_operator.cluster import parse, resync, snapshot
from nerf_operator.cluster.cache import Cache, Key, Table
from nerf_operator.cluster.queue import KeyedQueue
from nerf_operator.cluster.refusals import ApiError
from nerf_operator.cluster.snapshot import Memory
from nerf_operator.core import replacement
from nerf_operator.core.actions import Create, Delete
from nerf_operator.core.observed import Job, Pod
from nerf_operator.core.plan import plan

DEMO = Key("lab", "demo")


def version(number: int, **fields: object) -> Pod:
    return replace(pod(), version=str(number), **fields)  # type: ignore[arg-type]


def test_the_newest_version_wins_whatever_the_order() -> None:
    table: Table[Pod] = Table()
    assert table.put(DEMO, version(9, phase="Pending"))
    assert table.put(DEMO, version(10, phase="Running"))
    assert not table.put(DEMO, version(9, phase="Pending"))
    assert [found.phase for found in table.group(DEMO)] == ["Running"]


def test_a_late_answer_does_not_bring_back_what_is_gone() -> None:
    table: Table[Pod] = Table()
    table.put(DEMO, version(1))
    table.remove(DEMO, pod().name, pod().uid)
    assert not table.put(DEMO, version(2))
    assert table.group(DEMO) == ()
    assert len(table) == 0


def test_a_late_deletion_leaves_the_next_of_that_name() -> None:
    table: Table[Pod] = Table()
    table.put(DEMO, version(5, uid="second"))
    table.remove(DEMO, pod().name, "first")
    assert [found.uid for found in table.group(DEMO)] == ["second"]


def known(*jobs: Job) -> Cache:
    """A cache with a pod of the job demo that has failed before."""
    cache = Cache()
    for found in jobs:
        cache.put_job(found)
    cache.pods.put(DEMO, running(failures=2))
    return cache


def test_what_a_pod_told_is_kept_when_others_remove_it() -> None:
    cache = known(job())
    cache.lose_pod(DEMO, pod().name, pod().uid)
    [lost] = snapshot.observe(cache, job(), None, None, Memory()).pods
    assert (lost.failures, lost.deleting, lost.ready, lost.node) == (2, True, False, None)
    cache.lost.note(DEMO, replace(pod(), attempt=-1))
    assert [found.failures for found in cache.lost.of(DEMO)] == [2]
    cache.lost.forget(DEMO)
    assert snapshot.observe(cache, job(), None, None, Memory()).pods == ()


def test_a_failure_counts_and_backs_off_though_its_pod_is_deleted() -> None:
    cache, subject = Cache(), job(workers={"replicas": 1})
    cache.put_job(subject)
    failed = ended(attempt=3, failures=3, rounds=3, node="node-1")
    cache.pods.put(DEMO, failed)
    cache.lose_pod(DEMO, failed.name, failed.uid)
    seen = snapshot.observe(cache, subject, None, None, Memory())
    place = replacement.decide(seen.workers(0), NOW)
    assert (place.failures, place.rounds, place.wait) == (4, 4, 4.0)
    decided = plan(subject, observed(*seen.pods), NOW, DEFAULTS)
    assert [a for a in decided.actions if isinstance(a, Create | Delete)] == []
    assert decided.status is not None and decided.status.restarts == 4


def test_a_failure_of_a_pod_that_was_being_deleted_is_none() -> None:
    cache = Cache()
    cache.put_job(job())
    cache.pods.put(DEMO, ended(failures=3, deleting=True))
    cache.lose_pod(DEMO, pod().name, pod().uid)
    seen = snapshot.observe(cache, job(), None, None, Memory())
    assert replacement.failures(seen.workers(0)) == 3


def test_what_we_have_deleted_ourselves_is_no_loss_though_the_news_comes_first() -> None:
    cache = known(job())
    cache.lost.expected.add(pod().uid)
    cache.lose_pod(DEMO, pod().name, pod().uid)
    assert (cache.lost.of(DEMO), cache.lost.expected) == ((), set())


def test_pods_of_a_job_that_is_gone_are_not_remembered() -> None:
    for cache in (known(), known(replace(job(), uid="the next of that name"))):
        cache.lose_pod(DEMO, pod().name, pod().uid)
        assert cache.lost.of(DEMO) == ()


def test_a_claim_knows_its_users() -> None:
    cache, photos = Cache(), Key("lab", "photos")
    cache.put_job(job())
    assert cache.users(photos) == [DEMO]
    assert cache.users(Key("other", "photos")) == []
    assert not cache.remove_job(DEMO, "another")
    assert cache.users(photos) == [DEMO]
    assert cache.remove_job(DEMO, job().uid)
    assert cache.users(photos) == []


class Listing:
    """An API server that lists what it is told to."""

    def __init__(self, **uids: set[str]) -> None:
        self.uids = uids

    async def list_uids(self, path: str, selector: str | None) -> set[str]:
        return self.uids.get(path.rsplit("/", 1)[-1], set())


def test_what_no_watch_said_to_be_gone_is_found_out() -> None:
    cache = Cache()
    cache.put_job(job())
    cache.pods.put(DEMO, pod(0))
    cache.pods.put(DEMO, pod(1))
    cache.put_job(replace(job(), name="gone", uid="gone"))
    there = Listing(nerfjobs={job().uid}, pods={pod(1).uid})
    affected = asyncio.run(resync.remove_ghosts(cache, there, ()))  # type: ignore[arg-type]
    assert affected == {DEMO, Key("lab", "gone")}
    assert cache.users(Key("lab", "photos")) == [DEMO]
    assert [found.index for found in cache.pods.group(DEMO)] == [1]
    assert cache.jobs.get(DEMO) is not None


AWAY = OSError("the API server is away")


async def worked_off(
    adds: list[tuple[str, float]], failures: int = 0, error: BaseException = AWAY
) -> list[str]:
    """What a queue with three consumers does with these additions."""
    done: list[str] = []
    busy: set[str] = set()
    left = failures

    async def work(key: str) -> None:
        nonlocal left
        assert key not in busy, "two passes of one key at a time"
        busy.add(key)
        await asyncio.sleep(0)
        busy.discard(key)
        if left:
            left -= 1
            raise error
        done.append(key)

    queue: KeyedQueue[str] = KeyedQueue(work)
    running = asyncio.create_task(queue.run(3))
    for key, delay in adds:
        queue.add(key, delay)
    expected = {key for key, _ in adds}
    async with asyncio.timeout(10):
        while set(done) != expected or len(queue):
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return done


def test_repeats_are_merged() -> None:
    assert sorted(asyncio.run(worked_off([("a", 0), ("b", 0), ("a", 0), ("a", 0)]))) == ["a", "b"]


def test_the_sooner_of_two_delays_counts() -> None:
    assert asyncio.run(worked_off([("a", 3600), ("a", 0.01), ("a", 3600)])) == ["a"]


def test_what_fails_is_tried_again() -> None:
    assert asyncio.run(worked_off([("a", 0)], failures=2)) == ["a"]


def test_what_was_waited_for_and_is_cancelled_is_a_failure_and_no_end() -> None:
    assert asyncio.run(worked_off([("a", 0)], 1, asyncio.CancelledError())) == ["a"]


def test_an_api_server_says_when_to_come_back() -> None:
    begin = time.monotonic()
    busy = ApiError(429, "too many requests", retry_after=1)
    assert asyncio.run(worked_off([("a", 0)], 1, busy)) == ["a"]
    assert time.monotonic() - begin >= 1


def test_a_broken_spec_is_an_error_with_its_fields_not_an_exception() -> None:
    meta = {"namespace": "lab", "name": "x", "uid": "u", "resourceVersion": "1"}
    spec = {"dataset": {"claimName": "p"}, "training": {"steps": 0}, "surprise": 1}
    found = parse.job({"metadata": meta, "spec": spec, "status": {"phase": "Nonsense"}})
    assert found.spec is None
    assert "spec.training.steps" in found.error and "spec.surprise" in found.error
    assert found.status.phase is None


def test_of_a_status_by_another_version_what_is_known_counts() -> None:
    fact = {"type": "Succeeded", "status": "True", "reason": "R", "message": "M."}
    fact |= {"lastTransitionTime": "2026-01-01T00:00:00Z", "observedGeneration": 1}
    size = {"workers": 2, "reason": "Grown", "message": "M.", "since": "2026-01-01T00:00:00Z"}
    known = {"phase": "Succeeded", "image": "x@sha256:1", "conditions": [fact], "allocation": size}
    other = known | {
        "allocation": size | {"raysPerSecond": {"2": 5}},
        "conditions": [fact | {"severity": "Info"}],
        "mood": "good",
    }
    meta = {"namespace": "lab", "name": "x", "uid": "u", "resourceVersion": "1"}
    found = parse.job({"metadata": meta, "spec": {}, "status": other})
    assert found.status == NeRFJobStatus.model_validate(known)
    assert found.unknown_status == {"mood": "good"}
    assert "mood" in other  # What a watch has told is not ours to change.


def test_of_a_status_only_what_makes_no_sense_is_dropped() -> None:
    time, fact = "2026-01-01T00:00:00Z", {"reason": "R", "message": "M.", "observedGeneration": 1}
    fact |= {"type": "Trained", "status": "True", "lastTransitionTime": time}
    size = {"workers": 2, "reason": "Grown", "message": "M.", "since": time}
    known = {"conditions": [fact], "image": "x@sha256:1", "allocation": size, "outputs": ["a"]}
    odd = fact | {"status": "Maybe"}
    other = known | {
        "phase": "Queued",
        "conditions": [odd | {"severity": "Info"}, fact, odd],
        "checkpoint": {"step": "many"},
        "completionTime": time,
    }
    meta = {"namespace": "lab", "name": "x", "uid": "u", "resourceVersion": "1"}
    found = parse.job({"metadata": meta, "spec": {}, "status": other})
    assert found.status == NeRFJobStatus.model_validate(known | {"completionTime": time})


@pytest.mark.parametrize("ours", ["trainer", "coordinator"])
def test_a_container_that_admission_puts_beside_ours_is_not_taken_for_it(ours: str) -> None:
    statuses = [
        {"name": "a-proxy", "imageID": "proxy", "state": {"terminated": {"exitCode": 3}}},
        {"name": ours, "imageID": "ours", "state": {"running": {}}},
    ]
    containers = [{"name": "a-proxy", "image": "proxy:1"}, {"name": ours, "image": "ours:1"}]
    meta = {"name": "p", "uid": "u", "resourceVersion": "1"}
    meta["creationTimestamp"] = "2026-01-01T00:00:00Z"
    spec = {"containers": containers}
    found = parse.pod(
        {"metadata": meta, "spec": spec, "status": {"containerStatuses": statuses}},
    )
    assert (found.image, found.image_id, found.termination) == ("ours:1", "ours", None)
    early = {"containerStatuses": statuses[:1] * 2}
    assert parse.pod({"metadata": meta, "spec": spec, "status": early}).image_id == ""


@pytest.mark.parametrize("status", [{}, {"phase": "Running", "containerStatuses": []}])
def test_a_pod_of_which_little_is_known(status: dict[str, object]) -> None:
    meta = {"name": "p", "uid": "u", "resourceVersion": "1"}
    meta["creationTimestamp"] = "2026-01-01T00:00:00Z"
    found = parse.pod({"metadata": meta, "spec": {"containers": [{}]}, "status": status})
    assert (found.ready, found.termination, found.attempt) == (False, None, 0)
