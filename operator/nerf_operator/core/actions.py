"""What a plan consists of."""

from dataclasses import dataclass
from typing import Any

from nerf_contract.v1alpha1 import NeRFJobStatus

Object = dict[str, Any]


@dataclass(frozen=True)
class Event:
    """Something that a person reads in `kubectl describe`."""

    reason: str
    message: str
    warning: bool = False


@dataclass(frozen=True)
class Create:
    """Create a pod, unless one of that name is there. `event` is told once it was created."""

    pod: Object
    event: Event | None = None


@dataclass(frozen=True)
class DrawToken:
    """Create a Secret with a random token, unless one of that name is there."""

    secret: Object


@dataclass(frozen=True)
class Fence:
    """Create a NetworkPolicy, unless one of that name is there."""

    policy: Object


@dataclass(frozen=True)
class Apply:
    """Create a Service or claim, unless one of that name is there.

    force: it is there, and ours: undo by server-side apply what others have changed.
    """

    child: Object
    force: bool


@dataclass(frozen=True)
class Release:
    """Let go of a claim, so that it outlives the job; the rest of it stays as others made it."""

    name: str
    uid: str


@dataclass(frozen=True)
class Delete:
    """Delete a pod, unless it was replaced by another of that name."""

    name: str
    uid: str


@dataclass(frozen=True)
class DeleteJob:
    """Delete the job itself, with all that it owns."""

    uid: str


Action = Create | Apply | DrawToken | Fence | Release | Delete | DeleteJob


@dataclass(frozen=True)
class Plan:
    """What one pass does, in this order: actions, one status write (None: no change), events.

    requeue_after: seconds after which time alone may change the plan; None if it cannot.
    probe: address of the pod that knows the progress, or None.
    """

    actions: tuple[Action, ...] = ()
    status: NeRFJobStatus | None = None
    events: tuple[Event, ...] = ()
    requeue_after: float | None = None
    probe: str | None = None


NOTHING = Plan()
