"""Jobs that kopf lists go to the cache, page for page, and none to kopf."""

import asyncio
from collections.abc import Callable
from typing import Any

import kopf
from aiohttp import web
from aiohttp.test_utils import TestServer

from nerf_contract import names
from nerf_operator.cluster.joblists import JobLists
from nerf_operator.cluster.listening import listen

Object = dict[str, Any]
LAB, OTHER = "/lab/nerfjobs", "/other/nerfjobs"


def page(*jobs: str, more: str = "") -> Object:
    """A page of a list; more: the token of the next one."""
    items = [{"metadata": {"name": name}} for name in jobs]
    return {"metadata": {"resourceVersion": "10", "continue": more}, "items": items}


class Taken:
    """What two lists have told so far; of "broken" nothing can be made."""

    def __init__(self) -> None:
        self.jobs: list[str] = []
        self.heard: list[str] = []
        self.missed = 0
        self.lists = JobLists(2, self.see, self.heard.append, self.miss)

    def see(self, body: Object) -> None:
        if body["metadata"]["name"] == "broken":
            raise ValueError("no such thing")
        self.jobs.append(body["metadata"]["name"])

    def miss(self) -> None:
        self.missed += 1


def test_all_is_listed_once_each_list_has_come_to_its_end() -> None:
    taken = Taken()
    pages = ((LAB, page("a", more="next")), (OTHER, page("b")), (LAB, page("c")))
    complete = []
    for path, one in pages:
        taken.lists.take(path, one)
        complete.append(taken.lists.complete.is_set())
    assert complete == [False, False, True]
    assert (taken.jobs, taken.heard, taken.missed) == (["a", "b", "c"], [OTHER, LAB], 0)
    assert [one["items"] for _, one in pages] == [[], [], []]


def test_a_list_that_is_begun_anew_before_its_end_has_missed_nothing() -> None:
    taken = Taken()
    taken.lists.take(LAB, page("a", more="next"))
    taken.lists.take(LAB, page("a", "b"))
    assert taken.missed == 0


def test_where_jobs_are_listed_again_some_may_be_gone() -> None:
    taken = Taken()
    taken.lists.take(LAB, page("a"))
    taken.lists.take(LAB, page("a", more="next"))
    assert taken.missed == 0
    taken.lists.take(LAB, page("b"))
    assert taken.missed == 1
    assert not taken.lists.complete.is_set()  # The other one is still to come.


def test_a_job_that_makes_no_sense_hides_no_other() -> None:
    taken = Taken()
    taken.lists.take(LAB, page("broken", "a"))
    assert taken.jobs == ["a"]


def test_a_namespace_without_jobs_is_listed_too() -> None:
    taken = Taken()
    empty = page()
    taken.lists.take(LAB, {**empty, "items": None})
    taken.lists.take(OTHER, empty)
    assert taken.lists.complete.is_set()


def asked(path: str, answer: web.Response, read: Callable[[Any], Any], taken: Taken) -> Any:
    """What kopf reads where the API server answers so."""

    async def ask() -> Any:
        app = web.Application()

        async def respond(request: web.Request) -> web.Response:
            return answer

        app.router.add_get("/{path:.*}", respond)
        async with TestServer(app) as server:
            info = kopf.ConnectionInfo(server=str(server.make_url("")))
            session = listen(info, taken.heard.append, taken.lists).aiohttp_session
            async with session, session.get(server.make_url(path)) as got:
                return await read(got)

    return asyncio.run(ask())


async def as_list(got: Any) -> Any:
    return await got.json()


async def as_watch(got: Any) -> list[bytes]:
    return [chunk async for chunk in got.content.iter_chunked(1024)]


def test_kopf_is_given_lists_without_jobs() -> None:
    taken = Taken()
    path = f"/apis/{names.API_VERSION}/namespaces/lab/{names.PLURAL}"
    got = asked(f"{path}?limit=1", web.json_response(page("a", more="next")), as_list, taken)
    assert got == page(more="next")
    assert taken.jobs == ["a"]


def test_a_refusal_is_left_to_kopf() -> None:
    taken = Taken()
    told = {"kind": "Status", "message": "no"}
    got = asked(LAB, web.json_response(told, status=403), as_list, taken)
    assert (got, taken.heard) == (told, [])


def test_what_kopf_asks_besides_is_its_own() -> None:
    taken = Taken()
    told = {"resources": [{"name": names.PLURAL}]}
    assert asked("/apis/nerfops.dev/v1", web.json_response(told), as_list, taken) == told
    assert (taken.jobs, taken.heard) == ([], [])


def test_a_watch_is_kopfs_own_and_heard() -> None:
    taken = Taken()
    event = web.Response(text='{"type": "BOOKMARK"}\n')
    assert asked(f"{LAB}?watch=true", event, as_watch, taken) == [b'{"type": "BOOKMARK"}\n']
    assert (taken.jobs, taken.heard) == ([], [LAB, LAB])
