"""What became of the job's wall time, from its first worker pod on."""

from collections.abc import Mapping
from datetime import datetime

from nerf_contract.goodput import IMAGE, QUEUE
from nerf_contract.progress import GoodputReport, Progress
from nerf_contract.v1alpha1 import GoodputStatus
from nerf_operator.core.observed import Observed, Pod


def merge(
    old: GoodputStatus | None, progress: Progress | None, observed: Observed
) -> GoodputStatus | None:
    """The figures to report; what is not known anew stays as it was.

    The trainer knows nothing of the time before its process: that lowers its ratio here.
    """
    known = {c: s for c, s in old.lost_seconds.items() if c in (QUEUE, IMAGE)} if old else {}
    before = known | before_the_start(observed.workers(0))
    told = progress.goodput if progress else None
    if told is not None:
        return _summarize(told, before)
    if old is not None or not before:
        return old
    return GoodputStatus(wall_seconds=sum(before.values()), lost_seconds=before)


def before_the_start(pods: tuple[Pod, ...]) -> dict[str, int]:
    """Seconds that the first pod of a worker waited, by cause, once they are over.

    pods: of the worker, oldest attempt first. What later ones wait is a restart to the trainer.
    """
    first = pods[0] if pods and pods[0].attempt == 0 else None
    if first is None or first.scheduled_at is None or first.started_at is None:
        return {}
    return {
        QUEUE: _seconds(first.created, first.scheduled_at),
        IMAGE: _seconds(first.scheduled_at, first.started_at),
    }


def _seconds(begin: datetime, end: datetime) -> int:
    return max(0, round((end - begin).total_seconds()))


def _summarize(told: GoodputReport, before: Mapping[str, int]) -> GoodputStatus:
    wall = told.wall_seconds + sum(before.values())
    share = told.wall_seconds / wall if wall else 1.0
    return GoodputStatus(
        ratio=None if told.ratio is None else round(told.ratio * share, 3),
        efficiency=None if told.efficiency is None else round(told.efficiency, 3),
        wall_seconds=round(wall),
        lost_seconds={**before, **{c: round(s) for c, s in told.lost_seconds.items()}},
    )
