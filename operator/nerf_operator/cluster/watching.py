"""A watch of one kind: a list in pages, then each change, again and again.

kopf keeps a task, a queue and a few dozen objects for each object that it watches; of those whose
events only feed a cache, a thousand jobs have five thousand.
"""

import asyncio
import json
import logging
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing

import aiohttp

from nerf_operator.cluster.client import Client, Object
from nerf_operator.cluster.queue import describe
from nerf_operator.cluster.refusals import ApiError

log = logging.getLogger(__name__)

#: Objects a page: a pod has some 10 kB, and a page is in memory as a whole.
PAGE = 100
#: After which the API server ends a watch. It goes on from where it was.
WATCH_SECONDS = 300
#: A token that has expired, too many requests, a server that starts: changes are told later on.
_PASSES = (401, 429, 503)
_CUT_OFF = (aiohttp.ClientError, TimeoutError, OSError)
PAUSE_SECONDS, PAUSE_MAX_SECONDS = 0.5, 5.0


class Watch:
    """Calls `see` with each object that is there or has changed, and `lose` with each one gone.

    heard: called with the path at every word of the API server. relisted: called where changes were
    missed, and objects may be gone of which nothing was said. listed: set once all was seen once.
    """

    def __init__(
        self,
        client: Client,
        path: str,
        selector: str | None,
        see: Callable[[Object], None],
        lose: Callable[[Object], None],
        heard: Callable[[str], None],
        relisted: Callable[[], None],
    ) -> None:
        self._client, self._path = client, path
        self._query = {"labelSelector": selector} if selector else {}
        self._see, self._lose, self._heard, self._relisted = see, lose, heard, relisted
        self._version: str | None = None
        self.listed = asyncio.Event()

    async def run(self) -> None:
        """Watch until cancelled, whatever becomes of the API server."""
        pause = 0.0
        while True:
            heard = False
            try:
                await self._list()
                async with aclosing(self._changes()) as changes:
                    async for kind, body in changes:
                        self._take(kind, body)
                        heard = True
            except Exception as error:
                self._note(error)
            # One that told something and ends is as it should be; nothing else is tried in a haste.
            pause = 0.0 if heard else min(PAUSE_MAX_SECONDS, max(PAUSE_SECONDS, pause * 2))
            await asyncio.sleep(pause * random.uniform(0.7, 1.3))

    def _note(self, error: Exception) -> None:
        """Whatever is not known to pass may be for that version alone: all is listed anew."""
        told = "%s: watched anew after %s"
        if isinstance(error, _CUT_OFF):
            return log.debug(told, self._path, describe(error))
        if not isinstance(error, ApiError):
            log.exception(told, self._path, describe(error))
        elif error.code in (401, 410):  # As usual, from time to time.
            log.debug(told, self._path, describe(error))
        else:
            log.warning(told, self._path, describe(error))
        if not isinstance(error, ApiError) or error.code not in _PASSES:
            self._version = None
        return None

    async def _list(self) -> None:
        """See everything, unless the watch can go on from where it was."""
        if self._version is not None:
            return
        version = ""
        async for page in self._client.pages(self._path, self._query | {"limit": str(PAGE)}):
            version = page["metadata"]["resourceVersion"]
            for body in page["items"] or ():
                tell(self._see, self._path, body)
        self._heard(self._path)
        self._version = version
        if self.listed.is_set():
            self._relisted()
        self.listed.set()

    async def _changes(self) -> AsyncGenerator[tuple[str, Object], None]:
        seconds = str(int(WATCH_SECONDS * random.uniform(0.8, 1.0)))
        asked = {"watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": seconds}
        since = {"resourceVersion": self._version or ""}
        async with self._client.stream(self._path, self._query | asked | since) as told:
            self._heard(self._path)
            async for line in lines(told):
                self._heard(self._path)
                event = json.loads(line)
                yield event["type"], event["object"]

    def _take(self, kind: str, body: Object) -> None:
        if kind == "ERROR":
            raise ApiError(body.get("code", 500), body.get("message", ""), body.get("reason", ""))
        if kind == "DELETED":
            tell(self._lose, self._path, body)
        elif kind != "BOOKMARK":
            tell(self._see, self._path, body)
        self._version = body["metadata"]["resourceVersion"]


def tell(whom: Callable[[Object], None], path: str, body: Object) -> None:
    """Call `whom`: one object that makes no sense must not hide the others of that path."""
    try:
        whom(body)
    except Exception:
        log.exception("%s: %s is passed over", path, body["metadata"].get("name"))


async def lines(stream: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Lines of any length, without their ends."""
    rest = bytearray()
    async for chunk in stream.iter_any():
        *whole, last = chunk.split(b"\n")
        for line in whole:
            yield bytes(rest) + line
            rest.clear()
        rest += last
