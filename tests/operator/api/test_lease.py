"""Two operators at once: one works, the other one waits, and takes over in time."""

import signal
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from operator_support import faults, process
from operator_support.apiserver import wait_until
from operator_support.cluster import Namespace
from operator_support.process import Operator
from operator_support.proxy import Proxy
from operator_support.stage import Stage

pytestmark = pytest.mark.usefixtures("alone")
IN_TIME = 15


@dataclass
class Member:
    operator: Operator
    proxy: Proxy


@dataclass
class Pair:
    lab: Namespace
    leader: Member
    standby: Member

    def creations(self) -> Counter[str]:
        """How often each child was created, by the one or the other."""
        done = [*self.leader.proxy.writes(), *self.standby.proxy.writes()]
        made = (one.call.what for one in done if one.code == 201 and one.call.method == "POST")
        return Counter(what for what in made if "events/" not in what)

    def await_pods(self, job: str, seconds: float) -> float:
        """Seconds until the job has its pods."""
        begin = time.monotonic()
        wanted = {f"{job}-worker-0-0", f"{job}-worker-1-0"}
        wait_until(f"pods of {job}", lambda: wanted <= set(self.lab.pods()), seconds)
        return time.monotonic() - begin


@pytest.fixture
def pair(stage: Stage) -> Iterator[Pair]:
    """Two operators of which one leads, and a namespace with photos."""
    process.allow_lease(stage.server)
    lab = stage.namespace()
    with stage.operator(lab.name, "a") as a, stage.operator(lab.name, "b") as b:
        both = [Member(*a), Member(*b)]
        for member in both:
            wait_until("both are ready", member.operator.ready)
        wait_until("one leads", lambda: any(m.operator.leads() for m in both))
        leader, standby = sorted(both, key=lambda m: not m.operator.leads())
        yield Pair(lab, leader, standby)


def test_only_one_of_two_works(pair: Pair) -> None:
    for number in range(5):
        pair.lab.job(f"job-{number}")
    for number in range(5):
        pair.await_pods(f"job-{number}", 20)
    assert set(pair.creations().values()) == {1}
    assert not pair.standby.operator.leads()
    assert pair.standby.proxy.writes() == []


def test_the_one_that_waits_takes_over_from_one_that_died(pair: Pair) -> None:
    pair.lab.job("before")
    pair.await_pods("before", 20)
    pair.leader.operator.kill()
    pair.lab.job("after")
    pair.await_pods("after", IN_TIME)
    assert set(pair.creations().values()) == {1}


def test_one_that_is_cut_off_stops_before_the_other_begins(pair: Pair) -> None:
    pair.leader.proxy.rule = faults.cut
    pair.lab.job("after")
    pair.await_pods("after", IN_TIME + 5)
    stopped = pair.leader.operator.process
    assert stopped is not None
    assert stopped.poll() == 1
    first = min(one.at for one in pair.standby.proxy.writes())
    assert all(one.at < first for one in pair.leader.proxy.writes())
    assert set(pair.creations().values()) == {1}


def test_one_that_is_told_to_stop_lets_the_other_begin_at_once(pair: Pair) -> None:
    stopped = pair.leader.operator.process
    assert stopped is not None
    stopped.send_signal(signal.SIGTERM)
    assert stopped.wait(10) == 0
    pair.lab.job("after")
    pair.await_pods("after", 8)


def test_one_that_waits_stops_when_it_is_told_to(pair: Pair) -> None:
    stopped = pair.standby.operator.process
    assert stopped is not None
    stopped.send_signal(signal.SIGTERM)
    assert stopped.wait(10) == 0
    assert pair.leader.operator.leads()


def test_a_container_that_is_started_again_goes_on_at_once(pair: Pair) -> None:
    pair.leader.operator.kill()
    pair.leader.operator.launch()
    wait_until("it leads again", pair.leader.operator.leads, 8)
