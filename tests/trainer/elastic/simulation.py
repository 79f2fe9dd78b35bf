"""Members of a job as they behave, on virtual time, around the real state machine."""

from dataclasses import dataclass, field

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


@dataclass(eq=False)
class Process:
    """A worker process. It is silent while frozen, and before it has joined for the first time."""

    identity: Identity
    step: int = 0
    seen: int = 0
    frozen: bool = False
    leaving: bool = False
    join: Join | None = None
    placement: Placement | None = None
    verdict: Verdict = Verdict.CURRENT

    @property
    def waiting(self) -> bool:
        return self.join is not None and self.placement is None


@dataclass
class World:
    """A coordinator and its processes.

    history: who was placed into which generation. lives: the newest attempt of each pod that was.
    """

    settings: Settings
    processes_per_pod: int = 1
    now: float = 100.0
    pods: dict[int, list[Process]] = field(default_factory=dict)
    zombies: list[Process] = field(default_factory=list)
    history: dict[GenerationId, dict[MemberId, Placement]] = field(default_factory=dict)
    lives: dict[int, int] = field(default_factory=dict)
    incarnations: int = 0
    coordinators: int = 0

    def __post_init__(self) -> None:
        self.restart_coordinator()

    @property
    def living(self) -> list[Process]:
        return [p for pod in self.pods.values() for p in pod]

    def restart_coordinator(self) -> None:
        self.coordinators += 1
        self.state = State(started=self.now, epoch=self.coordinators)

    def start_pod(self, index: int) -> None:
        """Replace the pod. A frozen process of the old one may come back as a zombie."""
        self.zombies += [p for p in self.pods.get(index, []) if p.frozen]
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

    def ask_to_leave(self, process: Process) -> None:
        """SIGTERM: a process without a group ends, and its agent ends the pod; others wait for the
        end of a step (see `obey`)."""
        process.leaving = True
        self.beat(process)
        if process.placement is None:
            self.kill_pod(process.identity.id.pod)

    def join(self, process: Process) -> None:
        attempt = process.join.attempt + 1 if process.join else 1
        left = process.placement or process.join
        group = (left.generation, left.world_size) if left else (NO_GENERATION, 0)
        process.join = Join(process.identity, attempt, process.step, process.seen, "store", *group)
        process.placement = None
        process.verdict = Verdict.CURRENT
        self.poll(process)

    def poll(self, process: Process) -> None:
        """Repeat a join that waits."""
        if process.join and process.waiting and not process.frozen:
            self.ask(process, process.join)
            self.collect()

    def collect(self) -> None:
        """Answer the long polls."""
        for process in self.living:
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
        process.placement, process.seen = placement, number
        pod, life = process.identity.id.pod, process.identity.incarnation.attempt
        assert life >= self.lives.get(pod, 0), "a place for one that was replaced"
        self.lives[pod] = life
        members = self.history.setdefault(placement.generation, {})
        members[process.identity.id] = placement
        assert len({p.rank for p in members.values()}) == len(members), "two with one rank"

    def beat(self, process: Process) -> None:
        if process.frozen or process.join is None:
            return
        generation = process.placement.generation if process.placement else NO_GENERATION
        size = process.placement.world_size if process.placement else 0
        self.ask(
            process, Heartbeat(process.identity, generation, size, process.seen, process.leaving)
        )

    def ask(self, process: Process, event: Event) -> None:
        """A message of `process` reaches the coordinator, and its answer comes back."""
        self.deliver(process, self.send(event))

    def deliver(self, process: Process, reply: Reply) -> None:
        """An answer reaches `process`."""
        process.verdict = reply.verdict
        self.place(process, reply)

    def send(self, event: Event) -> Reply:
        decision = decide(self.settings, self.state, event, self.now)
        self.check(self.state, decision.state)
        self.state = decision.state
        return decision.reply

    def pass_time(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now += BEAT
            for process in self.living:
                self.beat(process)
            self.send(Tick())
            self.collect()

    def train(self) -> None:
        """A step of every group that is whole, from the state of its source."""
        for generation, placements in self.history.items():
            inside = self.members_of(generation)
            placement = next(iter(placements.values()))
            size, source = placement.world_size, placement.source
            if len(inside) == size and not any(p.frozen for p in inside):
                ranks = {p.placement.rank: p for p in inside if p.placement}
                step = ranks[source].step
                for process in inside:
                    process.step = step + 1

    def members_of(self, generation: GenerationId) -> list[Process]:
        return [p for p in self.living if p.placement and p.placement.generation == generation]

    def obey(self) -> None:
        """Whoever is told of a change, or misses a peer, joins anew, or ends if asked to."""
        for process in self.living:
            if process not in self.living or process.frozen or not process.placement:
                continue
            if process.leaving:
                self.kill_pod(process.identity.id.pod)
            elif self.has_to_leave(process):
                self.join(process)

    def go_on(self) -> None:
        """Half a second, in which everyone does what it has to."""
        self.pass_time(BEAT)
        self.obey()
        for process in self.living:
            self.poll(process)

    @property
    def together(self) -> bool:
        """Whether all who live are in the newest group."""
        group = self.state.group
        return group is not None and self.living == self.members_of(group.id)

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
            check_group([(m.identity, m.step, m.placement) for m in group], self.settings)


def check_group(group: list[tuple[Identity, int, Placement | None]], settings: Settings) -> None:
    """What holds for every generation that is formed."""
    placements = [placement for _, _, placement in group if placement]
    assert sorted(p.rank for p in placements) == list(range(len(group)))
    assert {p.world_size for p in placements} == {len(group)}
    assert len({(p.source, p.writer, p.store) for p in placements}) == 1
    pods: dict[int, int] = {}
    for identity, _, _ in group:
        pods[identity.id.pod] = pods.get(identity.id.pod, 0) + 1
    assert len(pods) >= settings.min_pods, "too few pods"
    assert all(pods[i.id.pod] == i.local_world_size for i, _, _ in group), "a pod in part"
    steps = {p.rank: step for _, step, p in group if p}
    assert steps[placements[0].source] == max(steps.values()), "the source lags"
    assert any(step > 0 or i.writer for i, step, _ in group), "untrained, without the writer"
    assert len({i.config for i, _, _ in group}) == 1, "two configs in one group"
    writers = [p.rank for i, _, p in group if p and i.writer]
    assert writers in ([], [placements[0].writer]), "not the one writer that all are told of"


def settle(world: World) -> None:
    """With as many pods as it takes, all who live end in one group that has lost no step."""
    calm_down(world)
    newest = max((p.step for p in world.living), default=0)
    for pod in range(3):
        needed = pod == 0 or len(world.pods) < world.settings.min_pods
        if needed and pod not in world.pods:
            world.start_pod(pod)
    for process in world.living:
        if process.join is None:
            world.join(process)
    for _ in range(20):
        world.go_on()
        if world.together:
            break
    assert world.together, "someone is left out"
    world.train()
    assert {p.step for p in world.living} == {newest + 1}, "steps are lost"


def calm_down(world: World) -> None:
    """Nobody hangs, and who was asked to leave is gone."""
    for process in world.living:
        process.frozen = False
    for process in [p for p in world.living if p.leaving]:
        world.kill_pod(process.identity.id.pod)
