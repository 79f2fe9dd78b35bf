"""A process that is killed, and started again by torchrun in the same pod, goes on from memory."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from scene_files import blender_scene  # noqa: E402
from test_processes import free_port  # noqa: E402
from test_training import SMALL  # noqa: E402

from nerf_contract import names  # noqa: E402
from nerf_contract.training import TrainerConfig  # noqa: E402
from nerf_trainer import train  # noqa: E402

pytestmark = pytest.mark.torch

TIMEOUT = 60
SNAPSHOT_SECONDS = 1
RESUMED = re.compile(r"resuming from the (\w+).* of step (\d+)")


class Training:
    """A training without end under torchrun, whose checkpoints on the volume are never due."""

    def __init__(self, folder: Path, agent: subprocess.Popen[bytes]) -> None:
        self._folder = folder
        self._agent = agent

    @property
    def log(self) -> str:
        return (self._folder / "log").read_text()

    def snapshot(self) -> int:
        """Step of the newest snapshot; 0 without one."""
        found = [int(path.name[5:]) for path in (self._folder / "memory").glob("step-*")]
        return max(found, default=0)

    def kill_process(self) -> None:
        (child,) = (
            Path(f"/proc/{self._agent.pid}/task/{self._agent.pid}/children").read_text().split()
        )
        os.kill(int(child), signal.SIGKILL)

    def wait_for(self, found: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + TIMEOUT
        while not found():
            assert self._agent.poll() is None, self.log[-3000:]
            assert time.monotonic() < deadline, f"{what}: {self.log[-3000:]}"
            time.sleep(0.02)


@contextmanager
def training(folder: Path, scene: Path) -> Iterator[Training]:
    config = SMALL | {
        "training": {**SMALL["training"], "steps": 10**6, "evalEvery": 10**6},  # type: ignore[dict-item]
        "checkpoint": {"snapshotSeconds": SNAPSHOT_SECONDS, "intervalSeconds": 86400},
    }
    TrainerConfig.model_validate(config)
    (folder / "config.json").write_text(json.dumps(config))
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=1"),
        *("--max-restarts=3", "--monitor-interval=0.1", "--rdzv-backend=nerf"),
        *(f"--rdzv-endpoint=127.0.0.1:{free_port()}", "--run-path", "--start-method=fork"),
        *(train.__file__, "--config", "config.json"),
    ]
    env = os.environ | {
        names.ENV_DATASET_ROOT: str(scene),
        names.ENV_TERMINATION_LOG: str(folder / "last-word"),
        names.ENV_SNAPSHOTS: str(folder / "memory"),
    }
    with (folder / "log").open("w") as log:
        agent = subprocess.Popen(command, cwd=folder, env=env, stderr=log)
    try:
        yield Training(folder, agent)
    finally:
        agent.terminate()
        agent.wait(TIMEOUT)


def test_a_killed_process_goes_on_from_memory(tmp_path: Path) -> None:
    with training(tmp_path, blender_scene(tmp_path / "scene")) as running:
        running.wait_for(running.snapshot, "a snapshot")
        first = running.snapshot()
        running.wait_for(lambda: running.snapshot() > first, "a later one")
        newest = running.snapshot()
        running.kill_process()
        running.wait_for(lambda: RESUMED.search(running.log), "a new process")
        found = RESUMED.search(running.log)
        assert found is not None
        assert found[1] == "snapshot"
        # Nothing older than what lay there at the kill, which was a snapshot of that moment.
        assert int(found[2]) >= newest
        running.wait_for(lambda: running.snapshot() > int(found[2]), "steps after it")
