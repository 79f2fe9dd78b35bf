"""A queue of keys: one pass a key at a time, repeats merged, delays, a number of consumers."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
log = logging.getLogger(__name__)

#: Below the 10 s in which jobs are to be brought up to date once an API server is back.
RETRY_MAX_SECONDS = 7.0


class KeyedQueue(Generic[K]):
    """Calls `work(key)` for each key that was added; a failing key is retried with back-off."""

    def __init__(self, work: Callable[[K], Awaitable[None]]) -> None:
        self._work = work
        self._ready: asyncio.Queue[K] = asyncio.Queue()
        self._queued: set[K] = set()
        self._busy: set[K] = set()
        self._again: set[K] = set()
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._failures: dict[K, int] = {}

    def __len__(self) -> int:
        """Keys that wait for a consumer."""
        return self._ready.qsize()

    def add(self, key: K, delay: float = 0.0) -> None:
        """Ask for a pass, now or at the latest after `delay` seconds."""
        if delay > 0:
            self._add_later(key, delay)
            return
        self._cancel_timer(key)
        if key in self._busy:
            self._again.add(key)
        elif key not in self._queued:
            self._queued.add(key)
            self._ready.put_nowait(key)

    def _add_later(self, key: K, delay: float) -> None:
        loop = asyncio.get_running_loop()
        known = self._timers.get(key)
        if known is not None and known.when() <= loop.time() + delay:
            return
        self._cancel_timer(key)
        self._timers[key] = loop.call_later(delay, self._due, key)

    def _due(self, key: K) -> None:
        self._timers.pop(key, None)
        self.add(key)

    def _cancel_timer(self, key: K) -> None:
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()

    async def run(self, consumers: int) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(consumers):
                group.create_task(self._consume())

    async def _consume(self) -> None:
        while True:
            key = await self._ready.get()
            self._queued.discard(key)
            self._busy.add(key)
            try:
                await self._attempt(key)
            finally:
                self._busy.discard(key)
            if key in self._again:
                self._again.discard(key)
                self.add(key)

    async def _attempt(self, key: K) -> None:
        try:
            await self._work(key)
        except (Exception, asyncio.CancelledError) as error:
            if _is_ended(error):
                raise
            count = self._failures[key] = self._failures.get(key, 0) + 1
            pause = min(RETRY_MAX_SECONDS, 0.25 * 2 ** min(count, 10)) * random.uniform(0.8, 1.2)
            delay = max(pause, getattr(error, "retry_after", 0))
            log.warning("%s: retry in %.1f s after %s", key, delay, describe(error))
            log.debug("%s", key, exc_info=error)
            self.add(key, delay)
        else:
            self._failures.pop(key, None)


def _is_ended(error: BaseException) -> bool:
    """Whether the task itself was cancelled, and not only something that it waited for."""
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and bool(task and task.cancelling())


def describe(error: BaseException) -> str:
    """An error in one line."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
