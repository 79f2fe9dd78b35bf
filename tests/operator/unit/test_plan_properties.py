"""Whatever happens to the pods, in whatever order: what must always hold."""

from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from operator_support.model import Model

from nerf_contract import reasons
from nerf_contract.v1alpha1 import NeRFJobStatus
from nerf_operator.core.observed import Pod


def is_true(status: NeRFJobStatus, type_: str) -> bool:
    condition = status.condition(type_)
    return condition is not None and condition.status == "True"


def assert_one_living_pod_a_place(model: Model) -> None:
    places = [(pod.component, pod.index) for pod in model.pods.values() if pod.alive]
    living = Counter(places)
    assert all(count == 1 for count in living.values()), living


def assert_consistent(status: NeRFJobStatus) -> None:
    assert not (is_true(status, reasons.SUCCEEDED) and is_true(status, reasons.FAILED))
    assert not (is_true(status, reasons.RECONCILING) and is_true(status, reasons.STALLED))
    over = is_true(status, reasons.SUCCEEDED) or is_true(status, reasons.FAILED)
    assert over == (status.completion_time is not None)


def assert_complete(model: Model) -> None:
    """After any pass all conditions are there, and are about the spec as it is now."""
    status = model.status
    assert [c.type for c in status.conditions] == list(reasons.CONDITION_TYPES)
    assert all(c.reason and c.message for c in status.conditions)
    seen = {status.observed_generation, *(c.observed_generation for c in status.conditions)}
    assert seen == {model.generation}


def assert_nothing_is_repeated(model: Model, before: NeRFJobStatus, created: set[str]) -> None:
    """No pass makes a pod of a stage that was done before it, or is not due after it."""
    components = {model.pods[name].component for name in created}
    if is_true(before, reasons.POSES_READY):
        assert not {"download", "poses"} & components
    if is_true(before, reasons.TRAINED):
        assert not {"worker", "coordinator"} & components
    if model.staged and not is_true(model.status, reasons.TRAINED):
        assert "export" not in components
    if is_true(before, reasons.SUCCEEDED):
        assert components <= {"viewer"}


def assert_the_dearest_are_spared(model: Model, before: dict[str, Pod]) -> None:
    """An elastic job that trains loses neither its writer, nor one that trains before one that
    does not."""
    gone = [pod for name, pod in before.items() if pod.alive and not model.pods[name].alive]
    lost = [pod for pod in gone if pod.index is not None]
    kept = [pod for pod in model.pods.values() if pod.index and pod.alive and pod.name in before]
    assert all(pod.index != 0 for pod in lost), lost
    if any(pod.ready for pod in lost):
        assert all(pod.ready for pod in kept), (lost, kept)


def assert_broken_nodes_are_avoided(model: Model, before: dict[str, Pod]) -> None:
    """A place whose last pod may have failed by its node prefers others."""
    places = {(pod.component, pod.index): pod for pod in sorted(before.values(), key=_attempt)}
    for made in (pod for name, pod in model.pods.items() if name not in before):
        last = places.get((made.component, made.index))
        if last is not None and last.termination and not last.deleting and last.node:
            assert last.node in made.avoided or "CUDA" not in last.termination.message


def _attempt(pod: Pod) -> int:
    return pod.attempt


def assert_enough_are_wanted(model: Model) -> None:
    """Whatever is given up, the writer and `min` workers stay wanted."""
    workers = model.status.workers
    if workers is not None and workers.given_up is not None:
        assert model.elastic or model.auto
        assert workers.wanted - workers.given_up.workers >= 1


def assert_the_allocation_is_kept_to(model: Model) -> None:
    """An Auto job has no more pods than it was given, and those as far as back-off allows."""
    known = model.status.allocation
    assert known is not None
    living = [pod for pod in model.pods.values() if pod.alive]
    workers = [pod for pod in living if pod.index is not None]
    assert len(workers) <= known.workers
    assert known.workers or not living, living


