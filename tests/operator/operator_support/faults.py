"""Rules and tamperings of the proxy: what may go wrong between an operator and the API server."""

import asyncio
import json
import random
from collections.abc import Callable

from operator_support.process import Operator
from operator_support.proxy import Answer, Call, Forward, Lines, Nth, Rule, refusal

EXPIRED = json.dumps(
    {"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old"}}
)
When = str
BEFORE: When = "before it reaches the API server"
AFTER: When = "after it was answered"


class Killing:
    """Kills the operator at one call, and starts it again. `met` tells whether that call came."""

    def __init__(self, operator: Operator, target: str, when: When) -> None:
        self.met = False
        self._operator = operator
        self._target = target
        self._when = when
        self._names = Nth()

    async def __call__(self, call: Call, forward: Forward) -> Answer:
        """The rule."""
        chosen = call.writes and self._names.label(call) == self._target and not self.met
        if not chosen:
            return await forward()
        self.met = True
        if self._when == AFTER:
            await forward()
        self._operator.kill()
        self._operator.launch()
        return refusal(500, "nobody is there to hear this")


def answering(code: int, share: float, rng: random.Random) -> Rule:
    """This share of the writes gets an error: half of them before, half after they are done."""

    async def rule(call: Call, forward: Forward) -> Answer:
        if not call.writes or rng.random() >= share:
            return await forward()
        if rng.random() < 0.5:
            await forward()
        headers = {"Retry-After": "1"} if code == 429 else {}
        return refusal(code, "injected", **headers)

    return rule


def failing(share: float, rng: random.Random) -> Rule:
    """This share of all calls fails, watches too: half of them before, half after they are done."""

    async def rule(call: Call, forward: Forward) -> Answer:
        if call.renews or rng.random() >= share:
            return await forward()
        if not call.watches and rng.random() < 0.5:
            await forward()
        return refusal(rng.choice([500, 502, 503, 504]), "injected")

    return rule


async def cut(call: Call, forward: Forward) -> Answer:
    """Nothing comes through."""
    await asyncio.sleep(3600)
    raise AssertionError("unreachable")


async def duplicated(lines: Lines) -> Lines:
    """Every event comes twice, the second time late."""
    before = b""
    async for line in lines:
        yield line
        if before:
            yield before
        before = line


async def delayed(lines: Lines) -> Lines:
    """Every event comes late."""
    async for line in lines:
        await asyncio.sleep(0.3)
        yield line


async def reordered(lines: Lines) -> Lines:
    """Of two events that come within a moment, the second comes first."""
    queue: asyncio.Queue[bytes] = asyncio.Queue()

    async def fill() -> None:
        async for line in lines:
            queue.put_nowait(line)

    filling = asyncio.create_task(fill())
    while not (filling.done() and queue.empty()):
        try:
            first = await asyncio.wait_for(queue.get(), 1)
        except TimeoutError:
            continue
        await asyncio.sleep(0.2)
        if not queue.empty():
            yield queue.get_nowait()
        yield first


def broken_off(last: bytes = b"") -> Callable[[Lines], Lines]:
    """A watch ends after three events, with a last word."""

    async def tampering(lines: Lines) -> Lines:
        count = 0
        async for line in lines:
            yield line
            count += 1
            if count == 3:
                break
        if last:
            yield last

    return tampering
