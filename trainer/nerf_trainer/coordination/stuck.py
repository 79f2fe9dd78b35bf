"""Members whose hearts beat while their training keeps the others waiting."""

from collections.abc import Iterator
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
from nerf_trainer.coordination.messages import NO_GENERATION

#: For how long a step may work, and others wait for it. A step takes less by far; what takes longer
#: by nature is told apart, see `nerf_trainer.elastic.activity`.
PATIENCE_SECONDS = 30.0


def set_aside(state: State, patience: float, min_pods: int) -> tuple[State, Notes]:
    """Nobody waits any more for those of the group who work for longer than they should, where
    others have waited for them for more than `patience` seconds, and can go on without.

    A wait of any length does not suffice: where every step takes long, nobody is to blame.
    """
    group = state.group
    if group is None:
        return state, ()
    stuck = [member for member in state.members.values() if _is_stuck(state, group, member)]
    waited = max(_waits(state, group), default=0.0)
    if not stuck or waited <= patience or not _can_others_go_on(state, group, min_pods):
        return state, ()
    state = replace(state, group=replace(group, over=True))
    for member in stuck:
        state = put(state, replace(member, aside=True))
    who = ", ".join(str(member.identity.id) for member in stuck)
    return state, (f"{who} kept others waiting for {waited:.0f} s, who go on without",)


def is_waited_for(state: State, member: Member) -> bool:
    """Whether no group forms before this member wants a place."""
    if member.waiting or member.aside:
        return False
    newer = state.group is not None and NO_GENERATION < member.generation < state.group.id
    return not (newer and member.overdue)


def _is_stuck(state: State, group: Group, member: Member) -> bool:
    barred = leaving_pods(state) | misfits(state)
    inside = member.generation == group.id and member.identity.id.pod not in barred
    return inside and member.overdue and not (member.waiting or member.aside)


def _waits(state: State, group: Group) -> Iterator[float]:
    """For how long, in seconds, have waited those of the group, and those who have left it."""
    for member in state.members.values():
        left = member.join is not None and member.waiting and member.join.generation == group.id
        if left or member.generation == group.id:
            yield member.waited


def _can_others_go_on(state: State, group: Group, min_pods: int) -> bool:
    """Whether a group of enough whole pods is left, one of which has trained."""

    def is_there(member: Member) -> bool:
        stuck = _is_stuck(state, group, member) or member.aside
        return member.waiting or (member.generation == group.id and not stuck)

    pods = complete_pods(state, is_there)
    return len(pods) >= min_pods and any(id.pod in pods for id in group.members)
