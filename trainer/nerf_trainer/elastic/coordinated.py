"""Membership in a group that a coordinator forms: processes outlive every change of it."""

import logging
import time
from contextlib import suppress
from typing import Final

from nerf_trainer.coordination.client import Client, UnreachableError
from nerf_trainer.coordination.messages import (
    Goodbye,
    Identity,
    Join,
    Placement,
    Verdict,
)
from nerf_trainer.coordination.placing import await_placement
from nerf_trainer.elastic.activity import activity
from nerf_trainer.elastic.heart import REQUEST_SECONDS, Heart
from nerf_trainer.elastic.interface import Generation, PeerLost
from nerf_trainer.elastic.process_group import ProcessGroup

log = logging.getLogger(__name__)

#: So many generations in a row without a step mean a bug, not bad luck.
MAX_FUTILE_GENERATIONS: Final = 20


class CoordinatedMembership:
    """A `Membership` by way of the coordinator. See `await_placement` for what ends a `join`."""

    def __init__(self, client: Client, identity: Identity, group: ProcessGroup) -> None:
        self._client = client
        self._identity = identity
        self._group = group
        self._heart = Heart(client, identity, group.abort)
        self._attempts = 0
        self._last_step = -1
        self._futile = 0

    @property
    def is_writer(self) -> bool:
        return self._identity.writer

    def join(self, step: int) -> Generation:
        self._count_futile(step)
        began = time.monotonic()
        while True:
            self.leave()
            placement = self._await_placement(step)
            try:
                self._enter(placement)
            except PeerLost as lost:
                log.warning("generation %d did not form: %s", placement.generation.number, lost)
            else:
                log.info("%s after %.2f s", _describe(placement), time.monotonic() - began)
                return _generation(placement)

    def changing(self) -> bool:
        return self._heart.leaving or self._heart.verdict is not Verdict.CURRENT

    def announce_departure(self) -> None:
        self._heart.say_leaving()

    def leave(self) -> None:
        self._group.stop()
        self._heart.leave()

    def close(self) -> None:
        self.leave()
        self._heart.stop()
        id, incarnation = self._identity.id, self._identity.incarnation
        with suppress(UnreachableError):
            self._client.send(Goodbye(id.pod, incarnation, id.local_rank), REQUEST_SECONDS)

    def _enter(self, placement: Placement) -> None:
        self._heart.enter(placement.generation, placement.world_size)
        with activity.waiting():
            self._group.start(placement, give_up=self.changing)

    def _await_placement(self, step: int) -> Placement:
        self._heart.start()
        self._attempts += 1
        store = self._group.offer_store()
        generation, size = self._heart.last
        seen = generation.number
        wish = Join(self._identity, self._attempts, step, seen, store, generation, size)
        with activity.waiting():
            return await_placement(self._client, wish)

    def _count_futile(self, step: int) -> None:
        self._futile = self._futile + 1 if step == self._last_step else 0
        self._last_step = step
        if self._futile > MAX_FUTILE_GENERATIONS:
            raise RuntimeError(
                f"no step completed in {self._futile} generations in a row; see the errors above"
            )


def _describe(placement: Placement) -> str:
    place = f"rank {placement.rank} of {placement.world_size}"
    return f"generation {placement.generation.number}: {place}, state from rank {placement.source}"


def _generation(placement: Placement) -> Generation:
    return Generation(
        number=placement.generation.number,
        rank=placement.rank,
        world_size=placement.world_size,
        source=placement.source,
        writer=placement.writer,
    )
