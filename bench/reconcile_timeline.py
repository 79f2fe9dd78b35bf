"""When the pods of each job were created, and when its status said Running: as a watch tells it."""

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

from reconcile_api import Client, Object, path

LABEL_JOB = "nerfops.dev/job"
LABEL_INDEX = "nerfops.dev/worker-index"


class Timeline:
    """Times by time.monotonic(), by the name of the job."""

    def __init__(self) -> None:
        self.pods: dict[str, dict[str, float]] = defaultdict(dict)
        self.running: dict[str, float] = {}
        self.ready: dict[str, str] = {}
        self._news = asyncio.Event()

    def note(self, obj: Object) -> None:
        """A pod that was made, or a job as it is now."""
        if obj["kind"] == "Pod":
            labels = obj["metadata"]["labels"]
            if LABEL_INDEX in labels:
                made = self.pods[labels[LABEL_JOB]]
                made.setdefault(obj["metadata"]["name"], time.monotonic())
        elif "status" in obj:
            name, status = obj["metadata"]["name"], obj["status"]
            if status["phase"] == "Running":
                self.running.setdefault(name, time.monotonic())
            self.ready[name] = status["workers"]["summary"]
        self._news.set()

    def last_pod(self, jobs: Iterable[str]) -> float:
        """When the last pod of these jobs was created."""
        return max(max(self.pods[job].values()) for job in jobs)

    async def until(self, what: str, holds: Callable[[], bool], seconds: float) -> None:
        """Wait for news after which it holds. Raises TimeoutError that names it."""
        try:
            async with asyncio.timeout(seconds):
                while not holds():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise TimeoutError(f"not within {seconds:.0f} s: {what}") from None


@asynccontextmanager
async def watching(client: Client, namespace: str) -> AsyncIterator[Timeline]:
    """A timeline of one namespace."""
    timeline = Timeline()

    async def follow(plural: str, only: str = "") -> None:
        async for _, obj in client.watch(path(plural, namespace), only):
            timeline.note(obj)

    watches = [asyncio.create_task(follow(*what)) for what in (("nerfjobs",), ("pods", "ADDED"))]
    try:
        yield timeline
    finally:
        for watch in watches:
            watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watch
