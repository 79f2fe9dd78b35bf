"""Who is known to the coordinator, and who of them counts: values, and pure functions of them.

A member is live from its first message until it says goodbye, is replaced by a newer incarnation
of its pod, or is silent for too long.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from nerf_trainer.coordination.messages import (
    NO_GENERATION,
    GenerationId,
    Goodbye,
    Identity,
    Join,
    MemberId,
    Placement,
)

#: What a person should know of a change.
Notes = tuple[str, ...]


@dataclass(frozen=True)
class Member:
    """A live process. `generation`: the one it trains in.

    join: its latest wish to join; it waits while that has no `placement`.
    leaving: it has said that its pod leaves.
    waited: for how many seconds its training waited for others, when it last told.
    overdue: its training then worked for longer than it should.
    aside: it kept others waiting for too long, and is waited for no more: see `stuck`.
    """

    identity: Identity
    heard: float
    generation: GenerationId = NO_GENERATION
    join: Join | None = None
    placement: Placement | None = None
    leaving: bool = False
    waited: float = 0.0
    overdue: bool = False
    aside: bool = False

    @property
    def waiting(self) -> bool:
        return self.join is not None and self.placement is None

    @property
    def step(self) -> int:
        return self.join.step if self.join else 0


@dataclass(frozen=True)
class Group:
    """The newest generation. `members`: those known to be in it; `over`: one of them left it."""

    id: GenerationId
    world_size: int
    members: frozenset[MemberId]
    over: bool = False


@dataclass(frozen=True)
class State:
    """What a coordinator knows.

    started: when it did. epoch: greater than that of every coordinator before.
    number: highest generation ever formed or heard of.
    """

    started: float
    epoch: int
    members: Mapping[MemberId, Member] = field(default_factory=dict)
    number: int = 0
    group: Group | None = None


# --- Who comes and goes --------------------------------------------------------------------------


def put(state: State, member: Member) -> State:
    """The member as it is now, whether or not it was known."""
    return replace(state, members={**state.members, member.identity.id: member})


def drop_silent(
    state: State, now: float, timeout: float, suspect_timeout: float
) -> tuple[State, Notes]:
    """Without those who have been silent for longer than `timeout` seconds.

    suspect_timeout: the same for `suspects`.
    """
    broken = suspects(state)
    silent = [
        id
        for id, member in state.members.items()
        if now - member.heard > (suspect_timeout if id in broken else timeout)
    ]
    notes = tuple(f"lost {id}: silent for {now - state.members[id].heard:.1f} s" for id in silent)
    return _without(state, silent), notes


def suspects(state: State) -> set[MemberId]:
    """Who has not come out of a group that broke: one of them may have broken it."""
    if state.group is None or not state.group.over:
        return set()
    inside = state.group.members & state.members.keys()
    return {id for id in inside if not state.members[id].waiting}


def replace_older(state: State, who: Identity) -> tuple[State, Notes]:
    """Without the earlier incarnations of who speaks."""
    older = [
        m.identity.id for m in of_pod(state, who.id.pod) if m.identity.incarnation < who.incarnation
    ]
    return _without(state, older), tuple(f"{id} is replaced by its newer self" for id in older)


def part(state: State, event: Goodbye) -> tuple[State, Notes]:
    """Goodbye does not end the group: whoever parts does so where the others expect it."""
    parting = [
        m.identity.id
        for m in of_pod(state, event.pod)
        if m.identity.incarnation <= event.incarnation
        and event.local_rank in (None, m.identity.id.local_rank)
    ]
    members = {id: m for id, m in state.members.items() if id not in parting}
    return replace(state, members=members), tuple(f"{id} said goodbye" for id in parting)


def _without(state: State, gone: Iterable[MemberId]) -> State:
    gone = set(gone)
    if not gone:
        return state
    group = state.group
    if group and group.members & gone:
        group = replace(group, over=True)
    members = {id: m for id, m in state.members.items() if id not in gone}
    return replace(state, members=members, group=group)


# --- Who counts ----------------------------------------------------------------------------------


def of_pod(state: State, pod: int) -> list[Member]:
    """The live processes of a pod."""
    return [m for id, m in state.members.items() if id.pod == pod]


def is_fenced(state: State, who: Identity) -> bool:
    """Whether a newer incarnation of its pod is live."""
    return any(m.identity.incarnation > who.incarnation for m in of_pod(state, who.id.pod))


def leaving_pods(state: State) -> set[int]:
    """Pods of which one process has said that it leaves."""
    return {id.pod for id, member in state.members.items() if member.leaving}


def misfits(state: State) -> set[int]:
    """Pods that train by another config than the group would.

    The group's is that of those who train, else of the most advanced, else of the first.
    """
    if not state.members:
        return set()
    leading = max(state.members.values(), key=lambda m: (m.generation, m.step))
    config = leading.identity.config
    return {id.pod for id, m in state.members.items() if m.identity.config != config}


def _is_waiting(member: Member) -> bool:
    return member.waiting


def complete_pods(state: State, counts: Callable[[Member], bool] = _is_waiting) -> list[int]:
    """Pods of which every process is known and counts, and that neither leave nor are misfits."""
    found: dict[int, int] = {}
    for id, member in state.members.items():
        found[id.pod] = found.get(id.pod, 0) + counts(member)
    whole = [p for p, n in found.items() if n == of_pod(state, p)[0].identity.local_world_size]
    barred = leaving_pods(state) | misfits(state)
    return [pod for pod in whole if pod not in barred]
