"""What may go wrong between operator and API server does not change how a job's life ends."""

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from operator_support import faults, life
from operator_support.apiserver import ApiServer
from operator_support.cluster import Namespace, Object
from operator_support.process import Operator
from operator_support.proxy import Nth, Proxy, Tampering

Place = tuple[str, str]


@pytest.fixture(scope="module", autouse=True)
def alone(operator: Operator) -> Iterator[None]:
    """The operator of the other tests is away."""
    operator.kill()
    yield
    operator.start()


class Stage:
    """Lives of jobs, each in a namespace and with an operator and a proxy of its own."""

    def __init__(self, server: ApiServer, token: str, folder: Path) -> None:
        self._server = server
        self._token = token
        self._folder = folder
        self._count = 0

    @contextmanager
    def act(self) -> Iterator[tuple[Namespace, Operator, Proxy]]:
        """A fresh namespace with photos in it, and an operator that runs behind a proxy."""
        self._count += 1
        lab = Namespace(self._server, f"{self._folder.name}-{self._count}".replace("_", "-"))
        self._server.request("POST", "/api/v1/namespaces", {"metadata": {"name": lab.name}})
        lab.claim()
        with Proxy(self._server).listening() as proxy:
            config = self._folder / f"config-{self._count}"
            self._server.write_kubeconfig(config, self._token, proxy.url)
            operator = Operator(config, self._folder / f"log-{self._count}", lab.name)
            operator.launch()
            try:
                yield lab, operator, proxy
            finally:
                operator.kill()


@pytest.fixture(scope="module")
def stage(server: ApiServer, account: Path, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return Stage(server, operator_token(account), tmp_path_factory.mktemp("faults"))


def operator_token(kubeconfig: Path) -> str:
    return str(json.loads(kubeconfig.read_text())["users"][0]["user"]["token"])


@pytest.fixture(scope="module")
def undisturbed(stage: Stage) -> tuple[Object, list[str]]:
    """The state at the end of a life without faults, and all calls that made it."""
    with stage.act() as (lab, _, proxy):
        end = life.live(lab)
        life.die(lab)
        names = Nth()
        return end, [names.label(one.call) for one in proxy.writes()]


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
            return f"killed at {target} {when}: {end} instead of {expected}"
        return "" if killing.met or may_merge(target) else f"{target} never came"


def may_merge(call: str) -> bool:
    """Status writes that come fast become one; events tell of status writes."""
    return "/status #" in call or "/events/" in call


def places(calls: list[str]) -> list[Place]:
    return [(call, when) for call in calls for when in (faults.BEFORE, faults.AFTER)]


def test_the_life_has_every_kind_of_call(undisturbed: tuple[Object, list[str]]) -> None:
    _, calls = undisturbed
    for part in (
        *("PATCH services/demo", "POST secrets/demo", "POST pods/demo-worker-0-0"),
        *("PATCH persistentvolumeclaims/demo-checkpoint", "POST pods/demo-coordinator-0"),
        *("POST pods/demo-worker-2-0", "DELETE pods/demo-worker-2-0", "POST pods/demo-worker-1-1"),
        *("DELETE pods/demo-coordinator-0", "DELETE nerfjobs/demo", "PATCH demo/status"),
    ):
        assert f"{part} #1" in calls


def test_an_operator_that_dies_at_a_call_is_not_missed(
    stage: Stage, undisturbed: tuple[Object, list[str]]
) -> None:
    expected, calls = undisturbed
    some = random.Random(7).sample(places([c for c in calls if not may_merge(c)]), 3)
    assert [found for at in some if (found := kill_at(stage, *at, expected))] == []


@pytest.mark.slow
def test_an_operator_that_dies_at_any_call_is_not_missed(
    stage: Stage, undisturbed: tuple[Object, list[str]]
) -> None:
    expected, calls = undisturbed
    assert [found for at in places(calls) if (found := kill_at(stage, *at, expected))] == []


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
