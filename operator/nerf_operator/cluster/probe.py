"""Asking the job's own pods how far the training is."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

import aiohttp
from pydantic import TypeAdapter, ValidationError

from nerf_contract import names
from nerf_contract.progress import Told
from nerf_operator.cluster.cache import Key
from nerf_operator.cluster.queue import KeyedQueue, describe

log = logging.getLogger(__name__)

TIMEOUT_SECONDS = 1.0
#: Between two questions to a pod: after news, and where it had nothing new to tell.
NEWS_SECONDS, QUIET_SECONDS = 2.0, 10.0
#: Many jobs share what the operator may ask in a second.
PROBES_PER_SECOND = 10
CONSUMERS = 16
#: A /status is a few hundred bytes; a pod that sends more is not ours.
MAX_BYTES = 65536
_TOLD: TypeAdapter[Told] = TypeAdapter(Told)


@dataclass(eq=False)
class Target:
    """The pod that is polled for a job. asked: whether it has been, with or without an answer."""

    address: str
    since: float
    asked: bool = False


class Prober:
    """Polls one pod of each running job, and calls `changed` where the answer is a new one."""

    def __init__(self, changed: Callable[[Key], None], port: int = names.TRAINER_HTTP_PORT) -> None:
        self._changed = changed
        self._port = port
        self._targets: dict[Key, Target] = {}
        self._known: dict[Key, Told] = {}
        self._queue: KeyedQueue[Key] = KeyedQueue(self._probe)
        self._session: aiohttp.ClientSession | None = None

    def aim(self, key: Key, address: str | None) -> None:
        """Poll the pod at this address from now on; None stops."""
        known = self._targets.get(key)
        if address is None:
            self._targets.pop(key, None)
        elif known is None or known.address != address:
            self._targets[key] = Target(address, monotonic())
            self._queue.add(key)

    def first_answer(self, key: Key) -> float | None:
        """Seconds for which the first answer of the job's pod is worth waiting for, if it is."""
        target = self._targets.get(key)
        if target is None or target.asked:
            return None
        left = target.since + TIMEOUT_SECONDS - monotonic()
        return left if left > 0 else None

    def forget(self, key: Key) -> None:
        """The job is gone."""
        self._targets.pop(key, None)
        self._known.pop(key, None)

    def progress(self, key: Key) -> Told | None:
        """The last answer."""
        return self._known.get(key)

    async def run(self) -> None:
        """Poll until cancelled."""
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        # What is packed may be without end once it is unpacked.
        session = aiohttp.ClientSession(timeout=timeout, auto_decompress=False)
        async with session as self._session:
            await self._queue.run(CONSUMERS)

    async def _probe(self, key: Key) -> None:
        target = self._targets.get(key)
        if target is None:
            return
        progress = await self._answer(key, target.address)
        if self._targets.get(key) is not target:
            return  # Meanwhile the job went, or another pod was chosen: this is not its progress.
        news = progress is not None and progress != self._known.get(key)
        if progress is not None:
            self._known[key] = progress
        if news or not target.asked:
            self._changed(key)
        target.asked = True
        pause = NEWS_SECONDS if news else QUIET_SECONDS
        self._queue.add(key, max(pause, self._crowd_pause()))

    async def _answer(self, key: Key, address: str) -> Told | None:
        try:
            return await self._ask(address)
        except (TimeoutError, aiohttp.ClientError, ValidationError, OSError) as error:
            log.debug("%s: no progress from %s: %s", key, address, describe(error))
            return None

    async def _ask(self, address: str) -> Told:
        assert self._session is not None
        host = f"[{address}]" if ":" in address else address
        url = f"http://{host}:{self._port}/status"
        async with self._session.get(url, allow_redirects=False) as answer:
            answer.raise_for_status()
            return _TOLD.validate_json(await answer.content.read(MAX_BYTES))

    def _crowd_pause(self) -> float:
        return len(self._targets) / PROBES_PER_SECOND
