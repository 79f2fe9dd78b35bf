"""kopf's own connection to the API server, but with an ear on what it hears, bookmarks included.

Where it lists NeRFJobs, they are taken out of the answer (see `joblists`).
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import kopf

from nerf_contract import names
from nerf_operator import metrics
from nerf_operator.cluster.joblists import JobLists

Heard = Callable[[str], None]


@dataclass(frozen=True, kw_only=True, eq=False)
class Listening(kopf.AiohttpSession):
    """A session of these credentials. kopf tells by them whether a login brought new ones."""

    connection: kopf.ConnectionInfo

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Listening) and self.connection == other.connection

    def __hash__(self) -> int:
        return hash(self.connection.server)


def listen(info: kopf.ConnectionInfo, heard: Heard, lists: JobLists) -> Listening:
    """A session for kopf. `heard` is called with the path where a watch tells of NeRFJobs."""

    class Response(aiohttp.ClientResponse):
        """Tells of each chunk of a watch; the jobs of a list are taken out of it."""

        async def start(self, connection: Any) -> aiohttp.ClientResponse:
            await super().start(connection)
            if self.url.name != names.PLURAL:
                return self
            verb = "watch" if self._watches() else "list"
            metrics.api_requests.labels(verb, str(self.status)).inc()
            if self._watches() and self.status == 200:
                heard(self.url.path)
                self.content = _Ear(self.content, lambda: heard(self.url.path))  # type: ignore[assignment]
            return self

        async def json(self, **how: Any) -> Any:
            answer = await super().json(**how)
            if self.url.name == names.PLURAL and self.status == 200:
                lists.take(self.url.path, answer)
            return answer

        def _watches(self) -> bool:
            return self.url.query.get("watch") == "true"

    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=info.as_ssl_context()),
        headers=info.as_http_headers(),
        response_class=Response,
    )
    return Listening(
        server=info.server,
        default_namespace=info.default_namespace,
        aiohttp_session=session,
        connection=info,
    )


class _Ear:
    """A stream that tells of each chunk; all else is that of the stream."""

    def __init__(self, stream: aiohttp.StreamReader, tell: Callable[[], None]) -> None:
        self._stream = stream
        self._tell = tell

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        async for chunk in self._stream.iter_chunked(size):
            self._tell()
            yield chunk
