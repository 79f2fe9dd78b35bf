"""Whatever happens, groups are sound; and when things calm down, everyone trains together."""

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from settling import settle
from simulation import World

from nerf_trainer.coordination.membership import Settings
from nerf_trainer.coordination.messages import NO_GENERATION, Heartbeat, Verdict

PODS = st.integers(0, 2)
PICK = st.integers(0, 20)


def has_zombies(machine: "Turmoil") -> bool:
    return bool(machine.world.zombies)


class Turmoil(RuleBasedStateMachine):
    """Random starts, deaths, freezes and coordinator failures; `World.check` watches each."""

    @initialize(min_pods=st.integers(1, 3), processes=st.integers(1, 2))
    def begin(self, min_pods: int, processes: int) -> None:
        settings = Settings(min_pods=min_pods, patience=2.0)
        self.world = World(settings, processes_per_pod=processes)

    @rule(pod=PODS)
    def start_pod(self, pod: int) -> None:
        self.world.start_pod(pod)

    @rule(pod=PODS)
    def kill_pod(self, pod: int) -> None:
        self.world.kill_pod(pod)

    @rule(pick=PICK)
    def ask_to_leave(self, pick: int) -> None:
        asked = [p for p in self.world.living if not p.frozen]
        if asked:
            self.world.ask_to_leave(asked[pick % len(asked)])

    @rule(pick=PICK)
    def join(self, pick: int) -> None:
        outside = [p for p in self.world.living if p.join is None and not p.frozen]
        if outside:
            self.world.join(outside[pick % len(outside)])

    @rule(pick=PICK)
    def lose_a_peer(self, pick: int) -> None:
        inside = [p for p in self.world.processes if p.placement and not (p.frozen or p.leaving)]
        inside = [p for p in inside if not p.stalled]
        if inside:
            self.world.join(inside[pick % len(inside)])

    @rule(pick=PICK)
    def stall_or_get_on(self, pick: int) -> None:
        living = self.world.living
        if living:
            self.world.stall(living[pick % len(living)])

    @rule(pick=PICK)
    def freeze_or_thaw(self, pick: int) -> None:
        living = self.world.living
        if living:
            process = living[pick % len(living)]
            if process.frozen:
                self.world.thaw(process)
            else:
                process.frozen = True

    @rule(pods=st.sets(PODS, min_size=1))
    def cut_off_and_replace_pods(self, pods: set[int]) -> None:
        for process in [p for pod in pods for p in self.world.pods.get(pod, [])]:
            process.frozen = True
        for pod in sorted(pods):
            self.world.start_pod(pod)
        for process in [p for pod in sorted(pods) for p in self.world.pods[pod]]:
            self.world.join(process)

    @rule(seconds=st.sampled_from([0.5, 1.0, 3.0]))
    def pass_time(self, seconds: float) -> None:
        self.world.pass_time(seconds)

    @rule()
    def train(self) -> None:
        self.world.train()

    @rule()
    def obey(self) -> None:
        self.world.obey()

    @rule()
    def go_on_undisturbed(self) -> None:
        for process in self.world.living:
            if process.join is None and not process.frozen:
                self.world.join(process)
        self.world.pass_time(4.0)
        self.world.obey()
        self.world.train()

    @rule()
    def restart_coordinator(self) -> None:
        self.world.restart_coordinator()

    @precondition(has_zombies)
    @rule(pick=PICK, joins=st.booleans())
    def zombie_comes_back(self, pick: int, joins: bool) -> None:
        zombies = self.world.zombies
        self.world.come_back(zombies[pick % len(zombies)], joins)

    @precondition(has_zombies)
    @rule(pick=PICK)
    def zombie_speaks(self, pick: int) -> None:
        """A process whose pod has been replaced, and whose successor is known, is fenced."""
        zombie = self.world.zombies[pick % len(self.world.zombies)]
        id = zombie.identity.id
        rivals = [m for i, m in self.world.state.members.items() if i.pod == id.pod]
        newer = [m for m in rivals if m.identity.incarnation > zombie.identity.incarnation]
        live = [m for m in newer if self.world.now - m.heard <= 1.0]
        if live:
            reply = self.world.send(Heartbeat(zombie.identity, NO_GENERATION, 0, zombie.seen))
            assert reply.verdict is Verdict.FENCED

    def teardown(self) -> None:
        if hasattr(self, "world"):
            settle(self.world)


TestTurmoil = Turmoil.TestCase
TestTurmoil.settings = hypothesis_settings(
    max_examples=150, stateful_step_count=40, deadline=None, derandomize=True
)


@pytest.mark.parametrize("min_pods", [1, 3])
def test_calm_start(min_pods: int) -> None:
    world = World(Settings(min_pods=min_pods))
    settle(world)
    assert world.state.number <= 3
