"""What members and the coordinator say to each other, as JSON objects over HTTP.

A field of the wrong type, a missing or an unknown one is a `MessageError`.
"""

import dataclasses
import json
from dataclasses import dataclass
from enum import StrEnum
from types import UnionType
from typing import Any, TypeVar, get_args, get_type_hints

T = TypeVar("T")

#: What counts all come to at most: a reply with them must fit into what its reader takes.
LARGEST = 2**63 - 1


class MessageError(ValueError):
    """A message that cannot be understood; the text names the field."""


@dataclass(frozen=True, order=True)
class Incarnation:
    """One life of a worker pod's processes; a greater one replaces a smaller.

    attempt: of the pod, given by the operator.
    round: grows with each restart of the processes within the pod.
    """

    attempt: int
    round: int


@dataclass(frozen=True, order=True)
class MemberId:
    """A seat in the group: pod (worker index) and local rank in that pod."""

    pod: int
    local_rank: int

    def __str__(self) -> str:
        return f"{self.pod}.{self.local_rank}"


@dataclass(frozen=True, order=True)
class GenerationId:
    """What tells one group from every other; of two, the greater is the newer.

    epoch: of the coordinator that formed it, as two that do not know of each other may count
    to the same number.
    """

    number: int
    epoch: int


NO_GENERATION = GenerationId(0, 0)


@dataclass(frozen=True)
class Identity:
    """Who is speaking.

    local_world_size: processes in the pod; the pod is complete when all of them have joined.
    writer: whether this process writes the checkpoints.
    config: hash of what all of a group must train by; see `nerf_trainer.config.group_hash`.
    """

    id: MemberId
    incarnation: Incarnation
    local_world_size: int
    writer: bool
    config: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.id.local_rank < self.local_world_size:
            raise MessageError(f"local rank {self.id.local_rank} of {self.local_world_size}")


@dataclass(frozen=True)
class Heartbeat:
    """ "I live." Sent every half second, whatever the process does besides.

    generation, world_size: the group it trains in; `NO_GENERATION` and 0 outside any.
    seen: the highest generation number it ever saw.
    leaving: its pod is told to end.
    waited_ms: for how long its training has now waited for others; 0 while it works.
    overdue: its training works for longer than it should, and others may wait for it.
    """

    member: Identity
    generation: GenerationId
    world_size: int
    seen: int
    leaving: bool = False
    waited_ms: int = 0
    overdue: bool = False


@dataclass(frozen=True)
class Join:
    """ "Put me into the next group." Repeated until it is answered.

    attempt: tells a repetition (same number) from a new wish to join (a greater one).
    step: steps completed. store: host:port of the store that it offers as a possible rank 0.
    generation, world_size: the group that it left for this; `NO_GENERATION` and 0 if it had none.
    """

    member: Identity
    attempt: int
    step: int
    seen: int
    store: str
    generation: GenerationId
    world_size: int


@dataclass(frozen=True)
class Goodbye:
    """ "These processes are gone for good": of a whole pod where `local_rank` is None."""

    pod: int
    incarnation: Incarnation
    local_rank: int | None


class Verdict(StrEnum):
    """What a member's group is, as the coordinator sees it."""

    CURRENT = "current"
    CHANGING = "changing"
    """Leave at a step boundary that all agree on, and join: a new member waits, or one leaves."""
    OVER = "over"
    """A member of the group is gone: no collective of it can complete any more."""
    FENCED = "fenced"
    """A newer incarnation of this pod has taken its place: end."""
    MISFIT = "misfit"
    """The group trains by another config than this pod: there is no place for it."""


@dataclass(frozen=True)
class Placement:
    """A place in a new generation. `store`: host:port of rank 0's store."""

    generation: GenerationId
    rank: int
    world_size: int
    source: int
    writer: int | None
    store: str


@dataclass(frozen=True)
class Reply:
    """The answer to every message. `placement` is None while a join has to wait."""

    verdict: Verdict
    placement: Placement | None = None


def encode(message: Any) -> bytes:
    """A message as UTF-8 JSON."""
    return json.dumps(dataclasses.asdict(message)).encode()


def decode(kind: type[T], data: bytes) -> T:
    """A message of type `kind` from UTF-8 JSON.

    Raises: MessageError.
    """
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise MessageError(f"not JSON: {error}") from error
    message: T = _build(kind, value, kind.__name__)
    return message


def _build(kind: Any, value: Any, where: str) -> Any:
    if isinstance(kind, UnionType):
        return None if value is None else _build(get_args(kind)[0], value, where)
    if dataclasses.is_dataclass(kind):
        return _build_dataclass(kind, value, where)
    if issubclass(kind, StrEnum):
        return _build_enum(kind, value, where)
    if type(value) is not kind or (kind is int and not 0 <= value <= LARGEST):
        raise MessageError(f"{where}: not a valid {kind.__name__}: {value!r}")
    return value


def _build_dataclass(kind: Any, value: Any, where: str) -> Any:
    types = get_type_hints(kind)
    if not isinstance(value, dict) or value.keys() != types.keys():
        raise MessageError(f"{where}: expected exactly the fields {', '.join(types)}")
    return kind(**{name: _build(types[name], value[name], f"{where}.{name}") for name in types})


def _build_enum(kind: type[StrEnum], value: Any, where: str) -> StrEnum:
    try:
        return kind(value)
    except ValueError as error:
        raise MessageError(f"{where}: {error}") from error
