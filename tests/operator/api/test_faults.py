"""What may go wrong between operator and API server does not change how a job's life ends."""

import os
import random
from pathlib import Path

import pytest
from operator_support import faults, life
from operator_support.apiserver import wait_until
from operator_support.cluster import Object
from operator_support.proxy import Answered, Nth, Tampering
from operator_support.stage import Stage

Place = tuple[str, str]


pytestmark = pytest.mark.usefixtures("alone")


@pytest.fixture(scope="module")
def undisturbed(stage: Stage) -> tuple[Object, list[str]]:
    """The state at the end of a life without faults, and all calls that made it."""
    with stage.act() as (lab, _, proxy):
        end = life.live(lab)
        life.die(lab)
        wait_until("its deletion is on record", lambda: any(map(_deletes_job, proxy.writes())), 10)
        names = Nth()
        return end, [names.label(one.call) for one in proxy.writes()]


def _deletes_job(answered: Answered) -> bool:
    return answered.call.what == "DELETE nerfjobs/demo"


def kill_at(stage: Stage, target: str, when: str, expected: Object) -> str:
    """What was different where the operator was killed at this call; "" if nothing was."""
    with stage.act() as (lab, operator, proxy):
        killing = proxy.rule = faults.Killing(operator, target, when)
        try:
            end = life.live(lab)
            life.die(lab)
        except (AssertionError, TimeoutError) as error:
            return f"killed at {target} {when}: {error}"
        if end != expected:
            other = {key: (end[key], expected[key]) for key in end if end[key] != expected[key]}
            return f"killed at {target} {when}: what is there, and should be: {other}"
        return "" if killing.met or may_merge(target) else f"{target} never came"


def check_killed_at(stage: Stage, chosen: list[Place], expected: Object) -> None:
    """Nothing was different wherever the operator was killed."""
    found = [kill_at(stage, *place, expected) for place in chosen]
    assert not any(found), "\n".join(filter(None, found))


def may_merge(call: str) -> bool:
    """Status writes that come fast become one; events tell of status writes."""
    return "/status #" in call or "/events/" in call


def places(calls: list[str]) -> list[Place]:
    return [(call, when) for call in calls for when in (faults.BEFORE, faults.AFTER)]


def test_the_life_has_every_kind_of_call(undisturbed: tuple[Object, list[str]]) -> None:
    _, calls = undisturbed
    for part in (
        *("POST services/demo", "POST secrets/demo", "POST pods/demo-worker-0-0"),
        *("POST persistentvolumeclaims/demo-checkpoint", "POST pods/demo-coordinator-0"),
        *("POST pods/demo-worker-2-0", "DELETE pods/demo-worker-2-0", "POST pods/demo-worker-1-1"),
        *("DELETE pods/demo-coordinator-0", "DELETE nerfjobs/demo", "PUT demo/status"),
    ):
        assert f"{part} #1" in calls


def test_an_operator_that_dies_at_a_call_is_not_missed(
    stage: Stage, undisturbed: tuple[Object, list[str]]
) -> None:
    expected, calls = undisturbed
    some = random.Random(7).sample(places([c for c in calls if not may_merge(c)]), 3)
    check_killed_at(stage, some, expected)


@pytest.mark.slow
def test_an_operator_that_dies_at_any_call_is_not_missed(
    stage: Stage, undisturbed: tuple[Object, list[str]]
) -> None:
    expected, calls = undisturbed
    check_killed_at(stage, places(calls), expected)


TAMPERINGS: dict[str, Tampering] = {
    "duplicated": faults.duplicated,
    "delayed": faults.delayed,
    "reordered": faults.reordered,
    "broken off": faults.broken_off(),
    "expired": faults.broken_off(faults.EXPIRED.encode() + b"\n"),
}


@pytest.mark.parametrize("how", TAMPERINGS)
def test_watches_may_tell_badly(
    stage: Stage, undisturbed: tuple[Object, list[str]], how: str
) -> None:
    with stage.act() as (lab, _, proxy):
        proxy.tamper = TAMPERINGS[how]
        assert life.live(lab) == undisturbed[0]


@pytest.mark.parametrize("code", [409, 429, 500])
def test_calls_may_be_refused(
    stage: Stage, undisturbed: tuple[Object, list[str]], code: int
) -> None:
    with stage.act() as (lab, _, proxy):
        proxy.rule = faults.answering(code, 0.3, random.Random(code))
        assert life.live(lab) == undisturbed[0]


def test_half_of_all_calls_fail(
    stage: Stage, undisturbed: tuple[Object, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each pass has to try again and again, up to 8 s later each time."""
    monkeypatch.setattr(life, "SECONDS", 120)
    with stage.act() as (lab, _, proxy):
        proxy.rule = faults.failing(0.5, random.Random(os.environ.get("SEED", "0")))
        assert life.live(lab) == undisturbed[0]


@pytest.mark.parametrize("seconds", [-600, 600])
def test_a_clock_that_is_wrong(
    stage: Stage, undisturbed: tuple[Object, list[str]], seconds: int
) -> None:
    """That of the operator's machine. Monotonic clocks are never set, so that one is right."""
    [library] = Path("/usr/lib").glob("*/faketime/libfaketime.so.1")
    shift = {"FAKETIME": f"{seconds:+d}", "DONT_FAKE_MONOTONIC": "1", "LD_PRELOAD": str(library)}
    lab = stage.namespace()
    with stage.operator(lab.name, env=shift):
        assert life.live(lab) == undisturbed[0]
