"""Telling events, beside the passes: a status that is written is not told of a second time."""

import asyncio
import hashlib
import logging
import random
from collections.abc import Iterable
from datetime import UTC, datetime

from nerf_contract import names
from nerf_operator.cluster.api import Api
from nerf_operator.cluster.client import Object
from nerf_operator.cluster.queue import describe
from nerf_operator.core.actions import Event
from nerf_operator.core.observed import Job

log = logging.getLogger(__name__)

#: Seconds before each attempt to post an event: an API server that restarts is waited for.
PAUSES = (0.0, 1.0, 4.0, 15.0, 60.0)


class Announcer:
    """Posts events in the background; what fails is tried again a few times, then logged."""

    def __init__(self, api: Api, pauses: tuple[float, ...] = PAUSES) -> None:
        self._api = api
        self._pauses = pauses
        self._posts: set[asyncio.Task[None]] = set()

    def tell(self, job: Job, events: Iterable[Event], now: datetime, first: int = 1) -> None:
        """Begin to post events. Never raises, never waits. first: their place in the pass."""
        for place, told in enumerate(events, first):
            post = asyncio.create_task(self._post(job.namespace, event(job, told, now, place)))
            self._posts.add(post)
            post.add_done_callback(self._posts.discard)

    async def close(self) -> None:
        """Give up what is not posted yet."""
        for post in self._posts:
            post.cancel()
        await asyncio.gather(*self._posts, return_exceptions=True)

    async def _post(self, namespace: str, body: Object) -> None:
        problem = ""
        for pause in self._pauses:
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))
            try:
                await self._api.create_event(namespace, body)
            except Exception as error:
                problem = describe(error)
            else:
                return
        log.warning(
            "event lost after %d attempts: %s (%s)", len(self._pauses), body["message"], problem
        )


def event(job: Job, told: Event, now: datetime, place: int = 0) -> Object:
    """An Event object. Its name is made from its content: telling it twice tells it once.

    place: among those of one pass. Times are whole seconds, and what has the same one is
    listed by name: so the version of the job, which grows, comes first in it.
    """
    stamp = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    content = "|".join([job.uid, told.reason, told.message, job.version])
    digest = hashlib.sha256(content.encode()).hexdigest()[:16]
    order = f"{job.version.zfill(16)}.{place}"
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{job.name}.{order}.{digest}", "namespace": job.namespace},
        "involvedObject": {
            "apiVersion": names.API_VERSION,
            "kind": names.KIND,
            "namespace": job.namespace,
            "name": job.name,
            "uid": job.uid,
        },
        "type": "Warning" if told.warning else "Normal",
        "reason": told.reason,
        "message": told.message[:1024],
        "source": {"component": names.FIELD_MANAGER},
        "reportingComponent": names.FIELD_MANAGER,
        "firstTimestamp": stamp,
        "lastTimestamp": stamp,
        "count": 1,
    }
