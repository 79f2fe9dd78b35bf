"""A watch tells of all that is there and of each change, whatever the API server does."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import aiohttp
import pytest

from nerf_operator.cluster import watching
from nerf_operator.cluster.client import Client
from nerf_operator.cluster.watching import Watch, lines

Object = dict[str, Any]
EXPIRED = {"type": "ERROR", "object": {"code": 410, "message": "too old"}}


def thing(name: str, version: int) -> Object:
    return {"metadata": {"name": name, "resourceVersion": str(version)}}


def event(kind: str, name: str, version: int) -> Object:
    return {"type": kind, "object": thing(name, version)}


class Server:
    """Lists what it is told to, a page for each list, and streams one script a watch, then rests.

    since: the versions from which it was asked to watch.
    """

    def __init__(self, pages: list[list[Object]], *scripts: list[Object] | Exception) -> None:
        self.pages_of_it = pages
        self.scripts = list(scripts)
        self.lists = 0
        self.since: list[str] = []

    async def pages(self, path: str, query: dict[str, str]) -> AsyncIterator[Object]:
        self.lists += 1
        for items in self.pages_of_it:
            yield {"metadata": {"resourceVersion": "10"}, "items": items}

    @asynccontextmanager
    async def stream(self, path: str, query: dict[str, str]) -> AsyncIterator[Any]:
        self.since.append(query["resourceVersion"])
        if not self.scripts:
            await asyncio.sleep(3600)
        script = self.scripts.pop(0)
        if isinstance(script, Exception):
            raise script
        yield Stream(b"".join(json.dumps(told).encode() + b"\n" for told in script))


class Stream:
    """Bytes, in chunks that are no lines."""

    def __init__(self, told: bytes, size: int = 7) -> None:
        self._chunks = [told[i : i + size] for i in range(0, len(told), size)]

    async def iter_any(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            yield chunk


class Listener:
    """What was told, in order; of "broken" it can make nothing."""

    def __init__(self, server: Server) -> None:
        self.told: list[str] = []
        self.missed = 0
        client = cast(Client, server)
        self.watch = Watch(client, "/x", None, self.see, self.lose, lambda path: None, self.miss)

    def see(self, body: Object) -> None:
        if body["metadata"]["name"] == "broken":
            raise ValueError("no such thing")
        self.told.append(body["metadata"]["name"])

    def lose(self, body: Object) -> None:
        self.told.append(f"-{body['metadata']['name']}")

    def miss(self) -> None:
        self.missed += 1


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "PAUSE_SECONDS", 0.001)


def listened(server: Server) -> Listener:
    """To all that a server has to tell, until it is watched for the last time."""

    async def listen() -> Listener:
        listener = Listener(server)
        running = asyncio.create_task(listener.watch.run())
        async with asyncio.timeout(10):
            await listener.watch.listed.wait()
            count = len(server.scripts) + len(server.since) + 1
            while len(server.since) < count:
                await asyncio.sleep(0.001)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return listener

    return asyncio.run(listen())


def test_all_pages_then_each_change_is_told_once() -> None:
    changes = [event("ADDED", "c", 11), event("MODIFIED", "a", 12), event("DELETED", "b", 13)]
    server = Server([[thing("a", 3)], [thing("b", 9)]], changes)
    listener = listened(server)
    assert listener.told == ["a", "b", "c", "a", "-b"]
    assert (server.since, server.lists, listener.missed) == (["10", "13"], 1, 0)


def test_a_bookmark_is_no_news_and_moves_the_watch_on() -> None:
    server = Server([[]], [event("BOOKMARK", "", 20)], OSError("connection lost"))
    assert listened(server).told == []
    assert (server.since, server.lists) == (["10", "20", "20"], 1)


def test_where_changes_were_missed_all_is_listed_again_and_said_so() -> None:
    server = Server([[thing("a", 3)]], [event("ADDED", "b", 11), EXPIRED])
    listener = listened(server)
    assert listener.told == ["a", "b", "a"]
    assert (server.lists, listener.missed) == (2, 1)


def test_an_object_that_makes_no_sense_hides_no_other() -> None:
    server = Server([[thing("broken", 3), thing("a", 4)]], [event("ADDED", "broken", 11)])
    assert listened(server).told == ["a"]
    assert server.since == ["10", "11"]


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_lines_come_whole_whatever_the_chunks(size: int) -> None:
    async def read() -> list[bytes]:
        stream = cast(aiohttp.StreamReader, Stream(b"one\n\n" + b"x" * 500 + b"\n", size))
        return [line async for line in lines(stream)]

    assert asyncio.run(read()) == [b"one", b"", b"x" * 500]
