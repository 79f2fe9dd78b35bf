"""Who belongs to which generation: a pure state machine.

`decide(settings, state, event, now)` has no clock and does no I/O. `now` is in seconds of any
monotonic clock.

A new generation forms when every live member waits for it, enough pods are complete, and someone
in it has trained, or can read a checkpoint (the writer). A member is live from the first message
until it says goodbye, is replaced by a newer incarnation of its pod, or is silent for too long.
A pod of which one process says that it leaves is waited for no more, and gets no place.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from nerf_trainer.coordination.messages import (
    NO_GENERATION,
    GenerationId,
    Goodbye,
    Heartbeat,
    Identity,
    Join,
    MemberId,
    Placement,
    Reply,
    Verdict,
)


@dataclass(frozen=True)
class Settings:
    """min_pods: fewest complete pods of a group.

    member_timeout: seconds of silence after which a member is given up.
    grace: seconds after its start in which a coordinator forms no group, so that members who
    train under an earlier coordinator can make themselves known.
    """

    min_pods: int = 1
    member_timeout: float = 2.0
    grace: float = 3.0


@dataclass(frozen=True)
class Tick:
    """Time has passed."""


Event = Heartbeat | Join | Goodbye | Tick


@dataclass(frozen=True)
class Member:
    """A live process. `generation`: the one it trains in.

    join: its latest wish to join; it waits while that has no `placement`.
    leaving: it has said that its pod leaves.
    """

    identity: Identity
    heard: float
    generation: GenerationId = NO_GENERATION
    join: Join | None = None
    placement: Placement | None = None
    leaving: bool = False

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


@dataclass(frozen=True)
class Decision:
    """The new state, the answer to whom the event came from, and what a person should know."""

    state: State
    reply: Reply
    notes: tuple[str, ...] = ()


def decide(settings: Settings, state: State, event: Event, now: float) -> Decision:
    """What follows from `event` at time `now`."""
    state, notes = _drop_silent(settings, state, now)
    match event:
        case Heartbeat() | Join() if _is_fenced(state, event.member):
            return Decision(state, Reply(Verdict.FENCED), notes)
        case Heartbeat():
            state, more = _replace_older(state, event.member)
            state = _hear(state, event, now)
        case Join():
            state, more = _replace_older(state, event.member)
            state = _wait(state, event, now)
        case Goodbye():
            state, more = _part(state, event)
        case Tick():
            more = ()
    state, formed = _form(settings, state, now)
    return Decision(state, _reply(settings, state, event, now), notes + more + formed)


# --- Who is live ---------------------------------------------------------------------------------


def _drop_silent(settings: Settings, state: State, now: float) -> tuple[State, tuple[str, ...]]:
    silent = [id for id, m in state.members.items() if now - m.heard > settings.member_timeout]
    notes = tuple(f"lost {id}: silent for {now - state.members[id].heard:.1f} s" for id in silent)
    return _without(state, silent), notes


def _is_fenced(state: State, who: Identity) -> bool:
    return any(m.identity.incarnation > who.incarnation for m in _of_pod(state, who.id.pod))


def _replace_older(state: State, who: Identity) -> tuple[State, tuple[str, ...]]:
    older = [
        m.identity.id
        for m in _of_pod(state, who.id.pod)
        if m.identity.incarnation < who.incarnation
    ]
    return _without(state, older), tuple(f"{id} is replaced by its newer self" for id in older)


def _part(state: State, event: Goodbye) -> tuple[State, tuple[str, ...]]:
    """Goodbye does not end the group: whoever parts does so where the others expect it."""
    parting = [
        m.identity.id
        for m in _of_pod(state, event.pod)
        if m.identity.incarnation <= event.incarnation
        and event.local_rank in (None, m.identity.id.local_rank)
    ]
    members = {id: m for id, m in state.members.items() if id not in parting}
    return replace(state, members=members), tuple(f"{id} said goodbye" for id in parting)


def _of_pod(state: State, pod: int) -> list[Member]:
    return [m for id, m in state.members.items() if id.pod == pod]


def _without(state: State, gone: Iterable[MemberId]) -> State:
    gone = set(gone)
    if not gone:
        return state
    group = state.group
    if group and group.members & gone:
        group = replace(group, over=True)
    members = {id: m for id, m in state.members.items() if id not in gone}
    return replace(state, members=members, group=group)


# --- Messages ------------------------------------------------------------------------------------


def _hear(state: State, event: Heartbeat, now: float) -> State:
    id = event.member.id
    state = replace(state, number=max(state.number, event.seen))
    member = state.members.get(id) or Member(event.member, now)
    if event.generation > member.generation and not member.waiting:
        state = _adopt(state, id, event)
        member = replace(member, generation=event.generation)
    return _put(state, replace(member, heard=now, leaving=member.leaving or event.leaving))


def _adopt(state: State, id: MemberId, event: Heartbeat) -> State:
    """Learn from a member of a generation that an earlier coordinator formed."""
    group = state.group
    if group is None or event.generation > group.id:
        group = Group(event.generation, event.world_size, frozenset({id}))
    elif event.generation == group.id:
        group = replace(group, members=group.members | {id})
    return replace(state, group=group)


def _wait(state: State, event: Join, now: float) -> State:
    state = replace(state, number=max(state.number, event.seen))
    member = state.members.get(event.member.id) or Member(event.member, now)
    if member.join is not None and event.attempt <= member.join.attempt:
        return _put(state, replace(member, heard=now))
    group = state.group
    if group and event.member.id in group.members:
        group = replace(group, over=True)
    member = Member(event.member, now, join=event, leaving=member.leaving)
    return _put(replace(state, group=group), member)


def _put(state: State, member: Member) -> State:
    return replace(state, members={**state.members, member.identity.id: member})


def _reply(settings: Settings, state: State, event: Event, now: float) -> Reply:
    match event:
        case Heartbeat():
            return Reply(_verdict(settings, state, event, now))
        case Join():
            return answer(state, event)
        case _:
            return Reply(Verdict.CURRENT)


def answer(state: State, join: Join) -> Reply:
    """The reply to `join` as things stand: a placement, or none yet."""
    member = state.members.get(join.member.id)
    if member is None or member.join != join:
        return Reply(Verdict.CURRENT)
    return Reply(Verdict.CURRENT, member.placement)


def _verdict(settings: Settings, state: State, event: Heartbeat, now: float) -> Verdict:
    if event.generation == NO_GENERATION or state.group is None:
        return Verdict.CURRENT
    if event.generation != state.group.id or state.group.over:
        return Verdict.OVER
    joiners = _complete_pods(state) and not _in_grace(settings, state, now)
    leavers = any(id.pod in _leaving_pods(state) for id in state.group.members)
    return Verdict.CHANGING if joiners or leavers else Verdict.CURRENT


# --- A new generation ----------------------------------------------------------------------------


def _form(settings: Settings, state: State, now: float) -> tuple[State, tuple[str, ...]]:
    pods = _complete_pods(state)
    if len(pods) < settings.min_pods or _in_grace(settings, state, now):
        return state, ()
    leaving = _leaving_pods(state)
    if not all(m.waiting or id.pod in leaving for id, m in state.members.items()):
        return state, ()
    members = [m for pod in sorted(pods) for m in sorted(_of_pod(state, pod), key=_seat)]
    if not any(m.step > 0 or m.identity.writer for m in members):
        return state, ()
    return _place(state, members)


def _in_grace(settings: Settings, state: State, now: float) -> bool:
    return now - state.started < settings.grace


def _complete_pods(state: State) -> list[int]:
    """Pods of which every process is known and waits, and that do not leave."""
    waiting: dict[int, int] = {}
    for id, member in state.members.items():
        waiting[id.pod] = waiting.get(id.pod, 0) + member.waiting
    whole = [p for p, n in waiting.items() if n == _of_pod(state, p)[0].identity.local_world_size]
    return [pod for pod in whole if pod not in _leaving_pods(state)]


def _leaving_pods(state: State) -> set[int]:
    return {id.pod for id, member in state.members.items() if member.leaving}


def _seat(member: Member) -> MemberId:
    return member.identity.id


def _place(state: State, members: list[Member]) -> tuple[State, tuple[str, ...]]:
    generation = GenerationId(state.number + 1, state.epoch)
    ids = [m.identity.id for m in members]
    steps = [m.step for m in members]
    source = steps.index(max(steps))
    writers = [rank for rank, m in enumerate(members) if m.identity.writer]
    placed = dict(state.members)
    for rank, member in enumerate(members):
        assert member.join is not None and members[0].join is not None
        placement = Placement(
            generation=generation,
            rank=rank,
            world_size=len(members),
            source=source,
            writer=writers[0] if writers else None,
            store=members[0].join.store,
        )
        placed[ids[rank]] = replace(member, generation=generation, placement=placement)
    group = Group(generation, len(members), frozenset(ids))
    note = f"generation {generation.number} of {len(ids)}: {', '.join(map(str, ids))}; " + (
        f"state from {ids[source]} at step {steps[source]}"
    )
    return replace(state, members=placed, number=generation.number, group=group), (note,)
