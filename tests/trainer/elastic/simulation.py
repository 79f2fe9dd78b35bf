"""Members of a job as they behave, on virtual time, around the real state machine."""

from dataclasses import dataclass, field

from sound_groups import check_group

from nerf_trainer.coordination.members import State
from nerf_trainer.coordination.membership import Event, Settings, Tick, answer, decide
from nerf_trainer.coordination.messages import (
    NO_GENERATION,
    GenerationId,
    Heartbeat,
    Identity,
    Incarnation,
    Join,
    MemberId,
    Placement,
    Reply,
    Verdict,
)

BEAT = 0.5
#: Who has spoken so lately is not given up; and who trains without being told of a change in as
#: long a time, is of the group that the coordinator knows.
IN_TOUCH = 2 * BEAT
TOLD_TO_STOP = (Verdict.OVER, Verdict.FENCED)


@dataclass(eq=False)
class Process:
    """A worker process. It is silent while frozen, and before it has joined for the first time.

    spoke: when it last sent a message. stalled: its heart beats, its training does not get on.
    moved: when that last did, or began to wait for others.
    """

    identity: Identity
    step: int = 0
    seen: int = 0
    spoke: float = 0.0
    frozen: bool = False
    stalled: bool = False
    moved: float = 0.0
    leaving: bool = False
    join: Join | None = None
    placement: Placement | None = None
    verdict: Verdict = Verdict.CURRENT

    @property
    def waiting(self) -> bool:
        return self.join is not None and self.placement is None

    def heartbeat(self, now: float, patience: float) -> Heartbeat:
        """What its heart tells; it is overdue after `patience` seconds of work."""
        group = (NO_GENERATION, 0)
        if self.placement:
            group = self.placement.generation, self.placement.world_size
        idle = now - self.moved
        return Heartbeat(
            *(self.identity, *group, self.seen, self.leaving),
            waited_ms=0 if self.stalled else int(1000 * idle),
            overdue=self.stalled and idle > patience,
        )


