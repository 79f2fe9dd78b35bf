"""Active time, the deadline, and the time to live."""

import pytest
from operator_support.builders import DEFAULTS, NOW, at, job, observed, running, spec, succeeded

from nerf_contract import reasons
from nerf_contract.v1alpha1 import ActiveStatus, NeRFJobStatus
from nerf_operator.core import lifetime
from nerf_operator.core.actions import Plan
from nerf_operator.core.moment import rfc3339
from nerf_operator.core.plan import plan


def active(seconds: int, since: float | None = None) -> NeRFJobStatus:
    """A status with this active time before `since`, in seconds after NOW."""
    moment = None if since is None else rfc3339(at(since))
    return NeRFJobStatus(active=ActiveStatus(seconds=seconds, since=moment))


#: name -> (status, whether it is active now, seconds and since that are told 10 s later)
STRETCHES: dict[str, tuple[NeRFJobStatus, bool, int, float | None]] = {
    "begins": (NeRFJobStatus(), True, 0, 10),
    "goes on": (active(5, 0), True, 5, 0),
    "is suspended": (active(5, 0), False, 15, None),
    "rests": (active(15), False, 15, None),
    "is resumed": (active(15), True, 15, 10),
    "was suspended from the first": (NeRFJobStatus(), False, 0, None),
    "of an operator that counted nothing": (
        NeRFJobStatus(start_time=rfc3339(at(-50))),
        *(True, 0, -50),
    ),
}


@pytest.mark.parametrize("name", STRETCHES)
def test_active_time(name: str) -> None:
    old, is_active, seconds, since = STRETCHES[name]
    told = lifetime.account(old, is_active, at(10))
    assert told == active(seconds, since).active


def test_suspended_time_does_not_count_for_the_deadline() -> None:
    wanted = spec(runPolicy={"activeDeadlineSeconds": 100})
    assert lifetime.deadline_left(wanted, active(30), at(10_000)) == 70
    assert lifetime.deadline_left(wanted, active(30, 0), at(50)) == 20
    assert lifetime.deadline_left(spec(), active(30, 0), at(10_000)) is None


def overdue(seconds: float, *pods: object, **sections: object) -> Plan:
    policy = {"activeDeadlineSeconds": 60}
    subject = job(active(0, 0), runPolicy=policy, **sections)
    return plan(subject, observed(*pods), at(seconds), DEFAULTS)  # type: ignore[arg-type]


def test_a_job_fails_at_its_deadline_and_asks_for_the_pass_in_time() -> None:
    before = overdue(59, running(0), running(1))
    assert before.requeue_after is not None and before.requeue_after <= 1
    late = overdue(60, running(0), running(1))
    assert late.status is not None
    failed = late.status.condition(reasons.FAILED)
    assert failed is not None and (failed.status, failed.reason) == ("True", "DeadlineExceeded")
    assert "activeDeadlineSeconds" in failed.message
    assert len(late.actions) == 2
    assert late.status.active == ActiveStatus(seconds=60)


def test_a_scene_that_is_trained_at_the_deadline_is_a_success_without_outputs() -> None:
    late = overdue(60, succeeded(0), succeeded(1), outputs={"mesh": {}})
    assert late.status is not None
    good, made = (late.status.condition(t) for t in (reasons.SUCCEEDED, reasons.OUTPUTS_READY))
    assert good is not None and good.status == "True"
    assert made is not None and (made.status, made.reason) == ("False", "DeadlineExceeded")


@pytest.mark.parametrize(("ttl", "left"), [(None, None), (0, -30.0), (100, 70.0)])
def test_time_to_live(ttl: int | None, left: float | None) -> None:
    wanted = spec(runPolicy={"ttlSecondsAfterFinished": ttl})
    ended = NeRFJobStatus(completion_time=rfc3339(NOW))
    assert lifetime.to_live(wanted, ended, at(30)) == left
    assert lifetime.to_live(wanted, NeRFJobStatus(), at(30)) is None
