"""When the pods of each job were created, as kubelets tell, and when its status said Running."""

import asyncio
import contextlib
import json
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import IO

from reconcile_api import Client, Object, path


class Timeline:
    """Times by time.monotonic(), by the name of the job."""

    def __init__(self) -> None:
        self.pods: dict[str, dict[str, float]] = defaultdict(dict)
        self.running: dict[str, float] = {}
        self.ready: dict[str, str] = {}
        self._news = asyncio.Event()

    def note_pod(self, job: str, pod: str, at: float) -> None:
        """A pod of a worker was made."""
        self.pods[job].setdefault(pod, at)
        self._news.set()

    def note_job(self, job: Object) -> None:
        """A job as it is now."""
        if "status" in job:
            name, status = job["metadata"]["name"], job["status"]
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
async def watching(client: Client, namespace: str, kubelets: IO[bytes]) -> AsyncIterator[Timeline]:
    """A timeline of one namespace. kubelets: what they print."""
    timeline = Timeline()

    async def follow_jobs() -> None:
        async for _, job in client.watch(path("nerfjobs", namespace)):
            timeline.note_job(job)

    async def follow_pods() -> None:
        told = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(told)
        await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, kubelets)
        async for line in told:
            timeline.note_pod(*json.loads(line))

    watches = [asyncio.create_task(follow) for follow in (follow_jobs(), follow_pods())]
    try:
        yield timeline
    finally:
        for watch in watches:
            watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watch