@dataclass
class World:
    """A coordinator and its processes.

    zombies: were frozen or cut off when their pod was replaced; thawed, they go on as before.
    formed: all generations. history: who was placed into which.
    disturbed: when one thawed, or the coordinator was restarted, so that for a while it need not
    know who trains.
    """

    settings: Settings
    processes_per_pod: int = 1
    now: float = 100.0
    pods: dict[int, list[Process]] = field(default_factory=dict)
    zombies: list[Process] = field(default_factory=list)
    history: dict[GenerationId, dict[MemberId, Placement]] = field(default_factory=dict)
    formed: set[GenerationId] = field(default_factory=set)
    disturbed: float = 0.0
    incarnations: int = 0
    coordinators: int = 0

    def __post_init__(self) -> None:
        self.restart_coordinator()

    @property
    def living(self) -> list[Process]:
        return [p for pod in self.pods.values() for p in pod]

    @property
    def processes(self) -> list[Process]:
        return [*self.living, *self.zombies]

    def restart_coordinator(self) -> None:
        self.disturbed = self.now
        self.coordinators += 1
        self.state = State(started=self.now, epoch=self.coordinators)

    def start_pod(self, index: int) -> None:
        """Replace the pod. A frozen process of the old one may come back as a zombie."""
        self.zombies += [p for p in self.pods.get(index, []) if p.frozen and p.join]
        self.incarnations += 1
        count = self.processes_per_pod
        self.pods[index] = [
            Process(
                Identity(
                    MemberId(index, rank),
                    Incarnation(self.incarnations, 0),
                    count,
                    writer=index == 0 and rank == 0,
                )
            )
            for rank in range(count)
        ]

    def kill_pod(self, index: int) -> None:
        self.pods.pop(index, None)

    def end(self, process: Process) -> None:
        """It ends by itself, and its agent ends the pod."""
        if process in self.zombies:
            self.zombies.remove(process)
        else:
            self.kill_pod(process.identity.id.pod)

    def thaw(self, process: Process) -> None:
        process.frozen = False
        self.disturbed = self.now

    def stall(self, process: Process) -> None:
        """It neither ends its step nor hears that the group is over; or it gets on again."""
        process.stalled = not process.stalled and process.placement is not None
        process.moved = self.now

    def ask_to_leave(self, process: Process) -> None:
        """SIGTERM: a process without a group ends, and its agent ends the pod; others wait for the
        end of a step (see `obey`)."""
        process.leaving = True
        self.beat(process)
        if process.placement is None:
            self.end(process)

    def join(self, process: Process) -> None:
        attempt = process.join.attempt + 1 if process.join else 1
        left = process.placement or process.join
        group = (left.generation, left.world_size) if left else (NO_GENERATION, 0)
        process.join = Join(process.identity, attempt, process.step, process.seen, "store", *group)
        process.placement = None
        process.verdict = Verdict.CURRENT
        process.moved = self.now
        self.poll(process)

    def come_back(self, process: Process, joins: bool) -> None:
        """It thaws, and goes on with its old group, or joins anew as it misses a peer."""
        self.thaw(process)
        if joins and process.placement:
            self.join(process)
        else:
            self.beat(process)

    def poll(self, process: Process) -> None:
        """Repeat a join that waits."""
        if process.join and process.waiting and not process.frozen:
            self.ask(process, process.join)
            self.collect()

    def collect(self) -> None:
        """Answer the long polls."""
        for process in self.processes:
            if process.waiting and not process.frozen and process.join:
                reply = answer(self.state, process.join)
                if reply.placement:
                    self.deliver(process, reply)

    def place(self, process: Process, reply: Reply) -> None:
        placement = reply.placement
        if placement is None or not process.waiting:
            return
        number = placement.generation.number
        assert number > process.seen, "a number that a worker has seen came again"
        assert not process.leaving, "a place for one that leaves"
        process.placement, process.seen, process.moved = placement, number, self.now
        assert not self.is_succeeded(process), "a place for one that was replaced"
        members = self.history.setdefault(placement.generation, {})
        members[process.identity.id] = placement
        assert len({p.rank for p in members.values()}) == len(members), "two with one rank"

    def beat(self, process: Process) -> None:
        if process.frozen or process.join is None:
            return
        self.ask(process, process.heartbeat(self.now, self.settings.patience))

    def ask(self, process: Process, event: Event) -> None:
        """A message of `process` reaches the coordinator, and its answer comes back."""
        process.spoke = self.now
        self.deliver(process, self.send(event))

    def deliver(self, process: Process, reply: Reply) -> None:
        """An answer reaches `process`."""
        process.verdict = reply.verdict
        self.place(process, reply)
        if process.waiting and reply.verdict is Verdict.FENCED:
            self.end(process)

    def send(self, event: Event) -> Reply:
        decision = decide(self.settings, self.state, event, self.now)
        self.check(self.state, decision.state)
        self.state = decision.state
        return decision.reply

    def pass_time(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now += BEAT
            for process in self.processes:
                self.beat(process)
            self.send(Tick())
            self.collect()

    def train(self) -> None:
        """A step of every group that is whole, from the state of its source."""
        training = [generation for generation in self.history if self.trains(generation)]
        calm = self.now - self.disturbed > IN_TOUCH
        assert not calm or len(training) <= 1, "two groups train at once"
        for generation in training:
            ranks = {p.placement.rank: p for p in self.members_of(generation) if p.placement}
            placement = next(iter(self.history[generation].values()))
            step = ranks[placement.source].step
            for process in ranks.values():
                process.step, process.moved = step + 1, self.now

    def trains(self, generation: GenerationId) -> bool:
        """Whether all are there, and none has been told that the group is over."""
        inside = self.members_of(generation)
        size = next(iter(self.history[generation].values())).world_size
        stopped = any(p.frozen or p.stalled or p.verdict in TOLD_TO_STOP for p in inside)
        return len(inside) == size and not stopped

    def members_of(self, generation: GenerationId) -> list[Process]:
        return [p for p in self.processes if p.placement and p.placement.generation == generation]

    def is_in_touch(self, process: Process) -> bool:
        return process.join is not None and self.now - process.spoke <= IN_TOUCH

    def is_succeeded(self, process: Process) -> bool:
        """Whether a newer process of its pod is in touch."""
        mates = self.pods.get(process.identity.id.pod, [])
        mine = process.identity.incarnation
        return any(p.identity.incarnation > mine and self.is_in_touch(p) for p in mates)

    def obey(self) -> None:
        """Whoever is told of a change, or misses a peer, joins anew, or ends if asked to."""
        for process in self.processes:
            if process not in self.processes or not process.placement:
                continue
            if process.frozen or process.stalled:
                continue
            if process.leaving:
                self.end(process)
            elif self.has_to_leave(process):
                self.join(process)

    def go_on(self) -> None:
        """Half a second, in which everyone does what it has to."""
        self.pass_time(BEAT)
        self.obey()
        for process in self.processes:
            self.poll(process)

    @property
    def together(self) -> bool:
        """Whether the newest group is of all who live, and of nobody else."""
        group = self.state.group
        if group is None or group.world_size != len(self.living):
            return False
        return self.living == self.members_of(group.id)

    def has_to_leave(self, process: Process) -> bool:
        assert process.placement is not None
        peers = self.members_of(process.placement.generation)
        whole = len(peers) == process.placement.world_size
        return process.verdict is not Verdict.CURRENT or not whole

    def check(self, before: State, after: State) -> None:
        """What holds at every change of the state."""
        assert after.number >= before.number, "generation numbers shrank"
        if after.group is None or after.group == before.group or after.group.over:
            return
        placed = [m for m in after.members.values() if m.placement and m.join]
        group = [m for m in placed if m.placement and m.placement.generation == after.group.id]
        if len(group) == after.group.world_size:
            assert after.group.id not in self.formed, "two groups of one name"
            self.formed.add(after.group.id)
            self.check_others(after)
            check_group([(m.identity, m.step, m.placement) for m in group], self.settings)

    def check_others(self, after: State) -> None:
        """No group forms beside one that trains: whoever is in touch is known, so waited for."""
        for process in self.living:
            if process.placement and self.is_in_touch(process):
                known = after.members.get(process.identity.id)
                assert known and known.identity == process.identity, "formed beside one that trains"
