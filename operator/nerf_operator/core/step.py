"""What one pass finds and does for the stage that a job is in."""

from collections.abc import Iterable
from dataclasses import dataclass

from nerf_contract.v1alpha1 import GivenUpStatus
from nerf_operator.core.actions import Action, Delete
from nerf_operator.core.waiting import Waiting


@dataclass(frozen=True)
class Step:
    """ready, alive: worker pods that are ready, and that run or will run.

    creations: pods to make, and what they need, unless something is in the way. starting: why it
    is not ready yet, where nothing is wrong. obstacle: what a person must do. timers: seconds after
    which time alone may change the decision. probe: address of the pod that knows the progress.
    given_up: workers that no node takes.
    """

    removals: tuple[Delete, ...]
    creations: tuple[Action, ...]
    starting: Waiting
    obstacle: Waiting | None
    timers: tuple[float | None, ...]
    probe: str | None
    ready: int = 0
    alive: int = 0
    given_up: GivenUpStatus | None = None


def soonest(timers: Iterable[float | None]) -> float | None:
    """The timer that is due first."""
    return min((timer for timer in timers if timer is not None), default=None)
