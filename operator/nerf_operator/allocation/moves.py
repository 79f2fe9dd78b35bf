"""From the present sizes to the ideal ones, as far as each change pays for its cost.

A job that is changed loses its cost in seconds of training. Who grows must save more than that
until its end, and those who give up GPUs for it may not lose more than it gains: both in the worth
of `weights`, over the time for which the change will last.
"""

from collections.abc import Sequence

from nerf_operator.allocation.model import Tuning
from nerf_operator.allocation.prospects import Prospect
from nerf_operator.allocation.shares import Shares


class Moves:
    """Of one decision. sizes: workers of each job, changed by `settle`."""

    def __init__(
        self, jobs: Sequence[Prospect], kept: Sequence[int], total: int, now: float, tuning: Tuning
    ) -> None:
        self._jobs, self._now, self._tuning = jobs, now, tuning
        self._kept = list(kept)
        self.sizes = list(kept)
        used = sum(n * job.job.gpus_per_worker for n, job in zip(kept, jobs, strict=True))
        self._free = total - used
        self._givers: list[int] = []

    def settle(self, shares: Shares) -> None:
        """Starved jobs first, then whose GPUs are worth most."""
        pairs = list(zip(self._jobs, self._kept, shares.sizes, strict=True))
        self._givers = [i for i, (_, now, then) in enumerate(pairs) if then < now]
        self._givers.sort(key=lambda i: (pairs[i][0].per_gpu(pairs[i][2], pairs[i][1]), -i))
        takers = [i for i, (_, now, then) in enumerate(pairs) if then > now]
        takers.sort(key=lambda i: (-pairs[i][0].per_gpu(pairs[i][1], pairs[i][2]), i))
        for index in sorted(shares.starved):
            self._take(index, self._jobs[index].job.min, shares.sizes, forced=True)
        for index in takers:
            self._grow(index, shares.sizes)
        for index in self._givers:
            self._shed(index, shares.sizes[index])

    def _shed(self, index: int, ideal: int) -> None:
        """Fewer workers, though nobody takes them, where all that it has only slow it down."""
        job, now = self._jobs[index], self.sizes[index]
        saved = job.seconds(now) - job.seconds(ideal)
        if saved > (1 + self._tuning.payoff) * job.cost and not self._rests(index):
            self._free += (now - ideal) * job.job.gpus_per_worker
            self.sizes[index] = ideal

    def _grow(self, index: int, ideal: list[int]) -> None:
        """To the ideal size, or as far as free GPUs reach."""
        if self._rests(index):
            return
        if self._take(index, ideal[index], ideal):
            return
        job, now = self._jobs[index].job, self.sizes[index]
        reach = min(ideal[index], now + self._free // job.gpus_per_worker)
        if reach > now and reach >= job.min:
            self._take(index, reach, ideal)

    def _take(self, index: int, size: int, ideal: list[int], forced: bool = False) -> bool:
        """Whether the job got its size: from what is free, then from those above their ideal."""
        taker = self._jobs[index]
        now = self.sizes[index]
        needed = (size - now) * taker.job.gpus_per_worker - self._free
        given = self._given(needed, ideal, spare=not self._kept[index])
        if given is None or not (forced or self._pays(index, size, given)):
            return False
        for giver, left in given.items():
            self._free += (self.sizes[giver] - left) * self._jobs[giver].job.gpus_per_worker
            self.sizes[giver] = left
        self._free -= (size - now) * taker.job.gpus_per_worker
        self.sizes[index] = size
        return True

    def _given(self, needed: int, ideal: list[int], spare: bool) -> dict[int, int] | None:
        """The sizes of those that give so many GPUs, dearest last; None where there are too few.

        spare: even those that were changed a moment ago give, as a job waits.
        """
        given: dict[int, int] = {}
        for giver in self._givers:
            if needed <= 0:
                break
            here, gpus = self.sizes[giver], self._jobs[giver].job.gpus_per_worker
            workers = min(here - ideal[giver], -(-needed // gpus))
            if workers > 0 and (spare or not self._rests(giver)):
                given[giver] = here - workers
                needed -= workers * gpus
        return given if needed <= 0 else None

    def _pays(self, index: int, size: int, given: dict[int, int]) -> bool:
        """Whether what is gained until the change is over is more than what it costs."""
        taker, before = self._jobs[index], self._kept[index]
        payoff = self._tuning.payoff
        if before and taker.seconds(before) - taker.seconds(size) < (1 + payoff) * taker.cost:
            return False
        gained = taker.worth(size) - taker.worth(self.sizes[index])
        lasts, cost = taker.seconds(size), taker.worth(before) * taker.cost
        for giver, left in given.items():
            job, here = self._jobs[giver], self.sizes[giver]
            gained -= job.worth(here) - job.worth(left)
            lasts = min(lasts, job.seconds(here))
            if here == self._kept[giver]:
                cost += job.worth(here) * job.cost
        return gained * lasts > payoff * cost

    def _rests(self, index: int) -> bool:
        """Whether a job was changed a moment ago."""
        job = self._jobs[index]
        return bool(self._kept[index]) and self._now - job.job.since < self._tuning.rest * job.cost
