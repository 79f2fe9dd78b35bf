"""Doing what a plan says, and remembering the answers."""

import asyncio
import logging
import secrets
from collections.abc import Coroutine, Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from nerf_contract import children, names
from nerf_contract.v1alpha1 import NeRFJobStatus
from nerf_operator.cluster import parse
from nerf_operator.cluster.announce import Announcer
from nerf_operator.cluster.api import Api
from nerf_operator.cluster.cache import Cache, Key
from nerf_operator.cluster.client import Object
from nerf_operator.cluster.refusals import ApiError
from nerf_operator.core.actions import (
    Action,
    Apply,
    Create,
    Delete,
    DeleteJob,
    DrawToken,
    Fence,
    Release,
)
from nerf_operator.core.observed import Job

log = logging.getLogger(__name__)

#: Random bytes of a token.
TOKEN_BYTES = 32


class Applier:
    """Makes API calls, and puts what they answer into the cache."""

    def __init__(self, api: Api, cache: Cache, announcer: Announcer) -> None:
        self._api = api
        self._cache = cache
        self._announcer = announcer

    async def prepare(self, job: Job, actions: Iterable[Action]) -> frozenset[str]:
        """Deletions and the children that pods need. Names of those that are not ours to have."""
        chosen = [action for action in actions if not isinstance(action, Create)]
        taken = await _all(self._prepare(job, action) for action in chosen)
        return frozenset(name for name in taken if name is not None)

    async def _prepare(
        self, job: Job, action: Apply | Delete | DrawToken | Fence | Release | DeleteJob
    ) -> str | None:
        if isinstance(action, Apply | DrawToken):
            return await self._needed(job, action)
        if isinstance(action, Delete):
            await self._delete(job, action)
        elif isinstance(action, Release):
            await self._release(job, action)
        elif isinstance(action, DeleteJob):
            await self._api.delete_job(job.namespace, job.name, action.uid)
        else:
            await self._api.create_policy(job.namespace, action.policy)
        return None

    async def _needed(self, job: Job, action: Apply | DrawToken) -> str | None:
        """What pods need; its name where that is not ours to have.

        A viewer is a convenience: a Service or token for it that is not admitted stops no training.
        """
        child = action.child if isinstance(action, Apply) else action.secret
        make = self._apply(job, action) if isinstance(action, Apply) else self._draw(job, action)
        if child["metadata"]["name"] != children.viewer(job.name):
            return await make
        try:
            await make
        except ApiError as error:
            kind = child["kind"]
            log.warning("%s/%s: no %s for the viewer: %s", job.namespace, job.name, kind, error)
        return None

    async def _draw(self, job: Job, action: DrawToken) -> None:
        token = {names.TOKEN_KEY: secrets.token_urlsafe(TOKEN_BYTES)}
        await self._api.create_secret(job.namespace, action.secret | {"stringData": token})

    async def create_pods(self, job: Job, actions: Iterable[Action], now: datetime) -> None:
        """Create pods, and tell of those that were not there before."""
        creations = (action for action in actions if isinstance(action, Create))
        await _all(self._create(job, creation, now) for creation in creations)

    async def _delete(self, job: Job, action: Delete) -> None:
        key = Key(job.namespace, job.name)
        expected = self._cache.lost.expected
        expected.add(action.uid)  # The news of it may come before the answer.
        left: Object | None = None
        try:
            left = await self._api.delete_pod(job.namespace, action.name, action.uid)
        finally:
            if left is None:
                expected.discard(action.uid)
        if left is None:
            self._cache.pods.remove(key, action.name, action.uid)
        else:
            self._cache.pods.put(key, parse.pod(left))

    async def _apply(self, job: Job, action: Apply) -> str | None:
        name: str = action.child["metadata"]["name"]
        made = await self._made(job, action)
        if made is None:
            return name
        if made["kind"] == "Service":
            self._cache.services.put(Key(job.namespace, job.name), parse.service(made))
        else:
            self._cache.claims.put(Key(job.namespace, name), parse.claim(made))
        return None

    async def _release(self, job: Job, action: Release) -> None:
        left = await self._api.release_claim(job.namespace, action.name, action.uid, job.uid)
        if left is not None:
            self._cache.claims.put(Key(job.namespace, action.name), parse.claim(left))

    async def _made(self, job: Job, action: Apply) -> Object | None:
        """What is missing is created. Something of its name that we do not know of is somebody
        else's: a Service without a selector, applied to, would lead to our pods, and a claim end
        with the job."""
        if not action.force:
            return await self._api.create_child(job.namespace, action.child)
        return await self._api.apply(job.namespace, action.child, action.force)

    async def _create(self, job: Job, action: Create, now: datetime) -> None:
        try:
            made = await self._api.create_pod(job.namespace, action.pod)
        except ApiError as error:
            component = action.pod["metadata"]["labels"][names.LABEL_COMPONENT]
            if component != names.COMPONENT_VIEWER:
                raise
            log.warning("%s/%s: no viewer: %s", job.namespace, job.name, error)
            return
        if made is None:
            return
        self._cache.pods.put(Key(job.namespace, job.name), parse.pod(made))
        if action.event is not None:
            self._announcer.tell(job, [action.event], now, first=0)

    async def write_status(self, job: Job, new: NeRFJobStatus) -> bool:
        """Put this in the place of the status that is there. False where the job is gone."""
        status = {**job.unknown_status, **new.model_dump(by_alias=True, exclude_none=True)}
        written = await self._api.replace_status(job, status)
        if written is None:
            return False
        version = written["metadata"]["resourceVersion"]
        self._cache.put_job(replace(job, version=version, status=new))
        return True


async def _all(calls: Iterable[Coroutine[Any, Any, Any]]) -> list[Any]:
    """Run all to the end, then raise the first error."""
    results = await asyncio.gather(*calls, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results
