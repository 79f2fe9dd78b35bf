"""Who belongs to which generation: a pure state machine.

`decide(settings, state, event, now)` has no clock and does no I/O. `now` is in seconds of any
monotonic clock.

A new generation forms when every live member waits for it, enough pods are complete, and someone
in it has trained, or can read a checkpoint (the writer). A pod of which one process says that it
leaves is waited for no more, and gets no place; nor does one that trains by another config. Nor is
a process waited for that has kept others waiting for too long, until it joins anew.
"""

from dataclasses import dataclass, replace

from nerf_trainer.coordination.members import (
    Group,
    Member,
    Notes,
    State,
    complete_pods,
    drop_silent,
    is_fenced,
    leaving_pods,
    misfits,
    of_pod,
    part,
    put,
    replace_older,
)
from nerf_trainer.coordination.messages import (
    NO_GENERATION,
    GenerationId,
    Goodbye,
    Heartbeat,
    Join,
    MemberId,
    Placement,
    Reply,
    Verdict,
)
from nerf_trainer.coordination.stuck import PATIENCE_SECONDS, is_waited_for, set_aside


@dataclass(frozen=True)
class Settings:
    """min_pods: fewest complete pods of a group.

    member_timeout: seconds of silence after which a member is given up.
    suspect_timeout: the same, where the member's group has broken: two heartbeats that did not
    come.
    patience: seconds that members wait for one that beats, but whose training is overdue.
    grace: seconds after its start in which a coordinator forms no group, so that members who
    train under an earlier coordinator can make themselves known. Only `member_timeout` where all
    of their group have, or one of them tells that it has broken; no less, as the first to speak
    may be a whole group that the others have long given up.
    """

    min_pods: int = 1
    member_timeout: float = 2.0
    suspect_timeout: float = 1.0
    patience: float = PATIENCE_SECONDS
    grace: float = 3.0


@dataclass(frozen=True)
class Tick:
    """Time has passed."""


Event = Heartbeat | Join | Goodbye | Tick


@dataclass(frozen=True)
class Decision:
    """The new state, the answer to whom the event came from, and what a person should know."""

    state: State
    reply: Reply
    notes: Notes = ()


def decide(settings: Settings, state: State, event: Event, now: float) -> Decision:
    """What follows from `event` at time `now`."""
    state, notes = drop_silent(state, now, settings.member_timeout, settings.suspect_timeout)
    match event:
        case Heartbeat() | Join() if is_fenced(state, event.member):
            return Decision(state, Reply(Verdict.FENCED), notes)
        case Heartbeat():
            state, more = replace_older(state, event.member)
            state = _hear(state, event, now)
        case Join():
            state, more = replace_older(state, event.member)
            state = _wait(state, event, now)
        case Goodbye():
            state, more = part(state, event)
        case Tick():
            more = ()
    state, stuck = set_aside(state, settings.patience, settings.min_pods)
    state, formed = _form(settings, state, now)
    return Decision(state, _reply(settings, state, event, now), notes + more + stuck + formed)


# --- Messages ------------------------------------------------------------------------------------


def _hear(state: State, event: Heartbeat, now: float) -> State:
    id = event.member.id
    state = replace(state, number=max(state.number, event.seen))
    member = state.members.get(id) or Member(event.member, now)
    if event.generation > member.generation and not member.waiting:
        state = _adopt(state, event)
        member = replace(member, generation=event.generation, aside=False)
    if event.generation == member.generation:  # Others are late: it has moved on meanwhile.
        member = replace(member, waited=event.waited_ms / 1000, overdue=event.overdue)
    return put(state, replace(member, heard=now, leaving=member.leaving or event.leaving))


def _adopt(state: State, event: Heartbeat | Join) -> State:
    """Learn from a member of a generation that an earlier coordinator formed."""
    group, id = state.group, event.member.id
    if group is None or event.generation > group.id:
        group = Group(event.generation, event.world_size, frozenset({id}))
    elif event.generation == group.id:
        group = replace(group, members=group.members | {id})
    return replace(state, group=group)


def _wait(state: State, event: Join, now: float) -> State:
    state = replace(state, number=max(state.number, event.seen))
    member = state.members.get(event.member.id) or Member(event.member, now)
    if member.join is not None and event.attempt <= member.join.attempt:
        return put(state, replace(member, heard=now))
    if event.generation > member.generation:
        state = _adopt(state, event)
    group = state.group
    if group and event.member.id in group.members:
        group = replace(group, over=True)
    member = Member(event.member, now, join=event, leaving=member.leaving)
    return put(replace(state, group=group), member)


def _reply(settings: Settings, state: State, event: Event, now: float) -> Reply:
    match event:
        case Heartbeat():
            return Reply(_verdict(settings, state, event, now))
        case Join():
            return answer(state, event)
        case _:
            return Reply(Verdict.CURRENT)


def answer(state: State, join: Join) -> Reply:
    """The reply to `join` as things stand: a placement, none yet, or why there will be none."""
    member = state.members.get(join.member.id)
    if member is None or member.join != join:
        return Reply(Verdict.CURRENT)
    misfit = member.waiting and join.member.id.pod in misfits(state)
    return Reply(Verdict.MISFIT if misfit else Verdict.CURRENT, member.placement)


def _verdict(settings: Settings, state: State, event: Heartbeat, now: float) -> Verdict:
    if event.generation == NO_GENERATION or state.group is None:
        return Verdict.CURRENT
    if event.generation != state.group.id or state.group.over:
        return Verdict.OVER
    grace, group = _in_grace(settings, state, now), state.group
    if not grace and len(group.members) < group.world_size:
        return Verdict.OVER  # Who has not spoken by now died with the coordinator before this one.
    joiners = complete_pods(state) and not grace
    leavers = any(id.pod in leaving_pods(state) for id in state.group.members)
    return Verdict.CHANGING if joiners or leavers else Verdict.CURRENT


# --- A new generation ----------------------------------------------------------------------------


def _form(settings: Settings, state: State, now: float) -> tuple[State, Notes]:
    pods = complete_pods(state)
    if len(pods) < settings.min_pods or _in_grace(settings, state, now):
        return state, ()
    ignored = leaving_pods(state) | misfits(state)
    if any(is_waited_for(state, m) and id.pod not in ignored for id, m in state.members.items()):
        return state, ()
    members = [m for pod in sorted(pods) for m in sorted(of_pod(state, pod), key=_seat)]
    if not any(m.step > 0 or m.identity.writer for m in members):
        return state, ()
    return _place(state, members)


def _in_grace(settings: Settings, state: State, now: float) -> bool:
    seconds = settings.grace
    if _newest_is_known(state):
        seconds = min(seconds, settings.member_timeout)
    return now - state.started < seconds


def _newest_is_known(state: State) -> bool:
    """Whether all of the newest group that anybody has seen are known, or it has broken."""
    group = state.group
    if group is None or group.id.number != state.number:
        return False
    return group.over or len(group.members) == group.world_size


def _seat(member: Member) -> MemberId:
    return member.identity.id


def _place(state: State, members: list[Member]) -> tuple[State, Notes]:
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
        placed[ids[rank]] = replace(
            member, generation=generation, placement=placement, waited=0.0, overdue=False
        )
    group = Group(generation, len(members), frozenset(ids))
    note = f"generation {generation.number} of {len(ids)}: {', '.join(map(str, ids))}; " + (
        f"state from {ids[source]} at step {steps[source]}"
    )
    return replace(state, members=placed, number=generation.number, group=group), (note,)
