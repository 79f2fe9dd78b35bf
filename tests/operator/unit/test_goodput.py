"""What became of a job's wall time, before its trainer ran and after."""

import pytest
from operator_support.builders import at, observed, pod, progress, running

from nerf_contract.progress import GoodputReport
from nerf_contract.v1alpha1 import GoodputStatus
from nerf_operator.cluster import parse
from nerf_operator.core import goodput
from nerf_operator.core.observed import Pod

TOLD = GoodputReport(
    ratio=0.5, efficiency=0.91234, wall_seconds=90.4, lost_seconds={"start": 20.4, "replay": 3.6}
)
STARTED = running(0, scheduled_at=at(4), started_at=at(10))

#: name -> (pods of worker 0, seconds by cause)
BEFORE: dict[str, tuple[tuple[Pod, ...], dict[str, int]]] = {
    "no pod": ((), {}),
    "waits for a node": ((pod(0),), {}),
    "pulls its image": ((pod(0, scheduled_at=at(4)),), {}),
    "runs": ((STARTED,), {"queue": 4, "image": 6}),
    "was replaced": ((STARTED, running(0, 1, started_at=at(99))), {"queue": 4, "image": 6}),
    "the first is gone": ((running(0, 1, started_at=at(99)),), {}),
    "clocks differ": (
        (running(0, scheduled_at=at(-1), started_at=at(-2)),),
        {"queue": 0, "image": 0},
    ),
}


@pytest.mark.parametrize("name", BEFORE)
def test_only_the_first_pod_tells_of_queue_and_image(name: str) -> None:
    pods, seconds = BEFORE[name]
    assert goodput.before_the_start(pods) == seconds


def test_time_before_the_trainer_lowers_its_ratio() -> None:
    found = goodput.merge(None, progress(goodput=TOLD), observed(STARTED))
    assert found == GoodputStatus(
        ratio=0.45,
        efficiency=0.912,
        wall_seconds=100,
        lost_seconds={"queue": 4, "image": 6, "start": 20, "replay": 4},
    )


def test_what_is_not_known_anew_stays() -> None:
    early = goodput.merge(None, None, observed(STARTED))
    assert early == GoodputStatus(wall_seconds=10, lost_seconds={"queue": 4, "image": 6})
    assert goodput.merge(early, progress(), observed()) == early
    later = goodput.merge(early, progress(goodput=TOLD), observed())
    assert later is not None and later.lost_seconds["queue"] == 4
    assert goodput.merge(None, None, observed()) is None


@pytest.mark.parametrize("state", ["running", "terminated", "waiting"])
def test_a_container_that_has_run_has_a_start(state: str) -> None:
    begun = {"startedAt": "2026-01-01T12:00:10Z"} if state != "waiting" else {}
    found = parse.pod(
        {
            "metadata": {
                **{"name": "a", "uid": "1", "resourceVersion": "1"},
                "creationTimestamp": "2026-01-01T12:00:00Z",
            },
            "spec": {"containers": [{}]},
            "status": {"containerStatuses": [{"state": {state: begun}}]},
        }
    )
    assert found.started_at == (at(10) if begun else None)
