"""Events are told beside the passes, and told again where the API server did not take them."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from operator_support.builders import NOW, job

from nerf_operator.cluster.announce import Announcer, event
from nerf_operator.core.actions import Event

TOLD = (Event("TrainingStarted", "2 of 2 workers are training."), Event("Failed", "boom", True))
PAUSES = (0.0, 0.001, 0.001)


class Server:
    """An API server that takes no event at its first so many calls."""

    def __init__(self, away: int = 0) -> None:
        self.away = away
        self.calls: list[str] = []
        self.events: list[str] = []

    async def create_event(self, namespace: str, event: dict[str, Any]) -> None:
        self.calls.append(event["metadata"]["name"])
        await asyncio.sleep(0)
        if self.calls.count(event["metadata"]["name"]) <= self.away:
            raise OSError("the API server is away")
        self.events.append(event["reason"])


async def tell(server: Server, calls: int) -> None:
    """Tell both events, and wait until the server was called so often."""
    announcer = Announcer(server, PAUSES)  # type: ignore[arg-type]
    announcer.tell(job(), TOLD, NOW)
    assert server.calls == [], "a pass does not wait for its events"
    await asyncio.wait_for(asyncio.gather(*_others()), 10)
    assert len(server.calls) == calls


def _others() -> set[asyncio.Task[Any]]:
    return {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}


def test_every_event_is_told_once() -> None:
    server = Server()
    asyncio.run(tell(server, calls=2))
    assert sorted(server.events) == ["Failed", "TrainingStarted"]


def test_names_are_in_the_order_in_which_things_happened() -> None:
    first, later = replace(job(), version="998"), replace(job(), version="1000")
    told = [
        event(first, TOLD[1], NOW, 0),
        event(first, TOLD[0], NOW, 1),
        event(later, TOLD[1], NOW),
    ]
    names = [found["metadata"]["name"] for found in told]
    assert names == sorted(names)


def test_what_was_not_taken_is_told_again_under_the_same_name() -> None:
    server = Server(away=2)
    asyncio.run(tell(server, calls=6))
    assert sorted(server.events) == ["Failed", "TrainingStarted"]
    assert len(set(server.calls)) == 2


def test_in_the_end_it_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    server = Server(away=1000)
    asyncio.run(tell(server, calls=2 * len(PAUSES)))
    assert server.events == []
    assert "event lost after 3 attempts: boom (OSError: the API server is away)" in caplog.text


def test_closing_gives_up() -> None:
    async def close() -> set[asyncio.Task[Any]]:
        announcer = Announcer(Server(away=1000), (0.0, 3600.0))  # type: ignore[arg-type]
        announcer.tell(job(), TOLD, NOW)
        await asyncio.sleep(0.01)
        await announcer.close()
        return _others()

    assert asyncio.run(close()) == set()
