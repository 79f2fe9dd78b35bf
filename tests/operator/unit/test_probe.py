"""Whose progress an answer is, when jobs and pods change while it is awaited."""

import asyncio
from collections.abc import Callable

import pytest
from operator_support.builders import progress
from pydantic import ValidationError

from nerf_contract.progress import Progress
from nerf_operator.cluster import probe
from nerf_operator.cluster.cache import Key
from nerf_operator.cluster.probe import Prober

DEMO = Key("lab", "demo")


def another_job(prober: Prober) -> None:
    prober.forget(DEMO)
    prober.aim(DEMO, "10.0.0.1")


#: what happens while the pod at 10.0.0.1 is asked -> (the event, whether its answer still counts)
MEANWHILE: dict[str, tuple[Callable[[Prober], None], bool]] = {
    "nothing": (lambda prober: None, True),
    "the same aim again": (lambda prober: prober.aim(DEMO, "10.0.0.1"), True),
    "another pod": (lambda prober: prober.aim(DEMO, "10.0.0.2"), False),
    "no pod is left": (lambda prober: prober.aim(DEMO, None), False),
    "the job goes": (lambda prober: prober.forget(DEMO), False),
    "another job of its name": (another_job, False),
}


@pytest.mark.parametrize("rate", [-5.0, 1e12, float("nan"), float("inf")])
def test_a_rate_that_no_training_has_is_not_heard(rate: float) -> None:
    with pytest.raises(ValidationError, match="rays_per_second"):
        Progress.model_validate(progress().model_dump() | {"rays_per_second": rate})


@pytest.mark.parametrize("what", MEANWHILE)
@pytest.mark.parametrize("silent", [False, True], ids=["answer", "no answer"])
def test_an_answer_counts_for_the_pod_that_was_asked(
    what: str, silent: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    change, counts = MEANWHILE[what]
    changed: list[Key] = []

    async def run() -> Progress | None:
        prober = Prober(changed.append)

        async def ask(address: str) -> Progress:
            change(prober)
            if silent:
                raise TimeoutError
            return progress()

        monkeypatch.setattr(prober, "_ask", ask)
        prober.aim(DEMO, "10.0.0.1")
        await prober._probe(DEMO)
        return prober.progress(DEMO)

    assert asyncio.run(run()) == (progress() if counts and not silent else None)
    assert changed == ([DEMO] if counts else []), (
        "the first answer is waited for, if none comes too"
    )


def test_the_first_answer_is_waited_for_once_and_not_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def run() -> list[bool]:
        prober = Prober(lambda key: None)

        async def ask(address: str) -> Progress:
            return progress()

        monkeypatch.setattr(prober, "_ask", ask)
        waits = [prober.first_answer(DEMO) is not None]
        prober.aim(DEMO, "10.0.0.1")
        waits.append(prober.first_answer(DEMO) is not None)
        await prober._probe(DEMO)
        waits.append(prober.first_answer(DEMO) is not None)
        prober.aim(DEMO, "10.0.0.2")
        monkeypatch.setattr(probe, "TIMEOUT_SECONDS", 0.0)
        waits.append(prober.first_answer(DEMO) is not None)
        return waits

    assert asyncio.run(run()) == [False, True, False, False]


def test_many_jobs_share_what_is_asked_in_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run(jobs: int) -> float:
        prober = Prober(lambda key: None)

        async def ask(address: str) -> Progress:
            return progress()

        monkeypatch.setattr(prober, "_ask", ask)
        pauses: dict[Key, float] = {}
        for number in range(jobs):
            prober.aim(Key("lab", f"job-{number}"), "10.0.0.1")
        monkeypatch.setattr(prober._queue, "add", pauses.__setitem__)
        await prober._probe(Key("lab", "job-0"))
        return pauses[Key("lab", "job-0")]

    assert asyncio.run(run(1)) == probe.NEWS_SECONDS
    assert asyncio.run(run(1000)) == 1000 / probe.PROBES_PER_SECOND