def assert_a_suspended_job_rests(model: Model, created: set[str]) -> None:
    """It has no pod that runs, and says so, unless it has ended."""
    over = is_true(model.status, reasons.SUCCEEDED) or is_true(model.status, reasons.FAILED)
    if over:
        return
    assert is_true(model.status, reasons.SUSPENDED) == model.suspended
    if model.suspended:
        assert not created
        assert [pod.name for pod in model.pods.values() if pod.alive] == []


def assert_active_time_is_counted(model: Model) -> None:
    """Its clock runs exactly while pods may."""
    found = model.status.active
    rests = is_true(model.status, reasons.SUSPENDED) or model.status.completion_time is not None
    if found is not None:
        assert (found.since is None) == rests
        if model.deadline is not None and not rests and found.since is not None:
            assert found.seconds <= model.deadline


class Cluster(RuleBasedStateMachine):
    """Random faults, with passes of the operator in between: none, one or several."""

    model: Model

    @initialize(
        replicas=st.integers(1, 4),
        elastic=st.booleans(),
        auto=st.booleans(),
        limit=st.integers(0, 6),
        staged=st.booleans(),
        suspended=st.booleans(),
        deadline=st.sampled_from([None, None, 60, 900]),
        clean=st.sampled_from(["Running", "None"]),
    )
    def begin(self, replicas: int, elastic: bool, **policy: Any) -> None:
        limit = policy.pop("limit")
        self.model = Model(replicas, elastic=elastic, backoff_limit=limit, **policy)

    def pick(self, number: int) -> str:
        names = sorted(self.model.pods)
        return names[number % len(names)] if names else ""

    @rule()
    def operator(self) -> None:
        before, there = self.model.status, dict(self.model.pods)
        self.model.step()
        assert_nothing_is_repeated(self.model, before, set(self.model.pods) - set(there))
        assert_a_suspended_job_rests(self.model, set(self.model.pods) - set(there))
        assert_active_time_is_counted(self.model)
        fixed = self.model.elastic and not self.model.auto
        if fixed and self.model.trains() and not self.model.suspended:
            assert_the_dearest_are_spared(self.model, there)
        assert_enough_are_wanted(self.model)
        assert_broken_nodes_are_avoided(self.model, there)

    @rule(
        number=st.integers(0, 9),
        what=st.sampled_from(
            ["run", "run", "crash", "break_gpu", "finish", "evict", "delete", "vanish"]
        ),
    )
    def pod(self, number: int, what: str) -> None:
        getattr(self.model, what)(self.pick(number))

    @rule()
    def service(self) -> None:
        self.model.lose_service()

    @rule(seconds=st.sampled_from([0.1, 1, 20, 60, 300, 600]))
    def time(self, seconds: float) -> None:
        self.model.wait(seconds)

    @rule(workers=st.integers(0, 4))
    def scale(self, workers: int) -> None:
        if self.model.auto:
            self.model.allocate(workers)
        else:
            self.model.scale(max(1, workers))

    @rule(suspended=st.booleans())
    def suspend(self, suspended: bool) -> None:
        self.model.suspend(suspended)

    @rule()
    def kubelet(self) -> None:
        self.model.sweep()

    @rule()
    def another_operator(self) -> None:
        self.model.restart()

    @invariant()
    def one_living_pod_a_place(self) -> None:
        assert_one_living_pod_a_place(self.model)

    @invariant()
    def the_status_never_contradicts_itself(self) -> None:
        assert_consistent(self.model.status)

    @invariant()
    def one_pass_is_enough_wherever_it_begins(self) -> None:
        ahead = self.model.copy()  # Faults pile up in the model itself, until the operator's turn.
        ahead.step()
        assert_one_living_pod_a_place(ahead)
        assert_consistent(ahead.status)
        assert_complete(ahead)
        again = ahead.decide()
        assert (again.actions, again.status) == ((), None), again


Cluster.TestCase.settings = settings(max_examples=100, stateful_step_count=25)
TestCluster = Cluster.TestCase


FAULTS = st.lists(
    st.tuples(st.integers(0, 9), st.sampled_from(["run", "crash", "evict", "delete", "vanish"])),
    max_size=15,
)


