"""What is believed of an Auto job's speed with each number of workers.

A figure decides what the job gets from then on, so it must tell of the size and not of a moment:
processes that have just begun compile and load, and those of other jobs that start slow them down.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from nerf_contract import reasons
from nerf_contract.progress import LARGEST_RATE, Progress
from nerf_contract.v1alpha1 import AllocationStatus, Condition, NeRFJobSpec, SpeedStatus
from nerf_operator.core.moment import rfc3339

#: All workers have trained for so long with a size before its speed counts.
SETTLED: Final = timedelta(seconds=20)
#: More workers than the job has are tried again after so long, whatever they did then: nothing but
#: their figure would keep the job from growing, and nobody would ever correct it.
BELIEVED: Final = timedelta(minutes=15)


def learn(
    spec: NeRFJobSpec,
    old: AllocationStatus | None,
    conditions: Sequence[Condition],
    progress: Progress | None,
    now: datetime,
) -> list[SpeedStatus]:
    """One figure a size, the newest, in order of size. conditions: of the status that is made."""
    if old is None:
        return []
    known = {one.workers: one for one in old.speeds if _is_believed(one, old.workers, now)}
    rate = _measured(spec, old, progress)
    before = known.get(old.workers)
    if rate and _settled(old, conditions, now) and (not before or before.rays_per_second != rate):
        known[old.workers] = SpeedStatus(
            workers=old.workers, rays_per_second=rate, time=rfc3339(now)
        )
    return [known[workers] for workers in sorted(known)]


def points(known: Sequence[SpeedStatus]) -> tuple[tuple[int, float], ...]:
    """(workers, rays/s) of what is plausible: a status may have been written by anyone."""
    return tuple((one.workers, float(one.rays_per_second)) for one in known if _is_plausible(one))


def _is_plausible(one: SpeedStatus) -> bool:
    return one.workers > 0 and 0 < one.rays_per_second <= LARGEST_RATE


def _is_believed(one: SpeedStatus, workers: int, now: datetime) -> bool:
    """A job without workers forgets nothing: what it knows says where to start."""
    if not _is_plausible(one):
        return False
    fresh = now - datetime.fromisoformat(one.time) < BELIEVED
    return fresh or not workers or one.workers <= workers


def _measured(spec: NeRFJobSpec, old: AllocationStatus, progress: Progress | None) -> int:
    """Rays/s of the whole group; 0 where only a part of it trains, or nothing is told."""
    if progress is None or progress.phase != "training":
        return 0
    whole = progress.world_size == old.workers * spec.workers.processes
    return round(progress.rays_per_second or 0) if whole else 0


def _settled(old: AllocationStatus, conditions: Sequence[Condition], now: datetime) -> bool:
    ready = next((one for one in conditions if one.type == reasons.WORKERS_READY), None)
    if ready is None or ready.status != "True":
        return False
    since = max(map(datetime.fromisoformat, (ready.last_transition_time, old.since)))
    return now - since >= SETTLED
