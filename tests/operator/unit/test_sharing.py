"""One decision over all Auto jobs, on a cache without a cluster."""

import asyncio
from dataclasses import replace

import pytest
from operator_support.builders import DEFAULTS, NOW, at, job, observed

from nerf_contract import reasons
from nerf_operator.allocation.model import Allocation
from nerf_operator.cluster.cache import Cache, Key
from nerf_operator.cluster.sharing import OTHERS_EVERY, Sharer
from nerf_operator.core.gpus import Node
from nerf_operator.core.observed import Job
from nerf_operator.core.plan import plan

DEMO = Key("lab", "demo")


class Others:
    """An API server that tells what pods of others hold, unless it is away."""

    def __init__(self) -> None:
        self.held: dict[str, int] = {}
        self.calls = 0
        self.away = False

    async def foreign_gpus(self) -> dict[str, int]:
        self.calls += 1
        if self.away:
            raise OSError("the API server is away")
        return self.held


class Lab:
    """A sharer for one node of four GPUs, and its clock."""

    def __init__(self, whole_cluster: bool = True) -> None:
        self.cache, self.others = Cache(), Others()
        self.woken: list[Key] = []
        self.seconds = 0.0
        self.cache.nodes.put(Key("", "a"), Node("a", "a", "1", gpus=4, usable=True))
        self.sharer = Sharer(
            self.cache,
            self.others,  # type: ignore[arg-type]
            self.woken.append,
            lambda: at(self.seconds),
            whole_cluster,
        )

    def put(self, found: Job) -> None:
        """The watch tells of the job as it is now."""
        self.cache.put_job(found)
        self.sharer.notice(DEMO)

    def write(self, found: Job, version: int) -> Job:
        """A pass over the job, and what it writes down."""
        seen = observed(allocation=self.sharer.allocation(found))
        status = plan(found, seen, at(self.seconds), DEFAULTS).status
        assert status is not None
        written = replace(found, status=status, version=str(version))
        self.put(written)
        return written

    def share(self, subject: Job) -> Allocation | None:
        """What is decided for the job."""
        asyncio.run(self.sharer.share())
        return self.sharer.allocation(subject)


def waiting() -> Job:
    """A job that has just asked for workers."""
    fresh = job(scaling={"policy": "Auto"}, workers={"min": 1, "max": 3, "gpusPerWorker": 1})
    status = plan(fresh, observed(), NOW, DEFAULTS).status
    assert status is not None
    return replace(fresh, status=status)


def test_a_job_is_woken_for_what_is_new() -> None:
    lab, subject = Lab(), waiting()
    lab.put(subject)
    found = lab.share(subject)
    assert found is not None and (found.workers, found.reason) == (3, reasons.ADMITTED)
    assert lab.woken == [DEMO]
    subject = lab.write(subject, 2)
    found = lab.share(subject)
    assert found is not None and (found.workers, found.reason) == (3, reasons.AT_MAXIMUM)
    subject = lab.write(subject, 3)
    lab.woken.clear()
    lab.share(subject)
    assert lab.woken == []


def test_others_are_listed_now_and_then() -> None:
    lab, subject = Lab(), waiting()
    lab.others.held = {"a": 3}
    lab.share(subject)
    assert lab.others.calls == 0, "no Auto jobs, no calls"
    lab.put(subject)
    found = lab.share(subject)
    assert found is not None and found.workers == 1
    lab.share(subject)
    assert lab.others.calls == 1
    lab.seconds = OTHERS_EVERY.total_seconds()
    lab.share(subject)
    assert lab.others.calls == 2


def test_nothing_is_decided_by_guess() -> None:
    lab, subject = Lab(), waiting()
    lab.others.away = True
    lab.put(subject)
    with pytest.raises(OSError, match="away"):
        lab.share(subject)
    assert lab.sharer.allocation(subject) is None


def test_who_may_not_read_nodes_says_so() -> None:
    lab, subject = Lab(whole_cluster=False), waiting()
    lab.put(subject)
    found = lab.share(subject)
    assert found is not None and (found.workers, found.reason) == (0, reasons.CAPACITY_UNKNOWN)
    assert "all namespaces" in found.message
    assert lab.others.calls == 0


def test_one_that_is_suspended_is_decided_on_no_more() -> None:
    lab, subject = Lab(), waiting()
    lab.put(subject)
    assert lab.share(subject) is not None
    assert subject.spec is not None
    policy = subject.spec.run_policy.model_copy(update={"suspend": True})
    spec = subject.spec.model_copy(update={"run_policy": policy})
    lab.put(replace(subject, version="2", generation=2, spec=spec))
    assert lab.share(subject) is None
