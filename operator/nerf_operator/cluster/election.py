"""Waiting for the Lease, renewing it, giving it back: `core.lease` decides."""

import asyncio
import logging
import time
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any

import aiohttp

from nerf_operator import metrics
from nerf_operator.cluster.client import Object
from nerf_operator.cluster.leases import Leases
from nerf_operator.cluster.queue import describe
from nerf_operator.cluster.refusals import ApiError
from nerf_operator.core.lease import DURATION, LOOK_EVERY, Candidate, Lease

log = logging.getLogger(__name__)

#: Seconds for one call: two may fail before the Lease is lost.
TIMEOUT_SECONDS = 1.5
#: Seconds between two looks at the clock of the one that holds it.
TICK_SECONDS = 0.5


class Unopposed:
    """There is one operator, by its Deployment: no Lease is asked for."""

    async def win(self) -> None:
        """At once."""
        metrics.leader.set(1)

    async def keep(self) -> None:
        """For ever."""
        await asyncio.Event().wait()

    def holds(self) -> bool:
        """Always."""
        return True

    def problem(self) -> str | None:
        """There is none."""
        return None

    def unready(self) -> str | None:
        """It never waits."""
        return None

    async def give_back(self) -> None:
        """There is nothing to give back."""

    async def close(self) -> None:
        """There is nothing to close."""


class Election:
    """One operator's part in the election. `leases` must be for its calls alone: none may wait."""

    def __init__(self, leases: Leases, namespace: str, name: str, me: str) -> None:
        self._leases = leases
        self._where = (namespace, name)
        self._candidate = Candidate(me)
        self._won = False
        self._answered = False

    async def win(self) -> None:
        """Return once the Lease is ours. Waits as long as it takes, also for the API server."""
        while not self.holds():
            await self._step()
            await asyncio.sleep(0 if self.holds() else LOOK_EVERY)
        self._won = True
        metrics.leader.set(1)
        log.info("holds the Lease %s/%s", *self._where)

    async def keep(self) -> None:
        """Renew the Lease; return once it is lost."""
        while self.holds():
            await asyncio.sleep(TICK_SECONDS)
            await self._step()
        log.error("lost the Lease %s/%s", *self._where)

    def holds(self) -> bool:
        """Whether this operator may change anything now."""
        return self._candidate.holds(time.monotonic())

    def problem(self) -> str | None:
        """What makes a restart worth while."""
        return "the Lease is lost" if self._won and not self.holds() else None

    def unready(self) -> str | None:
        """Why it could not take over, while another one works."""
        return None if self._answered else "the Lease was not read yet"

    async def give_back(self) -> None:
        """Let another one take over at once. Nothing may be written any more."""
        for _ in range(2):  # A renewal that was cut off has left a version that we do not know yet.
            if self.holds():
                await self._attempt(self._write(""))

    async def close(self) -> None:
        """Close the connection."""
        await self._leases.close()

    async def _step(self) -> None:
        if not self.holds():
            await self._attempt(self._look())
        if self._candidate.wants(time.monotonic()):
            await self._attempt(self._write(self._candidate.me))

    async def _attempt(self, call: Coroutine[Any, Any, None]) -> None:
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await call
        except (ApiError, aiohttp.ClientError, TimeoutError, OSError) as error:
            log.warning("Lease %s/%s: %s", *self._where, describe(error))

    async def _look(self) -> None:
        found = await self._leases.get(*self._where)
        self._answered = True
        lease = None if found is None else _parse(found)
        self._candidate = self._candidate.saw(lease, time.monotonic())

    async def _write(self, holder: str) -> None:
        sent = time.monotonic()
        seen = self._candidate.seen
        body = _body(seen, holder)
        try:
            if seen is None:
                written = await self._leases.create(*self._where, body)
            else:
                written = await self._leases.patch(*self._where, body)
        except ApiError as error:
            if error.code not in (404, 409):
                raise
            await self._look()  # Another one was faster, or it was edited or deleted.
        else:
            self._candidate = self._candidate.wrote(_parse(written), sent)


def _parse(found: Object) -> Lease:
    spec = found.get("spec", {})
    return Lease(
        holder=spec.get("holderIdentity") or "",
        version=found["metadata"]["resourceVersion"],
        duration=spec.get("leaseDurationSeconds") or DURATION,
        transitions=spec.get("leaseTransitions") or 0,
    )


def _body(seen: Lease | None, holder: str) -> Object:
    """The Lease to create or, with the version that it must have, a merge patch."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    spec: Object = {"leaseDurationSeconds": DURATION, "renewTime": now, "holderIdentity": holder}
    if seen is None or seen.holder != holder:
        taken = (seen.transitions + 1) if seen else 0
        spec |= {"acquireTime": now, "leaseTransitions": taken}
    metadata = {"resourceVersion": seen.version} if seen else {}
    return {"metadata": metadata, "spec": spec}
