"""The end of the workers: they finish one after the other, and get time to."""

from datetime import datetime, timedelta

from nerf_contract import names
from nerf_operator.core import outcome, replacement
from nerf_operator.core.observed import Observed, Pod

#: After the writer has finished, the others get this long to end by themselves.
FAREWELL = timedelta(seconds=20)
_TRAINING = (names.COMPONENT_WORKER, names.COMPONENT_COORDINATOR)


def left(observed: Observed, now: datetime) -> float | None:
    """Seconds that workers which still run are left alone, if there are any."""
    writer = [pod for pod in observed.workers(0) if pod.phase == "Succeeded"]
    if not writer or not any(pod.alive and pod.index is not None for pod in observed.pods):
        return None
    seconds = pod_left(writer[-1], now)
    return seconds if seconds > 0 else None


def pod_left(pod: Pod, now: datetime) -> float:
    """Seconds of the farewell that begins with the end of this pod."""
    return (replacement.ended_at(pod) + FAREWELL - now).total_seconds()


def just_finished(pod: Pod, now: datetime) -> bool:
    """Workers end one after the other; that the first has ended interrupts nothing."""
    return outcome.finished(pod) and pod_left(pod, now) > 0


def of_training(observed: Observed) -> list[Pod]:
    """What still runs of the training."""
    return [pod for pod in observed.pods if pod.alive and pod.component in _TRAINING]


def unneeded(observed: Observed) -> list[Pod]:
    """What still runs of a job that has ended, but for its viewer."""
    kept = names.COMPONENT_VIEWER
    return [pod for pod in observed.pods if pod.alive and pod.component != kept]
