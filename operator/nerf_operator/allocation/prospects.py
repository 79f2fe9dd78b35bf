"""Jobs with what is believed of them: speed, work and worth."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from nerf_operator.allocation.curve import Curve, fit, prior
from nerf_operator.allocation.model import Capacity, Job, Tuning
from nerf_operator.allocation.weights import values


@dataclass(frozen=True, slots=True)
class Prospect:
    """A job. value: of its speedup; scale: of a ray/s, for each GPU of a worker. most: workers that
    it may have, at least min. place: that all nodes together hold. cost: seconds of a change."""

    job: Job
    curve: Curve
    value: float
    scale: float
    most: int
    place: int
    cost: float

    @property
    def fits(self) -> bool:
        """Whether the nodes hold min."""
        return self.place >= self.job.min

    @property
    def least(self) -> int:
        """GPUs of min."""
        return self.job.min * self.job.gpus_per_worker

    def seconds(self, workers: int) -> float:
        """Until its end, with at least one worker."""
        return self.job.remaining * self.curve.seconds(workers)

    def worth(self, workers: int) -> float:
        """Of training with so many, a second."""
        return self.value * self.curve.speedup(workers)

    def per_gpu(self, fewer: int, more: int) -> float:
        """What each GPU between two sizes is worth."""
        gained = self.worth(more) - self.worth(fewer)
        return gained / ((more - fewer) * self.job.gpus_per_worker)


def prospects(
    jobs: Sequence[Job], capacity: Capacity, now: float, tuning: Tuning
) -> list[Prospect]:
    """Of each job, in order of arrival, then of names, so that the order given is no matter."""
    ordered = sorted(jobs, key=lambda job: (job.arrived, job.name))
    known = curves(ordered)
    # The last of equals counts as shortest: the one that came first is to be it.
    backwards = list(reversed(list(zip(ordered, known, strict=True))))
    work = [max(job.remaining, 1.0) * curve.seconds(1) for job, curve in backwards]
    worth = values(work, _weights(backwards, now, tuning))
    worth.reverse()
    place = {gpus: capacity.workers(gpus) for gpus in {job.gpus_per_worker for job in ordered}}
    return [
        _prospect(job, curve, value, place[job.gpus_per_worker], tuning)
        for job, curve, value in zip(ordered, known, worth, strict=True)
    ]


def _weights(jobs: Sequence[tuple[Job, Curve]], now: float, tuning: Tuning) -> list[float]:
    """Priorities; of jobs that train, the more the later they end, against the mean of all.

    As if not the time to completion were to be small, but that and its square: the tail is shorter.
    The end is that with min workers: with the present ones, to grow would be a reason to shrink.
    Jobs that wait have `patience` instead, as to let the long ones start early costs all others.
    """
    ends = [now - job.arrived + job.remaining * curve.seconds(job.min) for job, curve in jobs]
    usual = tuning.tail * max(statistics.fmean(ends), 1.0) if ends else 1.0
    return [
        job.priority * (1 + max(0.0, end) / usual if job.workers else 1.0)
        for (job, _), end in zip(jobs, ends, strict=True)
    ]


def _prospect(job: Job, curve: Curve, value: float, place: int, tuning: Tuning) -> Prospect:
    wide = min(job.max, place, curve.widest(tuning.efficiency_floor))
    cost = tuning.rescale_cost if job.rescale_cost is None else job.rescale_cost
    scale = value * curve.seconds(1) / job.gpus_per_worker
    return Prospect(job, curve, value, scale, max(job.min, wide), place, cost)


def curves(jobs: Sequence[Job]) -> list[Curve]:
    """Of each job; one that never trained is taken to be as fast as the others, a GPU for a GPU."""
    measured = [fit(job.points) if job.points else None for job in jobs]
    rates = [
        curve.rate(1) / job.gpus_per_worker
        for job, curve in zip(jobs, measured, strict=True)
        if curve is not None
    ]
    usual = statistics.median(rates) if rates else 1.0
    return [
        curve or prior(usual * job.gpus_per_worker)
        for job, curve in zip(jobs, measured, strict=True)
    ]