@given(
    faults=FAULTS,
    replicas=st.integers(1, 4),
    elastic=st.booleans(),
    staged=st.booleans(),
    suspended=st.booleans(),
)
@settings(max_examples=60)
def test_once_the_faults_end_the_job_trains_and_succeeds(
    faults: list[tuple[int, str]], replicas: int, elastic: bool, staged: bool, suspended: bool
) -> None:
    model = Model(replicas=replicas, elastic=elastic, staged=staged)
    for number, what in faults:
        model.step()
        names = sorted(model.pods)
        # Where a pod vanished time and again, there is none for a while.
        getattr(model, what)(names[number % len(names)] if names else "")
    if suspended:
        model.suspend(True)
        _calm(model)
        assert not [pod for pod in model.pods.values() if pod.alive]
        model.suspend(False)
    _calm(model)
    for stage in ("download", "poses"):
        _finish_stage(model, stage)
    assert is_true(model.status, reasons.WORKERS_READY), model.status
    assert model.status.workers is not None
    assert model.status.workers.summary == f"{replicas}/{replicas}"
    [writer] = [pod.name for pod in model.pods.values() if pod.index == 0 and pod.alive]
    model.finish(writer)
    _calm(model)
    _finish_stage(model, "export")
    assert is_true(model.status, reasons.SUCCEEDED)
    left = [pod.component for pod in model.pods.values() if pod.alive]
    assert left == (["viewer"] if staged else [])


def _finish_stage(model: Model, component: str) -> None:
    """Let the pod of a stage end well; a job without stages has none."""
    pods = [p.name for p in model.pods.values() if p.component == component and p.alive]
    assert len(pods) == model.staged
    for name in pods:
        model.finish(name)
    _calm(model)


def _calm(model: Model) -> None:
    """Time passes, pods start, what terminates goes."""
    for _ in range(4):
        model.step()
        for name in list(model.pods):
            model.run(name)
        model.sweep()
        model.wait(61)
    model.step()


@given(st.lists(st.sampled_from(["crash", "evict", "delete", "vanish"]), max_size=12))
@settings(max_examples=40)
def test_only_failures_of_its_own_spend_the_budget(ends: list[str]) -> None:
    model = Model(replicas=1)
    for what in ends:
        name = _next_pod(model)
        model.run(name)
        model.step()
        getattr(model, what)(name)
        model.step()
        model.sweep()
    assert model.status.restarts == ends.count("crash")


@given(st.lists(st.sampled_from(["vanish", "delete"]), min_size=1, max_size=2))
def test_a_place_that_is_emptied_again_and_again_is_filled_ever_more_slowly(
    how: list[str],
) -> None:
    """Someone may delete every pod that there is, at once: a quota, a policy, a script."""
    model = Model(replicas=1)
    for second in range(300):
        model.step()
        for name in list(model.pods):
            getattr(model, how[second % len(how)])(name)
        model.sweep()
    assert 10 <= model.created <= 14


SIZES = st.lists(
    st.tuples(
        st.integers(0, 4),
        st.integers(0, 9),
        st.sampled_from(["run", "run", "crash", "evict", "delete", "vanish"]),
    ),
    max_size=12,
)


@given(SIZES)
@settings(max_examples=60)
def test_an_auto_job_has_the_workers_that_it_was_given(sizes: list[tuple[int, int, str]]) -> None:
    model = Model(auto=True)
    model.step()
    for workers, number, what in sizes:
        model.allocate(workers)
        names = sorted(model.pods)
        getattr(model, what)(names[number % len(names)] if names else "")
        model.step()
        assert_the_allocation_is_kept_to(model)
        assert_one_living_pod_a_place(model)
        again = model.decide()
        assert (again.actions, again.status) == ((), None), again
    model.allocate(3)
    _calm(model)
    assert model.status.workers is not None and model.status.workers.summary == "3/3"
    model.suspend(True)
    model.step()
    assert model.status.allocation is not None and model.status.allocation.workers == 0
    assert (model.decide().actions, model.decide().status) == ((), None)


def _next_pod(model: Model) -> str:
    """The living pod, once back-off has let it be made."""
    for _ in range(3):
        model.step()
        living = [pod.name for pod in model.pods.values() if pod.alive]
        if living:
            return living[0]
        model.wait(60)
    raise AssertionError(f"no pod is made: {model.pods}")
