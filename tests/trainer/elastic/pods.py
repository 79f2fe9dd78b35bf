"""Worker pods as torchrun agents on loopback, and what their processes noted of each step."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from operator import sub
from pathlib import Path
from statistics import median
from typing import Any

from elastic_processes import HOST, children, free_port, kill

WORKER = Path(__file__).with_name("linear_worker.py")


def wait_until(condition: Callable[[], Any], what: str, seconds: float = 120.0) -> Any:
    """The first true value of `condition`, or an assertion that names `what` did not happen."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s: {what}")


class Job:
    """A job's pods, its coordinator's port, and the folder where processes leave their notes."""

    def __init__(self, folder: Path, min_pods: int, processes: int = 1) -> None:
        self.folder = folder
        self.token = "one-for-all-of-the-job"
        (folder / "token").write_text(f"{self.token}\n")
        self.port = free_port()
        self.min_pods = min_pods
        self.processes = processes
        self.agents: dict[int, subprocess.Popen[bytes]] = {}
        self._attempts: dict[int, int] = {}
        self._read: dict[Path, int] = {}
        self._notes: list[dict[str, Any]] = []

    def start_pod(self, index: int, host_coordinator: bool = False) -> None:
        """Start worker pod `index`, or its replacement."""
        attempt = self._attempts[index] = self._attempts.get(index, -1) + 1
        command = [
            *(sys.executable, "-m", "torch.distributed.run", "--nnodes=1:4"),
            *(f"--nproc-per-node={self.processes}", "--rdzv-backend=nerf", "--max-restarts=10"),
            *(f"--rdzv-endpoint={HOST}:{self.port}", "--rdzv-id=test", str(WORKER)),
            str(self.folder),
        ]
        with (self.folder / f"pod-{index}-{attempt}.log").open("wb") as log:
            self.agents[index] = subprocess.Popen(
                command,
                env=self._environment(index, attempt, host_coordinator),
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def _environment(self, index: int, attempt: int, host: bool) -> dict[str, str]:
        return os.environ | {
            "NERF_COORDINATOR": f"{HOST}:{self.port}",
            "NERF_GROUP_TOKEN_FILE": str(self.folder / "token"),
            "NERF_POD_IP": HOST,
            "NERF_POD_NAME": f"test-worker-{index}-{attempt}",
            "NERF_WORKER_INDEX": str(index),
            "NERF_MIN_WORKERS": str(self.min_pods),
            "NERF_CHECKPOINT_WRITER": "1" if index == 0 else "",
            "NERF_HOST_COORDINATOR": "1" if host else "",
            "NERF_TERMINATION_LOG": str(self.folder / f"termination-{index}-{attempt}"),
            "OMP_NUM_THREADS": "1",
        }

    def kill_pod(self, index: int) -> None:
        """SIGKILL everything in the pod, as the death of its container does."""
        agent = self.agents.pop(index)
        processes = children(agent.pid)
        for pid in (agent.pid, *processes):
            kill(pid)
        agent.wait()

    def terminate_pod(self, index: int) -> list[int]:
        """SIGTERM to the pod's agent, as the kubelet sends it; the processes it was sent to."""
        agent = self.agents.pop(index)
        processes = children(agent.pid)
        agent.send_signal(signal.SIGTERM)
        return processes

    def pause(self, before: int, after: int) -> float:
        """Seconds between the steps of two generations, less a median step of the second."""
        ends: dict[int, dict[int, float]] = {before: {}, after: {}}
        for note in self.steps():
            if note["generation"] in ends:
                ends[note["generation"]][note["step"]] = note["time"]
        times = list(ends[after].values())
        return float(times[0] - max(ends[before].values()) - median(map(sub, times[1:], times)))

    def processes_of(self, index: int) -> list[int]:
        """Worker processes of pod `index` now."""
        return children(self.agents[index].pid)

    def steps(self) -> list[dict[str, Any]]:
        """All notes, in the order of time."""
        for path in self.folder.glob("steps-*.jsonl"):
            with path.open() as notes:
                notes.seek(self._read.get(path, 0))
                complete, newline, _ = notes.read().rpartition("\n")
            self._notes += [json.loads(line) for line in complete.splitlines()]
            self._read[path] = self._read.get(path, 0) + len(complete + newline)
        self._notes.sort(key=lambda note: float(note["time"]))
        return self._notes

    def training_in(self, generation: int, world: int) -> bool:
        """Whether every process of a world of this size has done a step of `generation`."""
        notes = [n for n in self.steps() if n["generation"] == generation]
        return {n["world"] for n in notes} == {world} and len({n["pid"] for n in notes}) == world

    def newest(self) -> int:
        """The newest generation that has done a step; 0 before the first."""
        return max((n["generation"] for n in self.steps()), default=0)

    def wait_for_world(self, world: int, after: int = 0, seconds: float = 120.0) -> int:
        """Wait until a generation newer than `after` trains with `world` processes."""
        wait_until(
            lambda: self.newest() > after and self.training_in(self.newest(), world),
            f"a world of {world} after generation {after}\n{self.logs()}",
            seconds,
        )
        return self.newest()

    def finish(self, seconds: float = 60.0) -> list[int]:
        """Let the job end; the exit codes of its agents."""
        (self.folder / "finish").touch()
        return [agent.wait(seconds) for agent in self.agents.values()]

    def logs(self) -> str:
        return "\n".join(f"{p.name}:\n{p.read_text()}" for p in self.folder.glob("pod-*.log"))

    def clean_up(self) -> None:
        for index in list(self.agents):
            self.kill_pod(index)
