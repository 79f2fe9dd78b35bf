"""The API server is away for longer than any pause: jobs do not notice, and are soon up to date."""

import time

import pytest
from operator_support.apiserver import ApiServer, wait_until
from operator_support.cluster import Namespace, Object
from operator_support.process import Operator

BOTH = ("demo-worker-0-0", "demo-worker-1-0")
AWAY = 300
#: Seconds in which all is as it should be once the API server is back.
CONVERGED = 10


def uids(lab: Namespace) -> dict[str, str]:
    found: list[Object] = lab.list("pods")
    return {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in found}


@pytest.mark.slow
def test_an_api_server_that_is_away_for_five_minutes(
    lab: Namespace, operator: Operator, server: ApiServer
) -> None:
    lab.job()
    lab.await_pods(*BOTH)
    for name in BOTH:
        lab.run_pod(name, "127.77.9.9")
    lab.await_condition("WorkersReady", "AllReady")
    before, process = uids(lab), operator.process
    server.stop_server()
    end = time.monotonic() + AWAY
    wait_until("the time is over", lambda: time.monotonic() > end, AWAY + 1)
    assert operator.ready()
    server.start_server()
    lab.end_pod(BOTH[1], 1, "boom")
    lab.job("late")
    wanted = {*BOTH, "demo-worker-1-1", "late-worker-0-0", "late-worker-1-0"}
    wait_until("all is made good", lambda: wanted <= set(uids(lab)), CONVERGED)
    assert before.items() <= uids(lab).items()
    assert operator.process is process
