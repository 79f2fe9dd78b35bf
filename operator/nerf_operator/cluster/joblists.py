"""The lists of NeRFJobs that kopf asks for: our own cache takes the jobs, and kopf gets none.

kopf would keep each of them, whole, in a task of its own. To learn when all were listed it needs an
index, whose tasks wait for each other and are all woken for each job: with a thousand jobs that is
half a million times, and most of a start. Its watch goes on from the version of the list, so no
change is missed in between.
"""

import asyncio
from collections.abc import Callable

from nerf_operator.cluster.client import Object
from nerf_operator.cluster.watching import tell


class JobLists:
    """Calls `see` with each job of the lists' pages.

    expected: how many lists there are, each of another path. complete: set once each was taken to
    its end. heard: called with the path at the end of each. relisted: called where a path was
    listed again: changes were missed, and jobs may be gone of which nothing was said.
    """

    def __init__(
        self,
        expected: int,
        see: Callable[[Object], None],
        heard: Callable[[str], None],
        relisted: Callable[[], None],
    ) -> None:
        self._expected = expected
        self._see, self._heard, self._relisted = see, heard, relisted
        self._ended: set[str] = set()
        self.complete = asyncio.Event()

    def take(self, path: str, page: Object) -> None:
        """See the jobs of a page, which has none afterwards."""
        for body in page["items"] or ():
            tell(self._see, path, body)
        page["items"] = []
        if not page["metadata"].get("continue"):
            self._end(path)

    def _end(self, path: str) -> None:
        self._heard(path)
        if path in self._ended:
            self._relisted()
        self._ended.add(path)
        if len(self._ended) >= self._expected:
            self.complete.set()
