"""Members whose hearts beat while their training keeps the others waiting."""

from collections.abc import Iterator
from dataclasses import replace

from nerf_trainer.coordination.members import Member, Notes, State, complete_pods, of_pod, put

#: Who is set aside may come back at once; the next time a group that trains is left alone for so
#: long, then for three times, seven times ... as long.
BARRED_SECONDS = 60.0
MOST_STRIKES = 5


def set_aside(state: State, now: float, patience: float) -> tuple[State, Notes]:
    """Nobody waits any more for those who work for longer than they should, where others have
    waited for more than `patience` seconds.

    A wait of any length does not suffice: where every step takes long, nobody is to blame.
    """
    stuck = [m for m in state.members.values() if m.overdue and not (m.waiting or m.aside)]
    waited = max(_waits(state), default=0.0)
    if not stuck or waited <= patience:
        return state, ()
    for member in stuck:
        state = _set_aside(state, member, now)
    who = ", ".join(str(member.identity.id) for member in stuck)
    return state, (f"{who} kept others waiting for {waited:.0f} s, who go on without",)


def _waits(state: State) -> Iterator[float]:
    """For how long have waited, in seconds, those who have a group, or could form one."""
    group, pods = state.group, complete_pods(state)
    for id, member in state.members.items():
        if group is None or group.over:
            if member.waiting and id.pod in pods:
                yield member.waited
        elif id in group.members:
            yield member.waited


def _set_aside(state: State, member: Member, now: float) -> State:
    group, strikes = state.group, min(member.strikes + 1, MOST_STRIKES)
    if group and member.identity.id in group.members:
        state = replace(state, group=replace(group, over=True))
    until = now + BARRED_SECONDS * (2 ** (strikes - 1) - 1)
    return put(state, replace(member, aside=True, strikes=strikes, barred_until=until))


def is_barred(state: State, pod: int, now: float) -> bool:
    """Whether a group that trains is not disturbed for this pod."""
    return any(member.barred_until > now for member in of_pod(state, pod))
