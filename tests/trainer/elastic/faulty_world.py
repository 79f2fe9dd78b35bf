"""A story of a job on virtual time, in which something goes wrong with one of its messages.

A message is a request of a member that is on its way to the coordinator, or an answer that is on
its way back. Both are numbered together, in the order of the story.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from simulation import Process, World

from nerf_trainer.coordination.membership import Event
from nerf_trainer.coordination.messages import NO_GENERATION, Goodbye, Heartbeat, Reply, Verdict

#: Lets a message arrive.
Arrival = Callable[[], None]

LATE_SECONDS = 1.2
AWAY_SECONDS = 1.5
FROZEN_SECONDS = 4.0
REPLACED_SECONDS = 1.0


@dataclass
class FaultyWorld(World):
    """Once, at message number `at`, `fault` happens to it, to its member, or to the coordinator."""

    at: int = -1
    fault: "Fault | None" = None
    messages: int = 0
    later: list[tuple[float, Callable[[], object]]] = field(default_factory=list)
    away_until: float = 0.0

    def after(self, seconds: float, act: Callable[[], object]) -> None:
        self.later.append((self.now + seconds, act))

    def ask(self, process: Process, event: Event) -> None:
        self._pass_on(process, lambda: self._arrive(process, event))

    def deliver(self, process: Process, reply: Reply) -> None:
        self._pass_on(process, lambda: super(FaultyWorld, self).deliver(process, reply))

    def _arrive(self, process: Process, event: Event) -> None:
        if self.now >= self.away_until:
            self.deliver(process, self.send(event))

    def _pass_on(self, process: Process, arrive: Arrival) -> None:
        if process not in self.living or process.frozen:
            return
        number, self.messages = self.messages, self.messages + 1
        if number == self.at and self.fault:
            self.fault(self, process, arrive)
        else:
            arrive()

    def pass_time(self, seconds: float) -> None:
        super().pass_time(seconds)
        due = [act for moment, act in self.later if moment <= self.now]
        self.later = [(moment, act) for moment, act in self.later if moment > self.now]
        for act in due:
            act()

    def restart_pod(self, index: int) -> None:
        """A pod is there, whatever became of the one before; its processes want to join."""
        self.start_pod(index)
        for process in self.pods[index]:
            self.join(process)


Fault = Callable[[FaultyWorld, Process, Arrival], None]


def lost(world: FaultyWorld, process: Process, arrive: Arrival) -> None:
    """The connection breaks."""


def doubled(world: FaultyWorld, process: Process, arrive: Arrival) -> None:
    """It comes twice."""
    arrive()
    arrive()


def late(world: FaultyWorld, process: Process, arrive: Arrival) -> None:
    """It comes when others have been sent and answered, and the member has given up waiting."""
    world.after(LATE_SECONDS, arrive)


def member_dies_before(world: FaultyWorld, process: Process, arrive: Arrival) -> None:
    """Its pod dies, and is replaced after a while."""
    pod = process.identity.id.pod
    world.kill_pod(pod)
    world.after(REPLACED_SECONDS, lambda: pod in world.pods or world.restart_pod(pod))


def member_dies_after(world: FaultyWorld, process: Process, arrive: Arrival) -> None:
    """The same, once the message has come."""
    arrive()
    member_dies_before(world, process, arrive)


def member_freezes(world: FaultyWorld, process: Process, arrive: Arrival) -> None:
    """It hangs for longer than the others wait for it, then goes on."""
    arrive()
    process.frozen = True
    world.after(FROZEN_SECONDS, lambda: world.thaw(process))


def member_is_replaced(world: FaultyWorld, process: Process, arrive: Arrival) -> None:
    """It is cut off, another pod takes its place, and then it comes back."""
    arrive()
    if process not in world.living:
        return
    process.frozen = True
    world.restart_pod(process.identity.id.pod)
    world.after(FROZEN_SECONDS, lambda: _come_back(world, process))


def _come_back(world: FaultyWorld, zombie: Process) -> None:
    """Whatever it says, it is told to end."""
    messages: list[Event] = [Heartbeat(zombie.identity, NO_GENERATION, 0, zombie.seen)]
    if zombie.join:
        messages += [zombie.join, replace(zombie.join, attempt=zombie.join.attempt + 1)]
    if zombie.identity.id.pod in world.pods:
        assert [world.send(m).verdict for m in messages] == [Verdict.FENCED] * len(messages)


def coordinator_dies_before(world: FaultyWorld, process: Process, arrive: Arrival) -> None:
    """The coordinator is away for a while, and the next one knows nothing."""
    world.away_until = world.now + AWAY_SECONDS
    world.after(AWAY_SECONDS, world.restart_coordinator)


def coordinator_dies_after(world: FaultyWorld, process: Process, arrive: Arrival) -> None:
    """The same, once the message has come."""
    arrive()
    coordinator_dies_before(world, process, arrive)


FAULTS: tuple[Fault, ...] = (
    *(lost, doubled, late, member_dies_before, member_dies_after, member_freezes),
    *(member_is_replaced, coordinator_dies_before, coordinator_dies_after),
)


def tell_story(world: FaultyWorld) -> None:
    """Two pods train, a third joins, one leaves, the processes of one crash and start again."""

    def begin() -> None:
        world.restart_pod(0)
        world.restart_pod(1)

    def leave(pod: int) -> None:
        for process in world.pods.get(pod, [])[:1]:
            world.ask_to_leave(process)

    def crash(pod: int) -> None:
        crashed = world.pods.get(pod, [])
        world.restart_pod(pod)
        for process in crashed[:1]:
            world.send(Goodbye(pod, process.identity.incarnation, None))

    plot: dict[int, Callable[[], None]] = {
        0: begin,
        4: lambda: world.restart_pod(2),
        8: lambda: leave(1),
        12: lambda: crash(0),
    }
    for act in (plot.get(moment, lambda: None) for moment in range(18)):
        act()
        world.go_on()
        world.train()
    while world.later:
        world.go_on()
