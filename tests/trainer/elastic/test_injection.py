"""A process dies or freezes at a named rank and step: the others train on, and nothing is lost."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

pytest.importorskip("torch")

import faulty_worker
from elastic_processes import HOST, kill
from faulty_worker import AFTER, BEFORE, COMMIT, CONTEXT, MIDDLE, WORLD, Injection
from pods import wait_until
from scene_files import blender_scene
from test_training import SMALL

from nerf_contract import names
from nerf_contract.progress import TerminationMessage
from nerf_trainer.coordination.membership import Settings
from nerf_trainer.coordination.server import Server

pytestmark = pytest.mark.torch

STEPS, EVAL_EVERY, FAULT_STEP = 20, 8, 11
SECONDS = 120.0
CASES = [(rank, point) for rank in range(WORLD) for point in (BEFORE, MIDDLE, AFTER)]
CASES += [(0, COMMIT)]


class Group:
    """Worker pods of one process each, and their coordinator; no agents."""

    def __init__(self, folder: Path, scene: Path) -> None:
        self.folder, self.scene = folder, scene
        training = {"steps": STEPS, "evalEvery": EVAL_EVERY, "shards": 4, "raysPerBatch": 64}
        config = SMALL | {"training": {**SMALL["training"], **training}}  # type: ignore[dict-item]
        (folder / "config.json").write_text(json.dumps(config))
        self.server = Server(Settings(min_pods=1, grace=0.0), HOST, 0)
        self.server.start()
        self.started: list[BaseProcess] = []

    def start(self, pod: int, attempt: int = 0, injection: Injection | None = None) -> BaseProcess:
        env = {
            names.ENV_COORDINATOR: f"{HOST}:{self.server.port}",
            names.ENV_POD_NAME: f"test-worker-{pod}-{attempt}",
            names.ENV_WORKER_INDEX: str(pod),
            names.ENV_CHECKPOINT_WRITER: "1" if pod == 0 else "",
            names.ENV_DATASET_ROOT: str(self.scene),
            names.ENV_TERMINATION_LOG: str(self.folder / f"last-word-{pod}-{attempt}"),
        }
        process = CONTEXT.Process(target=faulty_worker.work, args=(env, self.folder, injection))
        process.start()
        self.started.append(process)
        return process

    def members(self) -> set[str]:
        return {member["id"] for member in self.server.coordinator.status()["members"]}

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        try:
            wait_until(condition, what, SECONDS)
        except AssertionError as error:
            error.add_note(f"{self.server.coordinator.status()}\n{self.logs()}")
            raise

    def end(self, process: BaseProcess) -> int | None:
        process.join(SECONDS)
        assert not process.is_alive(), self.logs()
        return process.exitcode

    def reason(self, pod: int, attempt: int = 0) -> str:
        text = (self.folder / f"last-word-{pod}-{attempt}").read_text()
        return TerminationMessage.model_validate_json(text).reason

    def state(self) -> bytes:
        path = self.folder / f"output/checkpoints/step-{STEPS:09d}/state.safetensors"
        return path.read_bytes()

    def logs(self) -> str:
        return "\n".join(f"{p.name}:\n{p.read_text()}" for p in self.folder.glob("log-*"))

    def clean_up(self) -> None:
        for process in self.started:
            if process.is_alive() and process.pid:
                kill(process.pid)
            process.join()
        self.server.stop()


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return blender_scene(tmp_path_factory.mktemp("scene"), train=4, test=1, width=16)


@pytest.fixture
def group(tmp_path: Path, scene: Path) -> Iterator[Group]:
    made = Group(tmp_path, scene)
    yield made
    made.clean_up()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, scene: Path) -> bytes:
    """The state at the end when nothing happens."""
    group = Group(tmp_path_factory.mktemp("undisturbed"), scene)
    both = [group.start(pod) for pod in range(WORLD)]
    assert [group.end(process) for process in both] == [0, 0], group.logs()
    group.clean_up()
    return group.state()


@pytest.mark.parametrize(("rank", "point"), CASES)
@pytest.mark.parametrize("fault", [signal.SIGKILL, signal.SIGSTOP], ids=["dies", "freezes"])
def test_the_others_go_on_and_nothing_is_lost(
    group: Group, undisturbed: bytes, fault: signal.Signals, rank: int, point: str
) -> None:
    """Pods join in the order of their ranks. Of one that dies, the replacement is started."""
    step = EVAL_EVERY - 1 if point == COMMIT else FAULT_STEP
    note = group.folder / "injected"
    victim = group.start(rank, injection=Injection(fault, rank, step, point, note))
    survivor = group.start(1 - rank)
    group.wait_until(note.exists, "the fault is injected")
    if fault == signal.SIGKILL:
        assert group.end(victim) == -fault
        back, attempt = group.start(rank, attempt=1), 1
    else:
        group.wait_until(lambda: f"{rank}.0" not in group.members(), "it is given up")
        assert victim.pid is not None
        os.kill(victim.pid, signal.SIGCONT)
        back, attempt = victim, 0
    assert [group.end(process) for process in (survivor, back)] == [0, 0], group.logs()
    assert group.reason(1 - rank) == group.reason(rank, attempt) == "TrainingCompleted"
    assert group.state() == undisturbed
    assert not list((group.folder / "output/checkpoints").glob(".*")), "half of a checkpoint"
