"""What happens while an operator starts, with jobs there already, is neither missed nor doubled."""

import asyncio
from collections.abc import Callable

import pytest
from operator_support.apiserver import wait_until
from operator_support.cluster import Namespace
from operator_support.process import Operator
from operator_support.proxy import Answer, Call, Forward
from operator_support.stage import Stage

from nerf_contract.names import PLURAL
from nerf_operator.cluster.watching import PAGE

pytestmark = pytest.mark.usefixtures("alone")

#: Two pages.
JOBS = PAGE + 1
SUSPENDED = 'nerf_operator_jobs{condition="Suspended"}'
#: Which call of the operator for NeRFJobs comes next, by how many lists it has asked for and
#: whether this one is a watch.
MOMENTS = {"before the list": (0, False), "between its pages": (1, False), "after it": (2, True)}


class Meanwhile:
    """The rule that does something at one moment of a start, before the call is passed on."""

    def __init__(self, moment: tuple[int, bool], act: Callable[[], None]) -> None:
        self.met = False
        self._moment = moment
        self._act = act
        self._lists = 0

    async def __call__(self, call: Call, forward: Forward) -> Answer:
        if call.method == "GET" and call.path.endswith(f"/{PLURAL}"):
            if not self.met and (self._lists, call.watches) == self._moment:
                self.met = True
                self._act()
            self._lists += not call.watches
        return await forward()


def suspended(operator: Operator) -> float | None:
    """How many suspended jobs the operator knows of; None while it cannot be asked."""
    try:
        return operator.metric(SUSPENDED).get(SUSPENDED)
    except OSError:
        return None


@pytest.mark.parametrize("moment", MOMENTS)
def test_what_happens_to_jobs_while_they_are_listed(stage: Stage, moment: str) -> None:
    with stage.act() as (lab, operator, proxy):
        for number in range(JOBS):
            lab.job(f"job-{number:03}", runPolicy={"suspend": True})
        wait_until("all are told of", lambda: suspended(operator) == JOBS, 60)
        operator.kill()

        def change() -> None:
            lab.delete("nerfjobs", "job-000")
            lab.patch("nerfjobs", "job-001", {"spec": {"runPolicy": {"suspend": False}}})
            lab.job("late")

        rule = proxy.rule = Meanwhile(MOMENTS[moment], change)
        operator.start()
        workers = [f"{name}-worker-{index}-0" for name in ("job-001", "late") for index in (0, 1)]
        lab.await_pods(*workers, seconds=20)
        wait_until("the deleted one is forgotten", lambda: suspended(operator) == JOBS - 2, 20)
        assert rule.met


class PodsLast:
    """The rule by which pods are listed only once NeRFJobs are watched."""

    def __init__(self) -> None:
        self.held = False
        self._watched = asyncio.Event()

    async def __call__(self, call: Call, forward: Forward) -> Answer:
        if call.watches and call.path.endswith(f"/{PLURAL}"):
            self._watched.set()
        elif call.method == "GET" and call.path.endswith("/pods") and not self._watched.is_set():
            self.held = True
            await self._watched.wait()
        return await forward()


def test_jobs_that_are_listed_before_their_pods_get_no_others(stage: Stage) -> None:
    with stage.act() as (lab, operator, proxy):
        names = ("demo-worker-0-0", "demo-worker-1-0")
        lab.job()
        lab.await_pods(*names, seconds=20)
        for name in names:
            lab.run_pod(name, "127.77.9.9")  # Nobody answers there: no progress.
        lab.await_condition("WorkersReady", "AllReady", seconds=20)
        operator.kill()
        before, written = versions(lab), len(proxy.writes())
        rule = proxy.rule = PodsLast()
        operator.start()
        wait_until("a pass", lambda: operator.passes() > 0, 20)
        assert (versions(lab), len(proxy.writes())) == (before, written)
        assert rule.held


def versions(lab: Namespace) -> dict[str, str]:
    """Versions of the job and its pods, by UID."""
    found = [one["metadata"] for kind in ("nerfjobs", "pods") for one in lab.list(kind)]
    return {one["uid"]: one["resourceVersion"] for one in found}
