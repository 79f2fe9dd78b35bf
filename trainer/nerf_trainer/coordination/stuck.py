"""Members whose hearts beat while their training keeps the others waiting."""

from collections.abc import Collection, Iterator
from dataclasses import replace

from nerf_trainer.coordination.members import (
    Group,
    Member,
    Notes,
    State,
    complete_pods,
    leaving_pods,
    misfits,
    put,
)
from nerf_trainer.coordination.messages import NO_GENERATION, MemberId

#: For how long others wait for one who is overdue. A step takes less by far; whose steps take
#: longer, and what does by nature, is not overdue so soon, see `nerf_trainer.elastic.activity`.
PATIENCE_SECONDS = 30.0


def set_aside(state: State, patience: float, min_pods: int) -> tuple[State, Notes]:
    """Nobody waits any more for those of the group who work for longer than they should, where
    others have waited for them for more than `patience` seconds, and can go on without.

    A wait of any length does not suffice: where every step takes long, nobody is to blame.
    """
    group = state.group
    if group is None or not any(member.overdue for member in state.members.values()):
        return state, ()
    stuck = _stuck(state, group)
    waited = max(_waits(state, group), default=0.0)
    if not stuck or waited <= patience or not _can_others_go_on(state, group, stuck, min_pods):
        return state, ()
    state = replace(state, group=replace(group, over=True))
    for id in stuck:
        state = put(state, replace(state.members[id], aside=True))
    who = ", ".join(map(str, stuck))
    return state, (f"{who} kept others waiting for {waited:.0f} s, who go on without",)


def is_waited_for(state: State, member: Member) -> bool:
    """Whether no group forms before this member wants a place."""
    if member.waiting or member.aside:
        return False
    newer = state.group is not None and NO_GENERATION < member.generation < state.group.id
    return not (newer and member.overdue)


def _stuck(state: State, group: Group) -> list[MemberId]:
    barred = leaving_pods(state) | misfits(state)
    inside = {id: m for id, m in state.members.items() if m.generation == group.id}
    return [id for id, m in inside.items() if m.overdue and not m.aside and id.pod not in barred]


def _waits(state: State, group: Group) -> Iterator[float]:
    """For how long, in seconds, have waited those of the group, who have left it, or whose seat in
    it was another's that died."""
    for id, member in state.members.items():
        left = member.join is not None and member.join.generation == group.id
        if member.generation == group.id or (member.waiting and (left or id in group.members)):
            yield member.waited


def _can_others_go_on(
    state: State, group: Group, stuck: Collection[MemberId], min_pods: int
) -> bool:
    """Whether a group of enough whole pods is left, one of which has trained."""

    def is_there(member: Member) -> bool:
        inside = member.generation == group.id and not member.aside
        return member.waiting or (inside and member.identity.id not in stuck)

    pods = complete_pods(state, is_there)
    return len(pods) >= min_pods and any(id.pod in pods for id in group.members)
